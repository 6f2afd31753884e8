import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useCallback, useEffect, useRef, useState, useSyncExternalStore } from "react";
import { followAll } from "../api/responses";
import type { StreamState } from "../api/stream";
import { useGatewayLook } from "../app/gateway";
import { LiveLog, type Row } from "../app/liveLog";
import { useShortcut } from "../app/shortcuts";
import { EventGrid } from "../components/EventGrid";
import { LiveFilters, parseStatuses } from "../components/LiveFilters";
import { LiveNews } from "../components/LiveNews";
import { Page } from "../components/Page";
import { ResponseDetail } from "../components/ResponseDetail";
import { TimesChoice } from "../components/TimesChoice";
import { showClock } from "../text/time";

/** Everything that agents answer, as it happens. */
export function LivePage() {
  const search = useSearch({ from: "/live" });
  const navigate = useNavigate({ from: "/live" });
  const { log, state, since } = useLive(search.agent ?? "", search.status ?? "");
  const view = useSyncExternalStore(log.subscribe, log.getView);
  const [isPaused, setPaused] = useState(false);
  const [isReading, setReading] = useState(false);
  const [selected, setSelected] = useState<Row | null>(null);
  const top = useRef<HTMLDivElement>(null);
  useEffect(() => log.hold(isPaused || isReading), [log, isPaused, isReading]);
  useShortcut("p", "Pause or go on (Live)", () => setPaused((paused) => !paused));
  const close = useCallback(() => setSelected(null), []);
  const letIn = () => {
    log.release();
    top.current?.querySelector(".grid-body")?.scrollTo({ top: 0 });
  };
  return (
    <Page
      title="Live"
      isFull
      tools={
        <div className="tools">
          <LiveState state={state} isPaused={isPaused} />
          <span className="grow" />
          <TimesChoice />
          <button type="button" className="button" aria-pressed={isPaused} onClick={() => setPaused(!isPaused)}>
            Pause
          </button>
        </div>
      }
    >
      <LiveFilters
        agent={search.agent ?? ""}
        statuses={parseStatuses(search.status ?? "")}
        onChange={(next) => void navigate({ search: next, replace: true })}
      />
      <LiveNews
        held={view.held}
        shown={`${view.rows.length.toLocaleString()} ${view.rows.length === 1 ? "response" : "responses"}`}
        reason={isPaused ? "held while paused" : "held while you read"}
        onLetIn={letIn}
      />
      <div className={selected ? "split split-open" : "split"} ref={top}>
        <EventGrid view={view} selected={selected?.number ?? null} onSelect={setSelected} onReading={setReading} />
        {view.rows.length === 0 && (
          <p className="empty grid-empty">
            {state.kind === "refused" ? (
              `The gateway refuses this: ${state.detail}.`
            ) : (
              <>
                No response has come since {showClock(since).slice(0, 8)}. <Link to="/create">Create a task</Link> to
                see one here.
              </>
            )}
          </p>
        )}
        {selected && <ResponseDetail row={selected} onClose={close} />}
      </div>
    </Page>
  );
}

/** The log of what is asked for, and what its stream is doing. */
function useLive(agent: string, statuses: string) {
  const [log] = useState(() => new LiveLog());
  const [state, setState] = useState<StreamState>({ kind: "connecting" });
  const [since, setSince] = useState(() => Date.now());
  const lookAtGateway = useGatewayLook();
  useEffect(() => {
    const stop = new AbortController();
    log.clear();
    setSince(Date.now());
    const wanted = { agents: agent === "" ? [] : [agent], statuses: parseStatuses(statuses) };
    void followAll(wanted, {
      signal: stop.signal,
      onArrivals: (arrivals) => log.push(arrivals),
      onState: (next) => {
        setState(next);
        if (next.kind === "away") lookAtGateway();
      },
    });
    return () => stop.abort();
  }, [log, agent, statuses, lookAtGateway]);
  return { log, state, since };
}

function LiveState({ state, isPaused }: { state: StreamState; isPaused: boolean }) {
  const [kind, words] = describe(state, isPaused);
  return (
    <span className={`live-state live-${kind}`} role="status">
      <span aria-hidden="true">●</span> {words}
    </span>
  );
}

function describe(state: StreamState, isPaused: boolean): [string, string] {
  if (state.kind === "open") return isPaused ? ["paused", "Paused"] : ["open", "Live"];
  if (state.kind === "connecting") return ["paused", "Connecting"];
  if (state.kind === "away") return ["away", "Connection lost, coming back"];
  return ["away", "Stopped"];
}
