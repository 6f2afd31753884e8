/** Single keys and sequences of two that do something, and the list of them. */

import { createContext, type ReactNode, useContext, useEffect, useRef, useState } from "react";
import { getPreference } from "./preferences";

export interface Shortcut {
  /** One key, or two after one another: "?" or "g l". */
  keys: string;
  /** What it does, for the list. */
  does: string;
  run: () => void;
}

interface Registry {
  shortcuts: readonly Shortcut[];
  add: (shortcut: Shortcut) => () => void;
}

const Shortcuts = createContext<Registry>({ shortcuts: [], add: () => () => undefined });
const SEQUENCE_MS = 1500;

/** Holds the shortcuts of what is on the page, and listens for them. */
export function ShortcutProvider({ children }: { children: ReactNode }) {
  const [shortcuts, setShortcuts] = useState<readonly Shortcut[]>([]);
  const current = useRef(shortcuts);
  current.current = shortcuts;
  const [add] = useState(() => (shortcut: Shortcut) => {
    setShortcuts((known) => [...known, shortcut]);
    return () => setShortcuts((known) => known.filter((one) => one !== shortcut));
  });
  useEffect(() => {
    let before = "";
    let at = 0;
    const onKey = (event: KeyboardEvent) => {
      if (getPreference("keys") === "off" || isTyping(event)) return;
      const sequence = event.timeStamp - at < SEQUENCE_MS ? `${before} ${event.key}` : event.key;
      const found = [sequence, event.key].flatMap((keys) => current.current.filter((one) => one.keys === keys))[0];
      before = found ? "" : event.key;
      at = event.timeStamp;
      if (!found) return;
      event.preventDefault();
      found.run();
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, []);
  return <Shortcuts.Provider value={{ shortcuts, add }}>{children}</Shortcuts.Provider>;
}

/** Have a shortcut as long as the component is there. */
export function useShortcut(keys: string, does: string, run: () => void): void {
  const { add } = useContext(Shortcuts);
  const latest = useRef(run);
  latest.current = run;
  useEffect(() => add({ keys, does, run: () => latest.current() }), [add, keys, does]);
}

/** All shortcuts of what is on the page. */
export function useShortcuts(): readonly Shortcut[] {
  return useContext(Shortcuts).shortcuts;
}

function isTyping(event: KeyboardEvent): boolean {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.defaultPrevented) return true;
  const target = event.target;
  if (!(target instanceof HTMLElement)) return false;
  return target.closest("input, textarea, select, [contenteditable], dialog[open]") !== null;
}
