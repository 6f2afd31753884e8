import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { TasksSearch } from "../app/taskSearch";

interface TaskLinkProps {
  /** Which tasks. */
  search: TasksSearch;
  children: ReactNode;
}

/** A number that leads to the tasks that it counts. */
export function TaskLink({ search, children }: TaskLinkProps) {
  return (
    <Link to="/tasks" search={search}>
      {children}
    </Link>
  );
}
