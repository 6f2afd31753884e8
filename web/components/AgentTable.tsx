import type { ReactNode } from "react";
import type { Agent } from "../api/operations";
import { useNow } from "../app/clock";
import { type AgentColumn, type AgentOrder, turnOrder } from "../text/agents";
import { showCount, showMeasured, showRate, showWait } from "../text/numbers";
import { countFailures, FAILURES } from "../text/outcomes";
import { type WindowName, windowSeconds } from "../text/windows";
import { TaskLink } from "./TaskLink";

interface AgentTableProps {
  agents: readonly Agent[];
  window: WindowName;
  order: AgentOrder;
  onSort: (sort: string) => void;
}

const OPEN_STATES = "queued,in_progress";

/** Agents and their figures; a column's name sorts by it, and turns the order round. */
export function AgentTable({ agents, window, order, onSort }: AgentTableProps) {
  const head = { order, onSort };
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard must reach it
    <section className="table-place" tabIndex={0} aria-label="Agents">
      <table className="table table-agents">
        <thead>
          <tr>
            <SortHead {...head} column="agent">
              Agent
            </SortHead>
            <SortHead {...head} column="waiting">
              Waiting
            </SortHead>
            <SortHead {...head} column="oldest">
              Oldest
            </SortHead>
            <SortHead {...head} column="asked">
              Asked
            </SortHead>
            <SortHead {...head} column="answered">
              Answered
            </SortHead>
            <SortHead {...head} column="wait">
              Wait p50 / p95
            </SortHead>
            <SortHead {...head} column="run">
              Run p50 / p95
            </SortHead>
            <SortHead {...head} column="failed">
              Failures
            </SortHead>
          </tr>
        </thead>
        <tbody>
          {agents.map((agent) => (
            <AgentRow key={agent.agent_id} agent={agent} window={window} />
          ))}
        </tbody>
      </table>
    </section>
  );
}

interface SortHeadProps {
  column: AgentColumn;
  order: AgentOrder;
  onSort: (sort: string) => void;
  children: ReactNode;
}

function SortHead({ column, order, onSort, children }: SortHeadProps) {
  const isSorted = order.by === column;
  const isAscending = (column === "agent") !== order.isTurned;
  return (
    <th
      scope="col"
      className={column === "agent" ? undefined : "number"}
      aria-sort={isSorted ? (isAscending ? "ascending" : "descending") : undefined}
    >
      <button type="button" className="sort" onClick={() => onSort(turnOrder(order, column))}>
        {children}
        <span className="sort-sign" aria-hidden="true">
          {isSorted ? (isAscending ? "↑" : "↓") : ""}
        </span>
      </button>
    </th>
  );
}

function AgentRow({ agent, window }: { agent: Agent; window: WindowName }) {
  const { agent_id, waiting, wait, run, outcomes } = agent;
  const failed = countFailures(outcomes);
  return (
    <tr>
      <th scope="row" className="cut" title={agent_id}>
        <TaskLink search={{ agent: agent_id }}>{agent_id}</TaskLink>
      </th>
      <td className="number">
        {waiting === 0 ? (
          "0"
        ) : (
          <TaskLink search={{ agent: agent_id, state: OPEN_STATES }}>{showCount(waiting)}</TaskLink>
        )}
      </td>
      <td className="number">
        {agent.oldest_waiting_at === null ? "–" : <Waited since={Date.parse(agent.oldest_waiting_at)} />}
      </td>
      <td className="number" title={`${showCount(agent.requested)} tasks`}>
        {showRate(agent.requested / windowSeconds(window))}
      </td>
      <td className="number" title={`${showCount(agent.answered)} tasks`}>
        {showRate(agent.answered / windowSeconds(window))}
      </td>
      <td className="number">
        {showMeasured(wait.p50_ms)} / {showMeasured(wait.p95_ms)}
      </td>
      <td className="number">
        {showMeasured(run.p50_ms)} / {showMeasured(run.p95_ms)}
      </td>
      <td className="number">
        {failed === 0 ? (
          "0"
        ) : (
          <TaskLink search={{ agent: agent_id, state: FAILURES.join(","), since: window }}>
            {showCount(failed)}
          </TaskLink>
        )}
      </td>
    </tr>
  );
}

function Waited({ since }: { since: number }) {
  return showWait(useNow() - since);
}
