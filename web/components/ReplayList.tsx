import { Link } from "@tanstack/react-router";
import type { Replay } from "../api/replays";
import { showCount } from "../text/numbers";
import { describeSelection } from "../text/replays";
import { Moment } from "./Moment";
import { ReplayState } from "./ReplayState";
import { type Column, Table } from "./Table";

const COLUMNS: readonly Column<Replay>[] = [
  {
    name: "Replay",
    show: ({ replay_id, kind }) => (
      <Link to="/replay" search={{ replay: replay_id }} title={replay_id}>
        {kind}
      </Link>
    ),
  },
  { name: "State", show: ({ state }) => <ReplayState state={state} /> },
  { name: "Made", show: ({ created_at }) => <Moment at={Date.parse(created_at)} /> },
  { name: "Tasks", isNumber: true, show: ({ counts }) => (counts === null ? "–" : showCount(counts.tasks)) },
  {
    name: "Published",
    isNumber: true,
    show: ({ published }) => (published === null ? "–" : showCount(published)),
  },
  { name: "Of", toTitle: describeSelection, show: describeSelection },
];

/** Replays, newest first. */
export function ReplayList({ replays }: { replays: readonly Replay[] | undefined }) {
  return (
    <section className="card card-wide">
      <header className="card-head">
        <h2>Replays</h2>
      </header>
      {replays?.length ? (
        <Table name="Replays" columns={COLUMNS} rows={replays} toKey={({ replay_id }) => replay_id} />
      ) : (
        <p className="empty">{replays ? "There was none yet." : "Asking…"}</p>
      )}
    </section>
  );
}
