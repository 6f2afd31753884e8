import { useEffect, useState } from "react";
import { type Arrival, followTask, isTerminal, type SentTask } from "../api/responses";
import type { StreamState } from "../api/stream";

/** As many progress responses are kept. */
const MAX_PROGRESS = 50;

export interface TaskView {
  progress: readonly Arrival[];
  outcome: Arrival | null;
  state: StreamState;
}

const NOTHING: TaskView = { progress: [], outcome: null, state: { kind: "connecting" } };

/**
 * A task that was sent, as it goes on; a task that is followed from its position is told whole after a reload, too.
 * Without a position nothing is followed.
 */
export function useTask({
  taskId,
  agentId,
  position,
}: Omit<SentTask, "position"> & { position: string | null }): TaskView {
  const [view, setView] = useState(NOTHING);
  useEffect(() => {
    if (position === null) return;
    const stop = new AbortController();
    setView(NOTHING);
    void followTask(
      { taskId, agentId, position },
      {
        signal: stop.signal,
        onState: (state) => setView((before) => ({ ...before, state })),
        onArrivals: (arrivals) => setView((before) => add(before, arrivals)),
      },
    );
    return () => stop.abort();
  }, [taskId, agentId, position]);
  return view;
}

function add(view: TaskView, arrivals: readonly Arrival[]): TaskView {
  const outcome = view.outcome ?? arrivals.find(({ response }) => isTerminal(response.status)) ?? null;
  const progress = arrivals.filter(({ response }) => !isTerminal(response.status));
  return { ...view, outcome, progress: [...view.progress, ...progress].slice(-MAX_PROGRESS) };
}
