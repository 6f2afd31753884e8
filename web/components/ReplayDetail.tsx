import { useMutation, useQueryClient } from "@tanstack/react-query";
import { GatewayAway } from "../api/problems";
import { applyReplay, canGoOn, isActive, type Replay, readReplay, stopReplay } from "../api/replays";
import { useGatewayLook } from "../app/gateway";
import { usePolled } from "../app/polling";
import { countOf, showCount, showRate } from "../text/numbers";
import { describeSelection, nameOutcome } from "../text/replays";
import { showDuration, showMoment } from "../text/time";
import { ReadTrouble } from "./ReadTrouble";
import { ReplayState } from "./ReplayState";
import { type Column, Table } from "./Table";
import { TaskLink } from "./TaskLink";

const ACTIVE_MS = 1_000;
const CALM_MS = 10_000;
const DEADLINES: Record<Replay["deadlines"], string> = { drop: "dropped", shift: "shifted", keep: "kept" };

/** One replay: how far it is, what it found, and what can be done with it. */
export function ReplayDetail({ replayId }: { replayId: string }) {
  const key = ["replays", replayId];
  const queries = useQueryClient();
  const known = queries.getQueryData<Replay>(key);
  const query = usePolled({
    key,
    read: (signal) => readReplay(replayId, signal),
    everyMs: known === undefined || isActive(known) ? ACTIVE_MS : CALM_MS,
  });
  const lookAtGateway = useGatewayLook();
  const acting = useMutation({
    mutationFn: (act: (replayId: string) => Promise<Replay>) => act(replayId),
    networkMode: "always",
    onError: lookAtGateway,
    onSuccess: (replay) => queries.setQueryData(key, replay),
    onSettled: () => void queries.invalidateQueries({ queryKey: ["replays"] }),
  });
  const replay = query.data;
  if (replay === undefined) {
    return query.error ? (
      <ReadTrouble what="The replay" error={query.error} />
    ) : (
      <p className="card empty">Asking for the replay…</p>
    );
  }
  return (
    <div className="stack">
      <ReadTrouble what="The replay" error={query.error} hasOlder />
      <section className="card">
        <header className="card-head">
          <h2>
            {replay.kind === "inspect" ? "Inspect" : "Reprocess"} <ReplayState state={replay.state} />
          </h2>
          <Actions
            replay={replay}
            isActing={acting.isPending}
            onAct={(act) => !acting.isPending && acting.mutate(act)}
          />
        </header>
        {acting.error && (
          <p className="error-line" role="alert">
            {acting.error instanceof GatewayAway
              ? "The gateway does not answer, so it may have been done or not. Doing it again is safe."
              : acting.error.message}
          </p>
        )}
        {replay.error !== null && <p className="error-line">{replay.error}</p>}
        <Progress replay={replay} />
        <Facts replay={replay} />
      </section>
      <Counts replay={replay} />
    </div>
  );
}

interface ActionsProps {
  replay: Replay;
  isActing: boolean;
  onAct: (act: (replayId: string) => Promise<Replay>) => void;
}

function Actions({ replay, isActing, onAct }: ActionsProps) {
  const tasks = replay.counts?.tasks ?? 0;
  if (isActive(replay)) {
    return (
      <button type="button" className="button" aria-disabled={isActing} onClick={() => onAct(stopReplay)}>
        Stop
      </button>
    );
  }
  if (replay.state === "ready" && tasks > 0) {
    return (
      <button type="button" className="button button-main" aria-disabled={isActing} onClick={() => onAct(applyReplay)}>
        Publish {countOf(tasks, "new task")}
      </button>
    );
  }
  if (!canGoOn(replay)) return null;
  return (
    <button type="button" className="button button-main" aria-disabled={isActing} onClick={() => onAct(applyReplay)}>
      Go on
    </button>
  );
}

/** Always as high, so that nothing moves while it runs. */
function Progress({ replay }: { replay: Replay }) {
  const { done, total, unit, rate_per_s, seconds_left } = replay.progress;
  const of = total === null ? "" : ` of ${showCount(total)}`;
  const parts = [
    `${showCount(done)}${of} ${unit}`,
    rate_per_s !== null && isActive(replay) && showRate(rate_per_s),
    seconds_left !== null && `about ${showDuration(Math.max(1, Math.round(seconds_left)) * 1000)} left`,
  ].filter((part) => part !== false);
  return (
    <div className="progress">
      <progress
        aria-label="Progress"
        {...(total === null && isActive(replay) ? {} : { value: total === 0 ? 1 : done, max: total || 1 })}
      />
      <p>{parts.join(" · ")}</p>
      <p className="sr-only" role="status">
        {`The replay is ${replay.state}.`}
      </p>
    </div>
  );
}

function Facts({ replay }: { replay: Replay }) {
  const { selection, kind, rate_per_s, deadlines, created_by, created_at, started_at, ended_at, published } = replay;
  const moment = (text: string | null) => (text === null ? "–" : showMoment(Date.parse(text)).split(" · ")[0]);
  const search = {
    ...(selection.agent_id === null ? {} : { agent: selection.agent_id }),
    ...(selection.action === null ? {} : { action: selection.action }),
    ...(started_at === null ? {} : { since: started_at }),
  };
  return (
    <dl className="facts">
      <dt>Of</dt>
      <dd>{describeSelection(replay)}</dd>
      {kind === "reprocess" && (
        <>
          <dt>Published</dt>
          <dd>
            {published ? <TaskLink search={search}>{countOf(published, "new task")}</TaskLink> : "nothing"}
            {`, ${rate_per_s === null ? "as fast as can be" : `at most ${showRate(rate_per_s)}`}; old deadlines are ${DEADLINES[deadlines]}`}
          </dd>
        </>
      )}
      <dt>Made</dt>
      <dd>
        {moment(created_at)} by {created_by}
      </dd>
      <dt>{replay.state === "ready" ? "Counted" : "Ended"}</dt>
      <dd>{moment(ended_at)}</dd>
      {replay.remarks.length > 0 && (
        <>
          <dt>Remarks</dt>
          <dd>
            {replay.remarks.map((remark) => (
              <p key={remark}>{remark}</p>
            ))}
          </dd>
        </>
      )}
    </dl>
  );
}

type Count = NonNullable<Replay["counts"]>["rows"][number];

function Counts({ replay }: { replay: Replay }) {
  const { counts, kind } = replay;
  const columns: readonly Column<Count>[] = [
    { name: "Action", show: ({ action }) => action ?? "–" },
    ...(kind === "inspect"
      ? [{ name: "Outcome", show: ({ outcome }: Count) => (outcome === null ? "–" : nameOutcome(outcome)) }]
      : []),
    { name: "Tasks", isNumber: true, show: ({ tasks }) => showCount(tasks) },
  ];
  return (
    <section className="card">
      <header className="card-head">
        <h2>{kind === "inspect" ? "What was found" : "What is to be published"}</h2>
        {counts && <span className="quiet">{countOf(counts.tasks, "task")}</span>}
      </header>
      {counts && counts.rows.length > 0 ? (
        <Table
          name="Counts"
          columns={columns}
          rows={counts.rows}
          toKey={({ action, outcome }) => JSON.stringify([action, outcome])}
        />
      ) : (
        <p className="empty">{counts ? "No task fits." : "It has not counted yet."}</p>
      )}
      {counts !== null && counts.passed_over > 0 && (
        <p className="empty">{countOf(counts.passed_over, "task")} of other replays left out.</p>
      )}
    </section>
  );
}
