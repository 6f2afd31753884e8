import { Link, useSearch } from "@tanstack/react-router";
import { isActive, readReplays } from "../api/replays";
import { usePolled } from "../app/polling";
import { Freshness } from "../components/Freshness";
import { Page } from "../components/Page";
import { ReadTrouble } from "../components/ReadTrouble";
import { ReplayDetail } from "../components/ReplayDetail";
import { ReplayForm } from "../components/ReplayForm";
import { ReplayList } from "../components/ReplayList";

const EVERY_MS = 5_000;

/** Tasks of the past: counted, or published again. */
export function ReplayPage() {
  const { replay } = useSearch({ from: "/replay" });
  if (replay !== undefined) {
    return (
      <Page
        title="A replay"
        tools={
          <nav className="trail" aria-label="Where this is">
            <Link to="/replay">All replays</Link>
          </nav>
        }
      >
        <ReplayDetail key={replay} replayId={replay} />
      </Page>
    );
  }
  return <Replays />;
}

function Replays() {
  const query = usePolled({ key: ["replays"], read: readReplays, everyMs: EVERY_MS });
  const active = query.data?.filter(isActive).length ?? 0;
  return (
    <Page
      title="Replay"
      tools={
        <div className="tools">
          <Freshness query={query} />
          {active > 0 && <span className="quiet">{active} at work</span>}
        </div>
      }
    >
      <ReadTrouble what="The replays" error={query.error} hasOlder={query.data !== undefined} />
      <div className="columns">
        <ReplayForm />
        <ReplayList replays={query.data} />
      </div>
    </Page>
  );
}
