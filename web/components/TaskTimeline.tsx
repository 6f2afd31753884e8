import { isOpen, type TaskSummary } from "../api/tasks";
import { useNow } from "../app/clock";
import { showDuration } from "../text/time";
import { type Step, toBars, toSteps } from "../text/timeline";
import { Moment } from "./Moment";
import { nameStatus } from "./StatusTag";

/** The bars' own measure: they are as wide as there is room. */
const WIDTH = 1000;

/** What happened to a task, in order, and how long it waited and ran. */
export function TaskTimeline({ task, startedAt }: { task: TaskSummary; startedAt: string | null }) {
  return (
    <section className="card" aria-labelledby="timeline">
      <header className="card-head">
        <h2 id="timeline">Timeline</h2>
      </header>
      {isOpen(task.state) ? <OpenBars task={task} startedAt={startedAt} /> : <Bars task={task} startedAt={startedAt} />}
      <ol className="timeline">
        {toSteps(task, startedAt).map((step) => (
          <li key={step.name} className={`step step-${step.kind}`}>
            <TimelineStep step={step} />
          </li>
        ))}
      </ol>
    </section>
  );
}

function TimelineStep({ step }: { step: Step }) {
  return (
    <>
      <span className="step-name">
        {step.state ? nameStatus(step.state) : step.name}
        {step.detail && <span className="quiet"> {step.detail}</span>}
      </span>
      <span className="quiet number">{step.afterMs === 0 ? "" : `+${showDuration(step.afterMs)}`}</span>
      <span className="quiet number">
        <Moment at={step.at} />
      </span>
    </>
  );
}

function OpenBars(props: { task: TaskSummary; startedAt: string | null }) {
  return <Bars {...props} now={useNow()} />;
}

function Bars({ task, startedAt, now }: { task: TaskSummary; startedAt: string | null; now?: number }) {
  const bars = toBars(task, startedAt, now ?? null);
  if (bars === null) return null;
  const { waitMs, runMs } = bars;
  const total = waitMs + (runMs ?? 0);
  // what took no time against the other is still to be seen
  const split = total === 0 ? WIDTH / 2 : Math.min(Math.max((waitMs / total) * WIDTH, 8), WIDTH - 8);
  return (
    <div className="bars">
      <svg viewBox={`0 0 ${WIDTH} 10`} preserveAspectRatio="none" aria-hidden="true" focusable="false">
        <rect className="bar-wait" x="0" y="0" width={runMs === null ? WIDTH : split} height="10" />
        {runMs !== null && (
          <rect className={`bar-run bar-${task.state}`} x={split} y="0" width={WIDTH - split} height="10" />
        )}
      </svg>
      <p className="bars-told">
        <span>
          <b className="key key-wait" aria-hidden="true" />{" "}
          {runMs === null && now !== undefined ? "Waiting for" : "Waited"} {showDuration(waitMs)}
          {task.attempt !== null && task.attempt > 1 && <span className="quiet"> with the attempts before</span>}
        </span>
        {runMs !== null && (
          <span>
            <b className={`key key-run bar-${task.state}`} aria-hidden="true" />{" "}
            {now === undefined ? "Ran" : "Running for"} {showDuration(runMs)}
          </span>
        )}
      </p>
    </div>
  );
}
