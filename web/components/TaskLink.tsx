import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";

/** Which tasks a list shows, as its address says it. */
export interface TaskSearch {
  agent?: string;
  action?: string;
  /** States, comma separated. */
  state?: string;
  /** ISO 8601, or "1h" for an hour ago. */
  since?: string;
  until?: string;
  text?: string;
}

/** A number that leads to the tasks that it counts; 0 leads nowhere. */
export function TaskLink({ search, children }: { search: TaskSearch; children: ReactNode }) {
  return (
    <Link to={"/tasks" as string} search={search as never}>
      {children}
    </Link>
  );
}
