import { Moment } from "./Moment";
import type { Sent } from "./TaskComponent";

interface SentTasksProps {
  sent: readonly Sent[];
  current: Sent | undefined;
  onShow: (task: Sent) => void;
}

/** What this tab has sent, newest first; each can be looked at again. */
export function SentTasks({ sent, current, onShow }: SentTasksProps) {
  return (
    <section className="card" aria-labelledby="sent">
      <header className="card-head">
        <h2 id="sent">Sent from this tab</h2>
      </header>
      <ul className="sent">
        {sent.map((task) => (
          <li key={task.position}>
            <button
              type="button"
              className="row-button"
              aria-current={task.position === current?.position}
              onClick={() => onShow(task)}
            >
              <code className="cut">{task.taskId}</code>
              <span className="cut">{task.agentId}</span>
              <span className="quiet">
                <Moment at={task.sentAt} />
              </span>
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
