"""Tasks of the view as the command finds and prints them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from mabos.cli.output import Output, print_note, print_rows
from mabos.cli.spans import read_moment, show_moment, show_span
from mabos.kafka.admin import Cluster
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from mabos.schemas.errors import MabosError
from mabos.streams.filters import TaskFilter
from mabos.streams.inquiries import Page, find_tasks, list_tasks, read_positions
from mabos.streams.places import Place
from mabos.streams.view import TaskView
from mabos.streams.viewed_task import ViewedTask

COLUMNS = ("requested", "agent", "action", "state", "wait", "run", "task_id")

_RELATED = 20
_LOOK_TIMEOUT_S = 3.0
_SECONDARY = {"child": "children", "replay": "replays", "redrive": "redrives"}


class TaskUnknown(MabosError):
    """No task of that name is in the view, or several are."""


def make_filter(
    agent: str | None, action: str | None, states: Sequence[str] | None, since: str | None, until: str | None
) -> TaskFilter:
    """The filter of a command's options.

    Raises:
        InvalidTask: A time is none.
        InvalidQuery: Something else is refused; names it.
    """
    is_pattern = agent is not None and "*" in agent
    return TaskFilter(
        agent_id=None if is_pattern else agent,
        agents=(agent,) if agent is not None and is_pattern else None,
        action=action,
        states=tuple(states or ()),
        since=read_moment("--since", since),
        until=read_moment("--until", until),
    )


def find_one(view: TaskView, settings: Settings, task_id: str, agent_id: str | None) -> ViewedTask:
    """The task of a name.

    Raises:
        TaskUnknown: There is none, or several agents have one; says what to do.
    """
    found = view.ask(find_tasks(task_id, agent_id))
    if len(found) > 1:
        agents = ", ".join(task.agent_id for task in found)
        raise TaskUnknown(f"several agents have a task {task_id}: say --agent, one of {agents}")
    if found:
        return found[0]
    of = "" if agent_id is None else f" of agent {agent_id}"
    raise TaskUnknown(f"the view has no task {task_id}{of}{_say_lag(view, settings)}")


def find_related(view: TaskView, task: ViewedTask) -> Iterator[tuple[str, ViewedTask]]:
    """The newest tasks that came of a task, each with what it is to it."""
    itself = task.reference
    filters = {
        "child": TaskFilter(parent=itself),
        "replay": TaskFilter(replay_of=itself),
        "redrive": TaskFilter(redrive_of=itself),
    }
    for kind, wanted in filters.items():
        page = view.ask(list_tasks(wanted, limit=_RELATED))
        for other in page.tasks:
            yield kind, other
        if page.cursor is not None:
            print_note(f"there are more than {_RELATED} {_SECONDARY[kind]}")


def to_record(task: ViewedTask, related: Sequence[tuple[str, ViewedTask]], queue: Queue) -> dict[str, Any]:
    """A task for programs, with the names of those that came of it."""
    shape = task.to_json(queue)
    for kind, plural in _SECONDARY.items():
        shape[plural] = [other.reference._asdict() for name, other in related if name == kind]
    return shape


def print_tasks(tasks: Sequence[ViewedTask], settings: Settings, output: Output) -> None:
    """Print a list of tasks."""
    queue = Queue(name=settings.queue)
    if output is Output.TABLE:
        if tasks:
            print_rows(map(to_cells, tasks), COLUMNS, output)
        return
    print_rows([task.to_json(queue, is_whole=False) for task in tasks], COLUMNS, output)


def to_cells(task: ViewedTask) -> dict[str, str]:
    """A task as a row of a table, by column. Of one that has not begun, the wait so far."""
    now = datetime.now(UTC)
    wait_ms = task.wait_ms if task.wait_ms is not None else task.age_ms(now)
    return {
        "requested": show_moment(task.requested_at, now=now),
        "agent": task.agent_id,
        "action": task.action or "",
        "state": task.state,
        "wait": show_span(wait_ms),
        "run": show_span(task.run_ms),
        "task_id": task.task_id,
    }


def say_more(page: Page) -> None:
    """Say on standard error where a list goes on, and how far a search came."""
    if page.searched_to is not None:
        print_note(
            f"the search stopped at tasks of {show_moment(page.searched_to)}, for there are many: narrow it by --agent "
            f"or --since, or go on with --cursor {page.cursor}"
        )
    elif page.cursor is not None:
        print_note(f"there are more: --cursor {page.cursor}")


def _say_lag(view: TaskView, settings: Settings) -> str:
    """Whether a task may be missing because the view is behind the log."""
    queue = Queue(name=settings.queue)
    try:
        ends = Cluster(settings, timeout_s=_LOOK_TIMEOUT_S).end_offsets(queue.requests)
    except MabosError:
        return "; no broker answers, so nobody knows whether the view has read all there is"
    reached = view.ask(read_positions())
    behind = sum(max(0, end - reached.get(Place(queue.requests, partition), 0)) for partition, end in ends.items())
    if not behind:
        return ", which has read all requests"
    return f", which is {behind} requests behind: try again in a moment, and see `mabos view status`"
