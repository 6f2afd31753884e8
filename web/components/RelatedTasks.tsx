import { useQueries } from "@tanstack/react-query";
import { keyOf, listTasks, type TaskLink, type TaskName } from "../api/tasks";
import { Moment } from "./Moment";
import { StatusTag } from "./StatusTag";
import { TaskNameLink } from "./TaskNameLink";

const MOST = 50;
const EVERY_MS = 3_000;
const LINKS: readonly { link: TaskLink; title: string }[] = [
  { link: "parent", title: "Sent by its handler" },
  { link: "redrive_of", title: "Redriven as" },
  { link: "replay_of", title: "Replayed as" },
];

/** The tasks that a task led to: those its handler sent, and those that do it again. Nothing where there are none.
 *
 * Where it is lively, more may come: they are looked for again and again. */
export function RelatedTasks({ taskId, agentId, isLively }: TaskName & { isLively: boolean }) {
  const found = useQueries({
    queries: LINKS.map(({ link }) => ({
      queryKey: ["related", link, agentId, taskId],
      queryFn: ({ signal }: { signal: AbortSignal }) =>
        listTasks({ of: { link, task: { taskId, agentId } } }, { limit: MOST, signal }),
      refetchInterval: isLively ? EVERY_MS : (false as const),
    })),
  });
  return LINKS.map(({ link, title }, at) => {
    const page = found[at]?.data;
    if (page === undefined || page.tasks.length === 0) return null;
    return (
      <section key={link} className="card" aria-labelledby={`related-${link}`}>
        <header className="card-head">
          <h2 id={`related-${link}`}>{title}</h2>
          <span className="quiet">{page.cursor === null ? page.tasks.length : `the newest ${page.tasks.length}`}</span>
        </header>
        <ul className="related">
          {page.tasks.map((task) => (
            <li key={keyOf(task)}>
              <span className="cut">
                <TaskNameLink agentId={task.agent_id} taskId={task.task_id} />
              </span>
              <span className="cut">{task.agent_id}</span>
              <StatusTag status={task.state} />
              <span className="quiet number">
                <Moment at={Date.parse(task.requested_at)} />
              </span>
            </li>
          ))}
        </ul>
      </section>
    );
  });
}
