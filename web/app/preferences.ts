/** What a person chose for this browser: the theme, how times are shown, whether single keys do something. */

import { useSyncExternalStore } from "react";
import { read, write } from "./storage";

const CHOICES = {
  theme: ["system", "light", "dark"],
  times: ["relative", "exact"],
  keys: ["on", "off"],
} as const;

type Name = keyof typeof CHOICES;
type Choice<N extends Name> = (typeof CHOICES)[N][number];

const listeners = new Set<() => void>();

/** A preference and how to set it; every part of the page that shows it follows. */
export function usePreference<N extends Name>(name: N): [Choice<N>, (choice: Choice<N>) => void] {
  const choice = useSyncExternalStore(subscribe, () => getPreference(name));
  return [choice, (next) => setPreference(name, next)];
}

/** The choice; the first there is, unless somebody chose another. */
export function getPreference<N extends Name>(name: N): Choice<N> {
  const kept = read(() => localStorage, name);
  return (CHOICES[name] as readonly string[]).includes(kept ?? "") ? (kept as Choice<N>) : CHOICES[name][0];
}

function setPreference<N extends Name>(name: N, choice: Choice<N>): void {
  write(() => localStorage, name, choice === CHOICES[name][0] ? null : choice);
  if (name === "theme") applyTheme(choice);
  for (const listener of listeners) listener();
}

function applyTheme(theme: string): void {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  window.addEventListener("storage", listener); // another tab chose
  return () => {
    listeners.delete(listener);
    window.removeEventListener("storage", listener);
  };
}
