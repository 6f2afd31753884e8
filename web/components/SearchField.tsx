import { useEffect, useRef, useState } from "react";
import { useShortcut } from "../app/shortcuts";

/** Typing rests for so long before it is applied. */
const REST_MS = 350;

interface SearchFieldProps {
  name: string;
  /** What the key / does here, for the list of keys. */
  keysDo: string;
  value: string;
  onChange: (value: string) => void;
}

/** A text to search for; applied when the typing rests. The key / goes there. */
export function SearchField({ name, keysDo, value, onChange }: SearchFieldProps) {
  const [typed, setTyped] = useState(value);
  const input = useRef<HTMLInputElement>(null);
  const latest = useRef(onChange);
  latest.current = onChange;
  useShortcut("/", keysDo, () => input.current?.focus());
  useEffect(() => setTyped(value), [value]);
  useEffect(() => {
    if (typed === value) return;
    const timer = setTimeout(() => latest.current(typed), REST_MS);
    return () => clearTimeout(timer);
  }, [typed, value]);
  return (
    <input
      ref={input}
      className="input"
      type="search"
      aria-label={name}
      placeholder={name}
      value={typed}
      onChange={(event) => setTyped(event.target.value)}
      autoComplete="off"
      spellCheck={false}
    />
  );
}
