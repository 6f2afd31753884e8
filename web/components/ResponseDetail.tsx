import { useEffect, useRef } from "react";
import type { Row } from "../app/liveLog";
import { showMoment } from "../text/time";
import { CopyButton } from "./CopyButton";
import { Result } from "./Result";
import { StatusTag } from "./StatusTag";
import { TaskNameLink } from "./TaskNameLink";

/** One response in full, beside the list. */
export function ResponseDetail({ row, onClose }: { row: Row; onClose: () => void }) {
  const { response } = row;
  const panel = useRef<HTMLElement>(null);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => event.key === "Escape" && onClose();
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, [onClose]);
  const facts = [
    ["Agent", response.agent_id],
    ["Task", <TaskNameLink key="task" agentId={response.agent_id} taskId={response.task_id} position={row.position} />],
    ["Attempt", String(response.attempt)],
    ["Started", response.started_at === null ? "never" : showMoment(Date.parse(response.started_at))],
    ["Arrived", showMoment(row.arrivedAt)],
    ["Position", row.position],
  ] as const;
  return (
    <aside className="detail" ref={panel} aria-label="Response">
      <header className="card-head">
        <h2>
          <StatusTag status={response.status} />
        </h2>
        <CopyButton text={row.text} what="the response as JSON" />
        <button type="button" className="button button-small" onClick={onClose}>
          Close
        </button>
      </header>
      <dl className="facts">
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <Result arrival={row} />
    </aside>
  );
}
