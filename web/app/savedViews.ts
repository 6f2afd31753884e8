/** Filters that somebody keeps in this browser under a name. */

import { useCallback, useState } from "react";
import { read, write } from "./storage";
import { pickTasksSearch, type TasksSearch } from "./taskSearch";

export interface SavedView {
  name: string;
  search: TasksSearch;
}

const NAME = "views";
export const MAX_VIEWS = 50;

/** The views, by name; and how to keep one, in place of one of that name, and to forget one. */
export function useSavedViews() {
  const [views, setViews] = useState(load);
  const change = useCallback((next: (views: readonly SavedView[]) => readonly SavedView[]) => {
    const changed = next(load()); // another tab may have kept one
    write(() => localStorage, NAME, changed.length === 0 ? null : JSON.stringify(changed));
    setViews(changed);
  }, []);
  return {
    views,
    keep: (view: SavedView) =>
      change((known) =>
        [...known.filter(({ name }) => name !== view.name), view]
          .sort((one, other) => one.name.localeCompare(other.name))
          .slice(0, MAX_VIEWS),
      ),
    forget: (name: string) => change((known) => known.filter((view) => view.name !== name)),
  };
}

function load(): readonly SavedView[] {
  try {
    const kept: unknown = JSON.parse(read(() => localStorage, NAME) ?? "[]");
    if (!Array.isArray(kept)) return [];
    return kept
      .filter((one): one is SavedView => typeof one?.name === "string" && typeof one?.search === "object")
      .map(({ name, search }) => ({ name, search: pickTasksSearch({ ...search }) }));
  } catch {
    return [];
  }
}
