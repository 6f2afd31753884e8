import { Link } from "@tanstack/react-router";

interface TaskNameLinkProps {
  agentId: string;
  taskId: string;
  /** That of its request or a response: its page waits until the view has it. */
  position?: string;
}

/** A task's id, which leads to its page. */
export function TaskNameLink({ agentId, taskId, position }: TaskNameLinkProps) {
  return (
    <Link
      to="/tasks/$agentId/$taskId"
      params={{ agentId, taskId }}
      search={position === undefined ? {} : { position }}
      className="code"
    >
      {taskId}
    </Link>
  );
}
