import type { SentTask } from "../api/responses";
import { CopyButton } from "./CopyButton";
import { Result } from "./Result";
import { nameStatus, StatusTag } from "./StatusTag";
import { TaskNameLink } from "./TaskNameLink";
import { type TaskView, useTask } from "./useTask";

/** What becomes of a task, as it happens. */
export function Outcome({ task }: { task: SentTask }) {
  const view = useTask(task);
  const last = view.outcome ?? view.progress.at(-1);
  return (
    <div className="outcome">
      <dl className="facts">
        <dt>Status</dt>
        <dd>
          {last ? <StatusTag status={last.response.status} /> : <span className="tag">◌ waiting</span>}
          {last && last.response.attempt > 1 && <span className="quiet"> attempt {last.response.attempt}</span>}
          <span className="sr-only" role="status">
            {last ? `Task ${nameStatus(last.response.status)}` : "Task sent"}
          </span>
        </dd>
        <dt>Task</dt>
        <dd>
          <TaskNameLink {...task} /> <CopyButton text={task.taskId} what="the task id" />
        </dd>
        <dt>Agent</dt>
        <dd>
          <code>{task.agentId}</code>
        </dd>
        <dt>Position</dt>
        <dd>
          <code>{task.position}</code>
        </dd>
      </dl>
      {last ? <Result arrival={last} /> : <p className="empty">{explain(view)}</p>}
      {last && !view.outcome && <p className="quiet">{explain(view)}</p>}
    </div>
  );
}

function explain({ state }: TaskView): string {
  switch (state.kind) {
    case "connecting":
      return "Asking the gateway for the outcome…";
    case "open":
      return "The broker has it; its agent has not answered yet. The outcome appears here by itself.";
    case "away":
      return `${capitalize(state.detail)}. The outcome is asked for again by itself.`;
    case "refused":
      return `The outcome cannot be shown: ${state.detail}.`;
    case "ended":
      return "The stream has ended.";
  }
}

function capitalize(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
