import { useNavigate, useSearch } from "@tanstack/react-router";
import { type Agent, type AgentList, readAgents, readTraffic, type WindowTraffic } from "../api/operations";
import { useNow } from "../app/clock";
import { usePolled } from "../app/polling";
import { AgentRanking } from "../components/AgentRanking";
import { Freshness } from "../components/Freshness";
import { Page } from "../components/Page";
import { ReadTrouble } from "../components/ReadTrouble";
import { TaskLink } from "../components/TaskLink";
import { type Tile, Tiles } from "../components/Tiles";
import { TrafficCharts } from "../components/TrafficCharts";
import { WindowChoice } from "../components/WindowChoice";
import { countOf, showCount, showRate, showShare, showWait } from "../text/numbers";
import { countFailures, FAILURES, OUTCOMES } from "../text/outcomes";
import { DEFAULT_WINDOW, readWindow, type WindowName, windowSeconds, windowUnit } from "../text/windows";

const AGENTS_MS = 10_000;
const RANKED = 5;
const OPEN_STATES = "queued,in_progress";
const FAILED_STATES = FAILURES.join(",");
const ENDED_STATES = OUTCOMES.map(({ state }) => state).join(",");

/** How the road is doing. */
export function OverviewPage() {
  const search = useSearch({ from: "/overview" });
  const navigate = useNavigate({ from: "/overview" });
  const window = readWindow(search.window);
  const traffic = usePolled({
    key: ["traffic", window],
    read: (signal) => readTraffic(window, signal),
    everyMs: windowUnit(window) === "minute" ? 10_000 : 60_000,
  });
  const agents = usePolled({
    key: ["agents", window],
    read: (signal) => readAgents(window, signal),
    everyMs: AGENTS_MS,
  });
  // of another window: the axis and what is on it would not fit
  const shown = traffic.isPlaceholderData ? undefined : traffic.data;
  const error = traffic.error ?? agents.error;
  return (
    <Page
      title="Overview"
      tools={
        <div className="tools">
          <Freshness query={traffic} />
          <span className="grow" />
          <WindowChoice
            value={window}
            onChange={(next) =>
              void navigate({ search: next === DEFAULT_WINDOW ? {} : { window: next }, replace: true })
            }
          />
        </div>
      }
    >
      <ReadTrouble what="The figures" error={error} hasOlder={traffic.data !== undefined} />
      <Tiles tiles={[...toTrafficTiles(window, shown), ...useWaitingTiles(agents.data)]} />
      <TrafficCharts window={window} traffic={shown} />
      <Rankings window={window} agents={agents.isPlaceholderData ? undefined : agents.data?.agents} />
    </Page>
  );
}

function toTrafficTiles(window: WindowName, traffic: WindowTraffic | undefined): Tile[] {
  const { requested = 0, answered = 0, outcomes = {} } = traffic?.total ?? {};
  const failed = countFailures(outcomes);
  const lead = (count: number, state?: string) => {
    if (traffic === undefined) return "–";
    const search = { since: window, ...(state ? { state } : {}) };
    return count === 0 ? "0" : <TaskLink search={search}>{showCount(count)}</TaskLink>;
  };
  const rate = (count: number) => (traffic === undefined ? "" : showRate(count / windowSeconds(window)));
  return [
    { name: "Asked", value: lead(requested), more: rate(requested) },
    { name: "Answered", value: lead(answered, ENDED_STATES), more: rate(answered) },
    {
      name: "Failures",
      value: lead(failed, FAILED_STATES),
      more: traffic && answered > 0 && `${showShare(failed, answered)} of the answers`,
      isBad: failed > 0,
    },
  ];
}

function useWaitingTiles(list: AgentList | undefined): Tile[] {
  const now = useNow();
  const agents = list?.agents ?? [];
  const waiting = agents.reduce((sum, agent) => sum + agent.waiting, 0);
  const having = agents.filter((agent) => agent.waiting > 0).length;
  const oldest = rank(agents, toAge)[0];
  const cut = list?.isCut ? ` of the first ${showCount(agents.length)}` : "";
  const more = having > 0 && `of ${countOf(having, "agent")}${cut}`;
  if (list === undefined) {
    return [
      { name: "Waiting now", value: "–" },
      { name: "Oldest waiting", value: "–" },
    ];
  }
  return [
    {
      name: "Waiting now",
      value: waiting === 0 ? "0" : <TaskLink search={{ state: OPEN_STATES }}>{showCount(waiting)}</TaskLink>,
      more,
    },
    {
      name: "Oldest waiting",
      value: oldest ? (
        <TaskLink search={{ agent: oldest.agent_id, state: OPEN_STATES }}>{showWait(now + toAge(oldest))}</TaskLink>
      ) : (
        "–"
      ),
      more: oldest ? `of ${oldest.agent_id}` : "nothing waits",
    },
  ];
}

function Rankings({ window, agents }: { window: WindowName; agents: readonly Agent[] | undefined }) {
  const now = useNow();
  const countFailed = ({ outcomes }: Agent) => countFailures(outcomes);
  return (
    <div className="charts">
      <AgentRanking
        title="Longest waiting"
        sort="oldest"
        agents={agents && rank(agents, toAge)}
        columns={[
          { name: "Waiting", show: ({ waiting }) => showCount(waiting) },
          { name: "Oldest", show: (agent) => showWait(now + toAge(agent)) },
        ]}
        toSearch={({ agent_id }) => ({ agent: agent_id, state: OPEN_STATES })}
        none="No task waits."
      />
      <AgentRanking
        title="Most failures"
        sort="failed"
        agents={agents && rank(agents, countFailed)}
        columns={[
          { name: "Answered", show: ({ answered }) => showCount(answered) },
          { name: "Failures", show: (agent) => showCount(countFailed(agent)) },
        ]}
        toSearch={({ agent_id }) => ({ agent: agent_id, state: FAILED_STATES, since: window })}
        none="Nothing failed in this time."
      />
    </div>
  );
}

/** The first few by a value, largest first; those that have none are left out. */
function rank(agents: readonly Agent[], toValue: (agent: Agent) => number): Agent[] {
  return agents
    .filter((agent) => Number.isFinite(toValue(agent)) && toValue(agent) !== 0)
    .sort((one, other) => toValue(other) - toValue(one))
    .slice(0, RANKED);
}

/** Larger for what has waited longer: minus its moment. */
function toAge({ oldest_waiting_at }: Agent): number {
  return oldest_waiting_at === null ? Number.NaN : -Date.parse(oldest_waiting_at);
}
