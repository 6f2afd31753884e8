"""``mabos tasks watch``: what becomes of tasks, told as it happens.

The response log says at once which task has changed, and the view, once it has read as far, how. Where the log cannot
be read, the view is asked again and again.
"""

from __future__ import annotations

import json
import queue
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from mabos.cli.found_tasks import to_cells
from mabos.cli.output import Output, print_line, print_note, print_record
from mabos.consumers.errors import CallTimeout
from mabos.consumers.responses import ResponseFeed
from mabos.kafka.clients import open_registry
from mabos.kafka.position import Position
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from mabos.schemas.errors import MabosError
from mabos.schemas.events import TaskResponse
from mabos.streams.filters import TaskFilter
from mabos.streams.inquiries import find_tasks, list_tasks, wait_until
from mabos.streams.references import Reference
from mabos.streams.view import TaskView
from mabos.streams.viewed_task import ViewedTask, read_json

_EVERY_S = 1.0
_PATIENCE_S = 5.0  # for the view to read what the log said
_SHOWN_AT_FIRST = 20
_MOST_AT_ONCE = 200
_KEPT = 20_000
_WIDTHS = {"requested": 19, "agent": 20, "action": 14, "state": 11, "wait": 7, "run": 7, "task_id": 0}


class Heard(NamedTuple):
    """A response on the log."""

    task: Reference
    position: Position


class Changes:
    """Which tasks were shown, and as what."""

    def __init__(self) -> None:
        self._shown: dict[Reference, tuple[str, int | None]] = {}

    def take(self, tasks: Iterable[ViewedTask]) -> Iterator[ViewedTask]:
        """Those that are not as they were shown last."""
        for task in tasks:
            now = task.state, task.progress_offset
            if self._shown.pop(task.reference, None) != now:
                yield task
            self._shown[task.reference] = now  # at the end: the first ones are those that were seen longest ago
        while len(self._shown) > _KEPT:
            del self._shown[next(iter(self._shown))]


def follow_task(
    view: TaskView, settings: Settings, task: ViewedTask, timeout_s: float | None, output: Output
) -> ViewedTask:
    """Tell each change of a task until it has its outcome; returns it as it is then.

    Raises:
        CallTimeout: It has none in time.
    """
    give_up_s = None if timeout_s is None else time.monotonic() + timeout_s
    changes = Changes()
    with _listening(settings) as heard:
        while True:
            for changed in changes.take([task]):
                _tell(changed, settings, output)
            if not task.is_open:
                if output is Output.JSON:
                    print_record(task.to_json(Queue(name=settings.queue)), output)
                return task
            if give_up_s is not None and time.monotonic() >= give_up_s:
                raise CallTimeout(task.task_id, timeout_s or 0.0)
            for said in _hear(heard):
                if said.task == task.reference:
                    view.ask(wait_until(said.position, _PATIENCE_S))
            task = next(iter(view.ask(find_tasks(task.task_id, task.agent_id))), task)


def follow_list(
    view: TaskView, settings: Settings, wanted: TaskFilter, timeout_s: float | None, output: Output
) -> None:
    """Tell each change of the tasks that fit, until Ctrl-C or for some time. The newest are told first of all."""
    give_up_s = None if timeout_s is None else time.monotonic() + timeout_s
    changes = Changes()
    page = view.ask(list_tasks(wanted, limit=_SHOWN_AT_FIRST))
    _tell_all(changes.take(reversed(page.tasks)), settings, output)
    with _listening(settings) as heard:
        while give_up_s is None or time.monotonic() < give_up_s:
            said = _hear(heard)
            for position in {one.position.partition: one.position for one in said}.values():
                view.ask(wait_until(position, _PATIENCE_S))
            tasks = {task.reference: task for task in view.ask(list_tasks(wanted, limit=_MOST_AT_ONCE)).tasks}
            missing = dict.fromkeys(one.task for one in said if one.task not in tasks)
            for task_id, agent_id in list(missing)[-_MOST_AT_ONCE:]:
                tasks |= {t.reference: t for t in view.ask(find_tasks(task_id, agent_id)) if wanted.fits(t)}
            _tell_all(changes.take(sorted(tasks.values(), key=lambda task: task.cursor)), settings, output)


@contextmanager
def _listening(settings: Settings) -> Iterator[queue.SimpleQueue[Heard]]:
    """What the response log says from now on; nothing, where it cannot be read."""
    heard: queue.SimpleQueue[Heard] = queue.SimpleQueue()

    def take(response: TaskResponse, position: Position) -> None:
        heard.put(Heard(Reference(response.task_id, response.agent_id), position))

    feed = None
    try:
        feed = ResponseFeed(settings, open_registry(settings))
        feed.listen(take)
        feed.start()
    except MabosError as error:
        print_note(f"the view is asked every second, since the log cannot be followed: {error}")
        feed = None
    try:
        yield heard
    finally:
        if feed is not None:
            feed.stop()


def _hear(heard: queue.SimpleQueue[Heard]) -> list[Heard]:
    """What was said since the last time; waits a second for it."""
    said = []
    try:
        said.append(heard.get(timeout=_EVERY_S))
        while True:
            said.append(heard.get_nowait())
    except queue.Empty:
        return said


def _tell_all(tasks: Iterable[ViewedTask], settings: Settings, output: Output) -> None:
    for task in tasks:
        if output is Output.TABLE:
            cells = to_cells(task)
            print_line("  ".join(f"{cells[name] or '-':<{width}}" for name, width in _WIDTHS.items()))
        else:
            print_record(task.to_json(Queue(name=settings.queue), is_whole=False), Output.NDJSON)


def _tell(task: ViewedTask, settings: Settings, output: Output) -> None:
    if output is Output.NDJSON:
        print_record(task.to_json(Queue(name=settings.queue)), output)
    elif output is Output.TABLE:
        cells = to_cells(task)
        text = task.progress if task.is_open else task.result
        detail = task.error_message if task.error_code is not None else _one_line_json(text)
        spans = "".join(f", {name} {cells[name]}" for name in ("wait", "run") if cells[name])
        print_line(f"{task.state}{spans}{': ' if detail else ''}{detail or ''}")


def _one_line_json(text: str | None) -> str:
    value = read_json(text)
    return json.dumps(value, ensure_ascii=False) if value else ""
