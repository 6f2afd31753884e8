import { Link, useSearch } from "@tanstack/react-router";
import { readTopics, readWorkers, type Workers } from "../api/operations";
import { usePolled } from "../app/polling";
import { useWatch } from "../app/watch";
import { CopyButton } from "../components/CopyButton";
import { Freshness } from "../components/Freshness";
import { Page } from "../components/Page";
import { PartitionTable } from "../components/PartitionTable";
import { ReadTrouble } from "../components/ReadTrouble";
import { RebalanceTable } from "../components/RebalanceTable";
import { type Column, Table } from "../components/Table";
import { type Tile, Tiles } from "../components/Tiles";
import { TopicTable } from "../components/TopicTable";
import { countOf, showCount } from "../text/numbers";

const WORKERS_MS = 5_000;
const TOPICS_MS = 30_000;
const START = "mabos worker run my_agents:agents";
const WORDS: Record<string, string> = {
  stable: "each partition has its worker",
  empty: "no worker is there",
  absent: "no worker was there yet",
  reconciling: "sharing out partitions",
  assigning: "sharing out partitions",
  preparing_rebalance: "sharing out partitions",
  completing_rebalance: "sharing out partitions",
};

const MEMBERS: readonly Column<Workers["members"][number]>[] = [
  { name: "Worker", show: ({ client_id }) => client_id },
  { name: "Host", show: ({ host }) => host },
  {
    name: "Partitions",
    toTitle: ({ partitions }) => partitions.map(({ partition }) => partition).join(", "),
    show: ({ partitions }) =>
      partitions.length === 0 ? (
        <span className="quiet">none: stands by</span>
      ) : (
        `${partitions.length}: ${partitions.map(({ partition }) => partition).join(", ")}`
      ),
  },
  { name: "Waiting", isNumber: true, show: ({ lag }) => showCount(lag) },
  { name: "Member", toTitle: ({ member_id }) => member_id, show: ({ member_id }) => <code>{member_id}</code> },
];

/** Who does the tasks, what waits for each, and the topics that all goes through. */
export function WorkersPage() {
  const { group } = useSearch({ from: "/workers" });
  const workers = usePolled({
    key: ["workers", group],
    read: (signal) => readWorkers(group, signal),
    everyMs: WORKERS_MS,
  });
  const watch = useWatch(workers);
  const topics = usePolled({ key: ["topics"], read: readTopics, everyMs: TOPICS_MS });
  return (
    <Page
      title="Workers"
      tools={
        <div className="tools">
          <Freshness query={workers} />
        </div>
      }
    >
      <ReadTrouble what="The workers" error={workers.error} hasOlder={workers.data !== undefined} />
      <Tiles tiles={toTiles(workers.data)} />
      <div className="stack">
        <section className="card">
          <header className="card-head">
            <h2>Members{workers.data?.group && ` of ${workers.data.group}`}</h2>
          </header>
          {workers.data ? <Members workers={workers.data} /> : <p className="empty">Asking…</p>}
        </section>
        {workers.data && <OtherGroups others={workers.data.others} />}
        <section className="card">
          <header className="card-head">
            <h2>Partitions</h2>
            <span className="quiet">of the requests; what is in hand still counts as waiting</span>
          </header>
          {workers.data ? <PartitionTable workers={workers.data} /> : <p className="empty">Asking…</p>}
        </section>
        <section className="card">
          <header className="card-head">
            <h2>Rebalances</h2>
            <span className="quiet">as far as this page saw them</span>
          </header>
          {watch ? <RebalanceTable watch={watch} /> : <p className="empty">Asking…</p>}
        </section>
        <ReadTrouble what="The topics" error={topics.error} hasOlder={topics.data !== undefined} />
        <section className="card">
          <header className="card-head">
            <h2>Topics</h2>
          </header>
          {topics.data ? <TopicTable topics={topics.data} /> : <p className="empty">Asking…</p>}
        </section>
      </div>
    </Page>
  );
}

function toTiles(workers: Workers | undefined): Tile[] {
  const names = ["Workers", "Without a worker", "Waiting"];
  if (workers === undefined) return names.map((name) => ({ name, value: "–" }));
  const { members, unassigned, lag, state } = workers;
  const held = members.reduce((sum, { partitions }) => sum + partitions.length, 0);
  const idle = members.filter(({ partitions }) => partitions.length === 0).length;
  return [
    {
      name: "Workers",
      value: showCount(members.length),
      more: idle > 0 ? `${showCount(idle)} of them without partitions` : (WORDS[state] ?? state),
      isBad: members.length === 0,
    },
    {
      name: "Without a worker",
      value: showCount(unassigned.length),
      more: `of ${countOf(held + unassigned.length, "partition")}`,
      isBad: unassigned.length > 0,
    },
    { name: "Waiting", value: showCount(lag), more: lag === 1 ? "task" : "tasks, those in hand included" },
  ];
}

function Members({ workers }: { workers: Workers }) {
  if (workers.members.length > 0) {
    return <Table name="Members" columns={MEMBERS} rows={workers.members} toKey={({ member_id }) => member_id} />;
  }
  return (
    <div className="start">
      <p>
        {workers.group === null ? "No worker has been here yet" : "No worker is at work"}
        {workers.lag > 0 ? `, and ${countOf(workers.lag, "task")} ${workers.lag === 1 ? "waits" : "wait"}` : ""}. This
        starts one, and a second one on any machine shares the work:
      </p>
      <p className="start-command">
        <code>{START}</code> <CopyButton text={START} what="the command" />
      </p>
    </div>
  );
}

function OtherGroups({ others }: { others: readonly string[] }) {
  if (others.length === 0) return null;
  return (
    <p className="quiet">
      Other groups read the requests, too:{" "}
      {others.map((group, index) => (
        <span key={group}>
          {index > 0 && ", "}
          <Link to="/workers" search={{ group }}>
            {group}
          </Link>
        </span>
      ))}
    </p>
  );
}
