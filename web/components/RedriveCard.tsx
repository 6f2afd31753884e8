import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { applyRedrive, planRedrive, type Redrive, type RedriveApplied, type RedrivePlan } from "../api/letters";
import { GatewayAway } from "../api/problems";
import { useGatewayLook } from "../app/gateway";
import { countOf, showCount } from "../text/numbers";
import { showMoment } from "../text/time";
import { type Column, Table } from "./Table";
import { TaskNameLink } from "./TaskNameLink";

interface RedriveCardProps {
  redrive: Redrive;
  onClose: () => void;
}

/** What a redrive would do, exactly; then, if it is wanted, it does that, and shows the new tasks. */
export function RedriveCard({ redrive, onClose }: RedriveCardProps) {
  const heading = useRef<HTMLHeadingElement>(null);
  const lookAtGateway = useGatewayLook();
  const queries = useQueryClient();
  const planning = useMutation({ mutationFn: planRedrive, networkMode: "always", onError: lookAtGateway });
  const applying = useMutation({
    mutationFn: applyRedrive,
    networkMode: "always",
    onError: lookAtGateway,
    onSettled: () => void queries.invalidateQueries({ queryKey: ["letters"] }),
  });
  const { mutate } = planning;
  useEffect(() => {
    heading.current?.focus();
    mutate(redrive);
  }, [mutate, redrive]);
  const plan = planning.data;
  return (
    <section className="card redrive" aria-label="Redrive">
      <header className="card-head">
        <h2 ref={heading} tabIndex={-1}>
          {applying.data ? "What was done" : "What would be done"}
        </h2>
        <button type="button" className="button button-small" onClick={onClose}>
          {applying.data ? "Close" : "Discard"}
        </button>
      </header>
      {planning.isPending && <p className="empty">Making a plan. Nothing is published yet…</p>}
      {planning.error && (
        <div className="redrive-foot">
          <p className="field-fault" role="alert">
            No plan could be made: {planning.error.message}.
          </p>
          <button type="button" className="button button-small" onClick={() => mutate(redrive)}>
            Try again
          </button>
        </div>
      )}
      {plan && !applying.data && (
        <Plan
          plan={plan}
          isApplying={applying.isPending}
          trouble={applying.error ? explain(applying.error) : null}
          onApply={() => applying.mutate(plan.plan_id)}
        />
      )}
      {plan && applying.data && <Applied plan={plan} applied={applying.data} />}
    </section>
  );
}

interface PlanProps {
  plan: RedrivePlan;
  isApplying: boolean;
  trouble: string | null;
  onApply: () => void;
}

function Plan({ plan, isApplying, trouble, onApply }: PlanProps) {
  const { count, agents, oldest_at, newest_at, expires_at, tasks, refused_count, has_more } = plan;
  const tasksOf = countOf(count, "new task");
  return (
    <>
      <div className="redrive-words">
        {count > 0 ? (
          <p>
            <b>
              {tasksOf} for {countOf(agents, "agent")}
            </b>{" "}
            would be published
            {oldest_at && newest_at && <>, of letters from {when(oldest_at, newest_at)}</>}. Each does the task of its
            letter again, and names the old one.
          </p>
        ) : (
          <p>Nothing would be published.</p>
        )}
        {has_more && <p>More letters fit than one plan holds: these are the oldest.</p>}
      </div>
      {tasks.length > 0 && <Table name="New tasks" columns={PLANNED} rows={tasks} toKey={({ letter }) => letter} />}
      {count > tasks.length && <p className="empty">And {showCount(count - tasks.length)} more.</p>}
      <Refused refused={plan.refused} count={refused_count} />
      <div className="redrive-foot">
        <button
          type="button"
          className="button button-main"
          aria-disabled={count === 0 || isApplying}
          onClick={() => count > 0 && !isApplying && onApply()}
        >
          {isApplying ? "Publishing…" : count > 0 ? `Publish ${tasksOf}` : "Nothing to publish"}
        </button>
        <p className={trouble ? "field-fault" : "quiet"} role={trouble ? "alert" : undefined}>
          {trouble ?? `Exactly this plan, until ${showMoment(Date.parse(expires_at)).split(" · ")[0]}.`}
        </p>
      </div>
    </>
  );
}

const PLANNED: readonly Column<RedrivePlan["tasks"][number]>[] = [
  { name: "New task", show: ({ task_id }) => <code>{task_id}</code> },
  { name: "Agent", toTitle: ({ agent_id }) => agent_id, show: ({ agent_id }) => agent_id },
  { name: "Action", show: ({ action }) => action ?? "–" },
  { name: "Letter", show: ({ letter }) => <code>{letter}</code> },
];

function Applied({ plan, applied }: { plan: RedrivePlan; applied: RedriveApplied }) {
  const agents = new Map(plan.tasks.map(({ task_id, agent_id }) => [task_id, agent_id]));
  const columns: readonly Column<RedriveApplied["tasks"][number]>[] = [
    {
      name: "New task",
      show: ({ task_id }) => {
        const agentId = agents.get(task_id);
        return agentId === undefined ? <code>{task_id}</code> : <TaskNameLink agentId={agentId} taskId={task_id} />;
      },
    },
    { name: "Agent", show: ({ task_id }) => agents.get(task_id) ?? "–" },
    { name: "Position", show: ({ position }) => <code>{position}</code> },
    { name: "Letter", show: ({ letter }) => <code>{letter}</code> },
  ];
  const shown = applied.tasks.slice(0, 100);
  return (
    <>
      <div className="redrive-words">
        <p role="status">
          <b>{countOf(applied.published, "new task")}</b> {applied.published === 1 ? "was" : "were"} published.
        </p>
      </div>
      {shown.length > 0 && <Table name="New tasks" columns={columns} rows={shown} toKey={({ letter }) => letter} />}
      {applied.tasks.length > shown.length && (
        <p className="empty">And {showCount(applied.tasks.length - shown.length)} more.</p>
      )}
      <Refused refused={applied.refused} count={applied.refused.length} />
    </>
  );
}

function Refused({ refused, count }: { refused: RedrivePlan["refused"]; count: number }) {
  if (count === 0) return null;
  return (
    <div className="drift">
      <p>
        <b>{countOf(count, "letter")}</b> left out:
      </p>
      <ul>
        {refused.map(({ letter, why }) => (
          <li key={letter}>
            <code>{letter}</code> {why}
          </li>
        ))}
      </ul>
      {count > refused.length && <p className="quiet">And {showCount(count - refused.length)} more.</p>}
    </div>
  );
}

function when(oldest: string, newest: string): string {
  const show = (moment: string) => new Date(moment).toLocaleString();
  return show(oldest) === show(newest) ? show(oldest) : `${show(oldest)} to ${show(newest)}`;
}

function explain(error: Error): string {
  if (error instanceof GatewayAway) {
    return "The gateway does not answer, so tasks may be published or not. Publish again: nothing is published twice.";
  }
  return error.message;
}
