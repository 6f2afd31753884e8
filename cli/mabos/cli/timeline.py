"""What happened to a task, in the order in which it did, as lines for people. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from mabos.cli.output import one_line
from mabos.cli.spans import show_span
from mabos.kafka.topics import Queue
from mabos.streams.viewed_task import ViewedTask, read_json


class Moment(NamedTuple):
    """Something that happened."""

    at: datetime
    what: str


def show_task(
    task: ViewedTask, queue: Queue, related: Sequence[tuple[str, ViewedTask]], now: datetime
) -> Iterator[str]:
    """The lines that tell of a task.

    Args:
        task: The task, read with its payload.
        queue: Its queue.
        related: What else there is of it, such as ``("child", …)``.
        now: Until when a task waits that has no outcome.
    """
    yield one_line(f"task    {task.task_id}")
    yield one_line(f"agent   {task.agent_id}")
    yield one_line(f"action  {task.action or '-'}")
    yield f"state   {_state(task, now)}"
    yield ""
    moments = sorted(_moments(task, queue), key=lambda moment: moment.at)
    begin = moments[0].at
    for moment in moments:
        after = "" if moment.at == begin else "+" + show_span((moment.at - begin).total_seconds() * 1000)
        local = moment.at.astimezone()
        yield one_line(f"{local:%Y-%m-%d %H:%M:%S}.{local.microsecond // 1000:03d}  {after:>8}  {moment.what}")
    yield from _texts(task)
    yield from _links(task, related)


def _state(task: ViewedTask, now: datetime) -> str:
    age_ms = task.age_ms(now)
    if age_ms is not None:
        return f"{task.state} for {show_span(age_ms)}"
    if task.error_code is None:
        return task.state
    again = ", and sending it again could help" if task.error_retryable else ""
    return one_line(f"{task.state}: {task.error_message} ({task.error_code}{again})")


def _moments(task: ViewedTask, queue: Queue) -> Iterator[Moment]:
    positions = task.positions(queue)
    if positions["request"] is not None:
        again = f", and {task.duplicates} more times" if task.duplicates else ""
        yield Moment(task.requested_at, f"requested{again}  {positions['request']}")
    if task.started_at is not None:
        yield Moment(task.started_at, f"attempt {task.attempt} began, after {show_span(task.wait_ms) or 'some time'}")
    if task.progress_at is not None:
        yield Moment(task.progress_at, f"last progress  {positions['progress']}")
    if task.cancel_requested_at is not None:
        why = f": {task.cancel_reason}" if task.cancel_reason else ""
        yield Moment(task.cancel_requested_at, f"cancel asked{why}")
    if task.answered_at is not None:
        run = f" after {show_span(task.run_ms)}" if task.run_ms is not None else ""
        late = f"; {task.superseded} later answers count for nothing" if task.superseded else ""
        yield Moment(task.answered_at, f"{task.state}{run}  {positions['response']}{late}")
    if task.deadline is not None:
        yield Moment(task.deadline, "deadline")
    if positions["request"] is None:
        yield Moment(task.requested_at, "first heard of; the request itself is not in the view")


def _texts(task: ViewedTask) -> Iterator[str]:
    for name, text in (("payload", task.payload), ("progress", task.progress), ("result", task.result)):
        if text is not None:
            yield ""
            yield name
            value = read_json(text)
            shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
            for line in shown.split("\n"):
                yield f"  {one_line(line)}"


def _links(task: ViewedTask, related: Sequence[tuple[str, ViewedTask]]) -> Iterator[str]:
    up = (("parent", task.parent), ("replay of", task.replay_of), ("redrive of", task.redrive_of))
    lines = [f"{name}  {link.task_id} of {link.agent_id}" for name, link in up if link is not None]
    lines += [f"{name}  {other.task_id} of {other.agent_id}, {other.state}" for name, other in related]
    if lines:
        yield ""
        yield from map(one_line, lines)
