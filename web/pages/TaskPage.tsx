import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { GatewayProblem, isPassing } from "../api/problems";
import { isOpen, type TaskName, type TaskSummary, type WholeTask } from "../api/tasks";
import { putDraft } from "../app/draft";
import { CancelTask } from "../components/CancelTask";
import { JsonCard } from "../components/JsonCard";
import { Page } from "../components/Page";
import { RelatedTasks } from "../components/RelatedTasks";
import { TaskFacts } from "../components/TaskFacts";
import { TaskRecords } from "../components/TaskRecords";
import { TaskTimeline } from "../components/TaskTimeline";
import { TimesChoice } from "../components/TimesChoice";
import { Trouble } from "../components/Trouble";
import { useWholeTask } from "../components/useWholeTask";
import { findMember } from "../text/json";

/** Those that a task sends may come into the view so much later than its outcome. */
const AFTERMATH_MS = 30_000;

/** One task: what was asked, and all that became of it. */
export function TaskPage() {
  const { agentId, taskId } = useParams({ from: "/tasks/$agentId/$taskId" });
  const { position } = useSearch({ from: "/tasks/$agentId/$taskId" });
  return <ShownTask key={JSON.stringify([agentId, taskId])} name={{ agentId, taskId }} position={position} />;
}

function ShownTask({ name, position }: { name: TaskName; position: string | undefined }) {
  const { task, error, retry, live, readOnce } = useWholeTask(name, position);
  const isGone = error instanceof GatewayProblem && error.status === 404;
  const last = live.progress.at(-1);
  return (
    <Page
      title={isGone && !task ? "There is no such task" : `Task ${name.taskId}`}
      tools={task && <TaskTools name={name} task={task} onCancelled={readOnce} />}
    >
      {error && !isGone && <Trouble error={error} onRetry={retry} isRetried={isPassing(error)} />}
      {isGone && !task && <Gone name={name} onRetry={retry} />}
      {!task && !error && <p className="empty">Asking the gateway…</p>}
      {task && (
        <div className="columns">
          <div className="stack">
            <TaskTimeline task={task.summary} startedAt={last?.response.started_at ?? null} />
            <TaskFacts task={task.summary} />
            <RelatedTasks {...name} isLively={isLively(task.summary)} />
          </div>
          <div className="stack">
            <JsonCard name="Payload" text={task.payload} none="Its request was not read." />
            {isOpen(task.summary.state) ? (
              <JsonCard
                name="Progress"
                text={last ? findMember(last.text, "result") : task.progress}
                none="No outcome yet. What comes appears here by itself."
              />
            ) : (
              <JsonCard name="Result" text={isEmpty(task) ? null : task.result} none="It has no result." />
            )}
            <TaskRecords task={task.summary} />
          </div>
        </div>
      )}
      <p className="sr-only" role="status">
        {live.outcome && task && `Task ${task.summary.state}`}
      </p>
    </Page>
  );
}

interface TaskToolsProps {
  name: TaskName;
  task: WholeTask;
  onCancelled: (position: string) => void;
}

function TaskTools({ name, task, onCancelled }: TaskToolsProps) {
  const navigate = useNavigate();
  const { summary, payload } = task;
  const edit = () => {
    putDraft({ taskId: "", agentId: name.agentId, payload: payload ?? "{}" });
    void navigate({ to: "/create" });
  };
  return (
    <div className="tools">
      <span className="grow" />
      <TimesChoice />
      {isOpen(summary.state) && <CancelTask name={name} onCancelled={onCancelled} />}
      {payload !== null && (
        <button type="button" className="button" onClick={edit}>
          Edit and send again
        </button>
      )}
    </div>
  );
}

function Gone({ name: { agentId, taskId }, onRetry }: { name: TaskName; onRetry: () => void }) {
  return (
    <div className="empty">
      <p>
        The view has no task <code>{taskId}</code> of agent <code>{agentId}</code>. One that was just accepted is there
        a moment later.
      </p>
      <p className="line">
        <button type="button" className="button" onClick={onRetry}>
          Look again
        </button>
        <Link to="/tasks" search={{ agent: agentId }}>
          Tasks of this agent
        </Link>
      </p>
    </div>
  );
}

/** What did not complete has an empty result on the log: nobody gave it. */
function isEmpty({ summary, result }: WholeTask): boolean {
  return summary.state !== "completed" && result === "{}";
}

function isLively({ state, answered_at }: TaskSummary): boolean {
  return isOpen(state) || (answered_at !== null && Date.now() - Date.parse(answered_at) < AFTERMATH_MS);
}
