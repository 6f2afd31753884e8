/** Storage of this browser that may be forbidden, full, or hold what an older console wrote. */

import { useCallback, useState } from "react";

/** The value kept under a name; null if there is none, or it cannot be had. */
export function read(storage: () => Storage, name: string): string | null {
  try {
    return storage().getItem(`mabos.${name}`);
  } catch {
    return null;
  }
}

/** Keep a value, if that is possible; null forgets it. */
export function write(storage: () => Storage, name: string, value: string | null): void {
  try {
    if (value === null) storage().removeItem(`mabos.${name}`);
    else storage().setItem(`mabos.${name}`, value);
  } catch {
    // it is kept as long as the page lives
  }
}

/** State of this tab that survives a reload. A kept value of another shape counts as none. */
export function useTabState<T>(name: string, initial: T, isValid: (value: unknown) => value is T) {
  const [value, setValue] = useState<T>(
    () =>
      parse(
        read(() => sessionStorage, name),
        isValid,
      ) ?? initial,
  );
  const keep = useCallback(
    (next: T) => {
      setValue(next);
      write(() => sessionStorage, name, JSON.stringify(next));
    },
    [name],
  );
  return [value, keep] as const;
}

function parse<T>(text: string | null, isValid: (value: unknown) => value is T): T | null {
  try {
    const value: unknown = JSON.parse(text ?? "");
    return isValid(value) ? value : null;
  } catch {
    return null;
  }
}
