import { useEffect, useRef, useState } from "react";
import { type ExportKind, type ExportProgress, save, TaskExport } from "../app/taskExport";
import { describeSearch, type TasksSearch, toFilter } from "../app/taskSearch";
import { showMoment } from "../text/time";
import { Choice } from "./Choice";
import { Dialog } from "./Dialog";
import { Trouble } from "./Trouble";

const KINDS = [
  { value: "ndjson", label: "NDJSON" },
  { value: "csv", label: "CSV" },
] as const;

type Stage =
  | { kind: "ready" }
  | { kind: "reading" }
  | { kind: "stopped" }
  | { kind: "failed"; error: Error }
  | { kind: "done" };

/** Everything that is filtered as a file, with the way there and a stop. */
export function ExportTasks({ search }: { search: TasksSearch }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <button type="button" className="button" aria-haspopup="dialog" onClick={() => setOpen(true)}>
        Export
      </button>
      {isOpen && <ExportDialog search={search} onClose={() => setOpen(false)} />}
    </>
  );
}

function ExportDialog({ search, onClose }: { search: TasksSearch; onClose: () => void }) {
  const { stage, progress, kind, setKind, begin, goOn, stop, keep } = useExport(search);
  return (
    <Dialog title="Export tasks" onClose={onClose}>
      <div className="dialog-form">
        <p>
          What the filters mean now (<span className="quiet">{describeSearch(search)}</span>), newest first: times,
          outcome, error, links and positions of each task. Payloads and results are left out.
        </p>
        {stage.kind === "ready" ? (
          <div className="line">
            <Choice name="Format" value={kind} options={KINDS} onChange={setKind} />
            <span className="grow" />
            <button type="button" className="button button-main" onClick={begin}>
              Export
            </button>
          </div>
        ) : (
          <div className="line">
            <p className="grow" role="status">
              {describe(stage, progress)}
            </p>
            {stage.kind === "reading" && (
              <button type="button" className="button" onClick={stop}>
                Stop
              </button>
            )}
            {(stage.kind === "stopped" || stage.kind === "failed") && (
              <>
                <button type="button" className="button" onClick={goOn}>
                  Go on
                </button>
                <button type="button" className="button" onClick={keep}>
                  Save these
                </button>
              </>
            )}
          </div>
        )}
        {stage.kind === "reading" && <progress aria-label="Export" />}
        {stage.kind === "failed" && <Trouble error={stage.error} />}
      </div>
    </Dialog>
  );
}

function useExport(search: TasksSearch) {
  const [kind, setKind] = useState<ExportKind>("ndjson");
  const [stage, setStage] = useState<Stage>({ kind: "ready" });
  const [progress, setProgress] = useState<ExportProgress>({ tasks: 0, backTo: null });
  const job = useRef<TaskExport | null>(null);
  const halt = useRef(new AbortController());
  useEffect(() => () => halt.current.abort(), []);
  const keep = () => job.current && save(job.current.file, `tasks-${new Date().toISOString().slice(0, 19)}.${kind}`);
  const goOn = async () => {
    const current = job.current;
    if (current === null) return;
    halt.current = new AbortController();
    setStage({ kind: "reading" });
    try {
      await current.run(halt.current.signal);
      setStage({ kind: current.isDone ? "done" : "stopped" });
      if (current.isDone) keep();
    } catch (error) {
      setStage({ kind: "failed", error: error instanceof Error ? error : new Error(String(error)) });
    }
  };
  const begin = () => {
    const now = Date.now();
    const filter = toFilter(search, now);
    // what comes while it runs is left out: its end would never come
    job.current = new TaskExport({ ...filter, until: filter.until ?? new Date(now).toISOString() }, kind, setProgress);
    void goOn();
  };
  return { stage, progress, kind, setKind, begin, goOn: () => void goOn(), stop: () => halt.current.abort(), keep };
}

function describe(stage: Stage, { tasks, backTo }: ExportProgress): string {
  const count = `${tasks.toLocaleString()} ${tasks === 1 ? "task" : "tasks"}`;
  const back = backTo === null ? "" : `, back to ${showMoment(Date.parse(backTo)).split(" · ")[0]}`;
  if (stage.kind === "done") return `${count}: the file is saved.`;
  if (stage.kind === "reading") return `${count} so far${back}`;
  return `${stage.kind === "stopped" ? "Stopped" : "Failed"} at ${count}${back}`;
}
