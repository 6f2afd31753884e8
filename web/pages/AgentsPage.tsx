import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useMemo } from "react";
import { readAgents } from "../api/operations";
import { usePolled } from "../app/polling";
import { AgentTable } from "../components/AgentTable";
import { Freshness } from "../components/Freshness";
import { Page } from "../components/Page";
import { Pager } from "../components/Pager";
import { ReadTrouble } from "../components/ReadTrouble";
import { SearchField } from "../components/SearchField";
import { WindowChoice } from "../components/WindowChoice";
import { type AgentSearch, readOrder, sortAgents } from "../text/agents";
import { countOf } from "../text/numbers";
import { DEFAULT_WINDOW, nameWindow, readWindow } from "../text/windows";

const EVERY_MS = 10_000;
const PAGE_ROWS = 50;

/** Every agent: what waits for it, and how it does. */
export function AgentsPage() {
  const search = useSearch({ from: "/agents" });
  const navigate = useNavigate({ from: "/agents" });
  const window = readWindow(search.window);
  const order = readOrder(search.sort);
  const query = usePolled({
    key: ["agents", window],
    read: (signal) => readAgents(window, signal),
    everyMs: EVERY_MS,
  });
  const { data } = query;
  const found = useMemo(() => sortAgents(data?.agents ?? [], order, search.text ?? ""), [data, order, search.text]);
  const pages = Math.max(1, Math.ceil(found.length / PAGE_ROWS));
  const page = Math.min(pages, Math.max(1, Number.parseInt(search.page ?? "1", 10) || 1));
  const change = ({ page: next, ...part }: AgentSearch) => {
    const wanted = { ...search, ...part, ...(next === undefined ? {} : { page: next }) };
    if (next === undefined || next === "1") delete wanted.page;
    void navigate({ search: wanted, replace: true });
  };
  return (
    <Page
      title="Agents"
      tools={
        <div className="tools">
          <Freshness query={query} />
          <span className="grow" />
          <WindowChoice
            value={window}
            onChange={(next) => {
              const { window: _, page: __, ...rest } = search;
              void navigate({ search: next === DEFAULT_WINDOW ? rest : { ...rest, window: next }, replace: true });
            }}
          />
        </div>
      }
    >
      <ReadTrouble what="The agents" error={query.error} hasOlder={data !== undefined} />
      <search className="filters">
        <SearchField
          name="Agent ID"
          keysDo="Filter by agent (Agents)"
          value={search.text ?? ""}
          onChange={(text) => {
            const { text: _, page: __, ...rest } = search;
            void navigate({ search: text === "" ? rest : { ...rest, text }, replace: true });
          }}
        />
        <span className="quiet" role="status">
          {data &&
            `${countOf(found.length, "agent")}${data.isCut ? "; there are more, which are not sorted here" : ""}`}
        </span>
      </search>
      <section className="card">
        <AgentTable
          agents={found.slice((page - 1) * PAGE_ROWS, page * PAGE_ROWS)}
          window={window}
          order={order}
          onSort={(sort) => change({ sort })}
        />
        {found.length === 0 && (
          <p className="empty">
            {data === undefined ? (
              query.error ? (
                "They appear here once they can be read."
              ) : (
                "Asking…"
              )
            ) : data.agents.length > 0 ? (
              "No agent fits."
            ) : (
              <>
                No task waits, and none was asked or answered in {nameWindow(window)}.{" "}
                <Link to="/create">Create a task</Link> for an agent of any name, and it is here.
              </>
            )}
          </p>
        )}
      </section>
      <Pager page={page} pages={pages} onPage={(next) => change({ page: String(next) })} />
    </Page>
  );
}
