import { Link } from "@tanstack/react-router";
import { keyOf, type TaskSummary } from "../api/tasks";
import { showDuration } from "../text/time";
import { Moment } from "./Moment";
import { type Column, RowGrid, type RowGridProps } from "./RowGrid";
import { StatusTag } from "./StatusTag";

const COLUMNS: readonly Column<TaskSummary>[] = [
  { name: "Requested", render: ({ requested_at }) => <Moment at={Date.parse(requested_at)} /> },
  { name: "State", render: ({ state }) => <StatusTag status={state} /> },
  { name: "Agent", title: ({ agent_id }) => agent_id, render: ({ agent_id }) => agent_id },
  {
    name: "Task",
    className: "code",
    title: ({ task_id }) => task_id,
    render: ({ agent_id, task_id }) => (
      <Link to="/tasks/$agentId/$taskId" params={{ agentId: agent_id, taskId: task_id }} tabIndex={-1} preload={false}>
        {task_id}
      </Link>
    ),
  },
  { name: "Action", title: ({ action }) => action ?? "", render: ({ action }) => action },
  { name: "Waited", className: "number", render: ({ wait_ms }) => wait_ms !== null && showDuration(wait_ms) },
  { name: "Ran", className: "number", render: ({ run_ms }) => run_ms !== null && showDuration(run_ms) },
  { name: "Error", className: "code", title: showError, render: showError },
];

type TaskGridProps = Pick<RowGridProps<TaskSummary>, "onOpen" | "onNearEnd" | "startTop" | "onLeave"> & {
  tasks: readonly TaskSummary[];
};

/** Tasks as rows, newest first. */
export function TaskGrid({ tasks, ...rest }: TaskGridProps) {
  return (
    <RowGrid
      label="Tasks"
      className="grid-tasks"
      columns={COLUMNS}
      count={tasks.length}
      rowAt={(index) => tasks[index]}
      keyOf={keyOf}
      indexOf={(key) => tasks.findIndex((task) => keyOf(task) === key)}
      {...rest}
    />
  );
}

function showError({ error }: TaskSummary): string {
  if (error === null) return "";
  return error.message ? `${error.code}: ${error.message}` : error.code;
}
