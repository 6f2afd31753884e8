import { useNavigate, useSearch } from "@tanstack/react-router";
import { useState } from "react";
import { isPassing } from "../api/problems";
import { useShortcut } from "../app/shortcuts";
import { type TaskList, useTaskList } from "../app/taskList";
import { pickTasksSearch } from "../app/taskSearch";
import { ExportTasks } from "../components/ExportTasks";
import { LiveNews } from "../components/LiveNews";
import { Moment } from "../components/Moment";
import { Page } from "../components/Page";
import { SavedViews } from "../components/SavedViews";
import { TaskFilters } from "../components/TaskFilters";
import { TaskGrid } from "../components/TaskGrid";
import { TimesChoice } from "../components/TimesChoice";
import { Trouble } from "../components/Trouble";
import { showMoment } from "../text/time";

/** Where lists were scrolled to, for whoever comes back to one. */
const places = new Map<string, number>();

/** Every task that the view knows, newest first. */
export function TasksPage() {
  const search = useSearch({ from: "/tasks" });
  const navigate = useNavigate({ from: "/tasks" });
  const [isPaused, setPaused] = useState(false);
  const list = useTaskList(search, isPaused);
  const [version, setVersion] = useState(0);
  const place = JSON.stringify(search);
  useShortcut("p", "Pause or go on (Tasks)", () => setPaused((paused) => !paused));
  const renew = () => {
    places.delete(place);
    list.renew(undefined, { onSuccess: () => setVersion((before) => before + 1) });
  };
  useShortcut("r", "Show the newest (Tasks)", renew);
  return (
    <Page
      title="Tasks"
      isFull
      tools={
        <div className="tools">
          <SavedViews search={search} onShow={(next) => void navigate({ search: next })} />
          <ExportTasks search={search} />
          <span className="grow" />
          <TimesChoice />
          <button type="button" className="button" onClick={renew} aria-disabled={list.isRenewing}>
            Refresh
          </button>
          <button type="button" className="button" aria-pressed={isPaused} onClick={() => setPaused(!isPaused)}>
            Pause
          </button>
        </div>
      }
    >
      <TaskFilters
        search={search}
        onChange={(next) => void navigate({ search: pickTasksSearch({ ...next }), replace: true })}
      />
      <LiveNews
        held={list.news.count}
        isMore={list.news.isMore}
        shown={count(list)}
        reason={isPaused ? "looking is paused" : "not shown yet"}
        onLetIn={renew}
      />
      {list.renewError && <Trouble error={list.renewError} onRetry={renew} />}
      <div className="split">
        <TaskGrid
          key={`${place} ${version}`}
          tasks={list.tasks}
          startTop={places.get(place) ?? 0}
          onLeave={(top) => places.set(place, top)}
          onOpen={({ agent_id, task_id }) =>
            void navigate({ to: "/tasks/$agentId/$taskId", params: { agentId: agent_id, taskId: task_id } })
          }
          {...(list.hasMore && list.searchedTo === null && list.error === null ? { onNearEnd: list.readMore } : {})}
        />
        {list.tasks.length === 0 && <Nothing list={list} isFiltered={Object.keys(search).length > 0} />}
      </div>
      <Foot list={list} />
    </Page>
  );
}

/** In place of rows. */
function Nothing({ list, isFiltered }: { list: TaskList; isFiltered: boolean }) {
  if (list.isFirst && list.error === null) return <p className="empty grid-empty">Asking the gateway…</p>;
  if (list.error) {
    return (
      <div className="grid-empty">
        <Trouble error={list.error} onRetry={list.retry} isRetried={isPassing(list.error)} />
      </div>
    );
  }
  if (list.searchedTo !== null) return <p className="empty grid-empty">Nothing found yet.</p>;
  return <p className="empty grid-empty">{isFiltered ? "No task is like that." : "There is no task yet."}</p>;
}

/** Below the rows: how far the list goes, and on. */
function Foot({ list }: { list: TaskList }) {
  return (
    <footer className="grid-foot quiet">
      <p role="status">{describeEnd(list)}</p>
      {list.searchedTo !== null && !list.isReadingMore && (
        <button type="button" className="button button-small" onClick={list.readMore}>
          Search further
        </button>
      )}
      {list.error !== null && list.tasks.length > 0 && !list.isReadingMore && (
        <button type="button" className="button button-small" onClick={list.readMore}>
          Try again
        </button>
      )}
      <span className="grow" />
      {list.askedAt !== undefined && (
        <span>
          As of <Moment at={list.askedAt} />
        </span>
      )}
    </footer>
  );
}

function describeEnd(list: TaskList): string {
  if (list.isReadingMore) return list.searchedTo === null ? "Reading more…" : "Searching…";
  if (list.error) return list.tasks.length > 0 ? `The rest could not be read: ${list.error.message}.` : "";
  if (list.searchedTo !== null) {
    const [moment] = showMoment(Date.parse(list.searchedTo)).split(" · ");
    return `The search stopped at ${moment}: what is older was not looked at.`;
  }
  if (list.isFirst) return "";
  return list.hasMore ? "There is more below." : "That is all.";
}

function count({ tasks, hasMore, isFirst }: TaskList): string {
  if (isFirst) return "\u00a0";
  const shown = tasks.length.toLocaleString();
  return hasMore ? `The newest ${shown} tasks` : `${shown} ${tasks.length === 1 ? "task" : "tasks"}`;
}
