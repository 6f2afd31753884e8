import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { TaskSummary } from "../api/tasks";
import { showMoment } from "../text/time";
import { CopyButton } from "./CopyButton";
import { StatusTag } from "./StatusTag";
import { TaskNameLink } from "./TaskNameLink";

/** What there is to say of a task, beside its payload and result. */
export function TaskFacts({ task }: { task: TaskSummary }) {
  return (
    <section className="card" aria-labelledby="facts">
      <header className="card-head">
        <h2 id="facts">Task</h2>
        <StatusTag status={task.state} />
      </header>
      {task.error && (
        <p className="error-line">
          <code>{task.error.code}</code> {task.error.message}
          {task.error.retryable && <span className="quiet"> · sending it again may help</span>}
        </p>
      )}
      <dl className="facts">
        {toFacts(task).map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

function toFacts(task: TaskSummary): [string, ReactNode][] {
  const { agent_id: agent, action, positions } = task;
  const facts: [string, ReactNode][] = [
    [
      "Agent",
      <Link key="agent" to="/tasks" search={{ agent }}>
        {agent}
      </Link>,
    ],
    [
      "Action",
      action !== null && (
        <Link key="action" to="/tasks" search={{ action }}>
          {action}
        </Link>
      ),
    ],
    ["Attempt", task.attempt !== null && task.attempt > 0 && String(task.attempt)],
    ["Deadline", task.deadline !== null && showMoment(Date.parse(task.deadline))],
    ["Cancel reason", task.cancel_reason],
    ["Asked again", task.duplicates > 0 && `${task.duplicates} times more, and done once`],
    ["Later answers", task.superseded > 0 && `${task.superseded}; they count for nothing`],
    ["Sent by", task.parent && <Reference key="parent" {...task.parent} />],
    ["Replay of", task.replay_of && <Reference key="replay" {...task.replay_of} />],
    ["Redrive of", task.redrive_of && <Reference key="redrive" {...task.redrive_of} />],
    ["Request", positions.request && <Position key="request" of="request" text={positions.request} />],
    ["Progress", positions.progress && <Position key="progress" of="progress" text={positions.progress} />],
    ["Response", positions.response && <Position key="response" of="response" text={positions.response} />],
  ];
  return facts.filter(([, value]) => value);
}

function Reference({ agent_id, task_id }: { agent_id: string; task_id: string }) {
  return (
    <>
      <TaskNameLink agentId={agent_id} taskId={task_id} /> <span className="quiet">of {agent_id}</span>
    </>
  );
}

function Position({ of, text }: { of: string; text: string }) {
  return (
    <>
      <code>{text}</code> <CopyButton text={text} what={`the position of the ${of}`} />
    </>
  );
}
