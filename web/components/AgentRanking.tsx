import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { Agent } from "../api/operations";
import type { TasksSearch } from "../app/taskSearch";
import { TaskLink } from "./TaskLink";

interface AgentRankingProps {
  title: string;
  /** Undefined until they are known. */
  agents: readonly Agent[] | undefined;
  /** How the page of all agents sorts them in the same way. */
  sort: string;
  columns: readonly { name: string; show: (agent: Agent) => ReactNode }[];
  toSearch: (agent: Agent) => TasksSearch;
  /** Said where there are none. */
  none: string;
}

/** The first few agents in some order. */
export function AgentRanking({ title, agents, sort, columns, toSearch, none }: AgentRankingProps) {
  return (
    <section className="card ranking" aria-label={title}>
      <header className="card-head">
        <h2>{title}</h2>
        <Link to="/agents" search={{ sort }}>
          All agents
        </Link>
      </header>
      {agents?.length ? (
        <table className="table">
          <thead>
            <tr>
              <th scope="col">Agent</th>
              {columns.map(({ name }) => (
                <th key={name} scope="col" className="number">
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {agents.map((agent) => (
              <tr key={agent.agent_id}>
                <th scope="row" className="cut" title={agent.agent_id}>
                  <TaskLink search={toSearch(agent)}>{agent.agent_id}</TaskLink>
                </th>
                {columns.map(({ name, show }) => (
                  <td key={name} className="number">
                    {show(agent)}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      ) : (
        <p className="empty">{agents ? none : "Asking…"}</p>
      )}
    </section>
  );
}
