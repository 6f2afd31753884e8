"""Inquiries: what may be asked of a view. They do no I/O: :mod:`mabos.streams.view` carries them out.

An inquiry is a generator. It gives a :class:`~mabos.streams.queries.Query` and is sent its rows, or gives a
:class:`Pause` and is sent none, until it returns the answer. So the same inquiries serve threads and event loops.
What is refused raises InvalidQuery when it is carried out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, TypeVar, get_args

from mabos.kafka.position import Position
from mabos.streams import queries
from mabos.streams.cursors import Cursor
from mabos.streams.errors import InvalidQuery, QueryTooLong
from mabos.streams.figures import AgentFigures, Histograms, Stats, to_agents, to_stats
from mabos.streams.filters import TaskFilter, check_agent_patterns, check_storable
from mabos.streams.places import Place
from mabos.streams.queries import Query, Unit
from mabos.streams.viewed_task import ViewedTask

T = TypeVar("T")
Rows = Sequence[tuple[Any, ...]]
Clock = Callable[[], float]

DEFAULT_LIMIT, MAX_LIMIT = 50, 1000
MAX_STRETCHES = 2000
SEARCH_S = 2.0
"""How long a search may go on before it gives what it has."""

_MAX_NAMESAKES = 20
_POLLS_S = (0.005, 0.01, 0.02, 0.05, 0.1)
_FIRST_ROWS, _LEAST_ROWS, _MOST_ROWS = 1_000, 50, 50_000
_STRETCH_S = 0.25  # a stretch of a search should take about so long: the time is looked at in between
_UNITS: dict[Unit, timedelta] = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}


class Pause(NamedTuple):
    """Wait before the next step."""

    seconds: float


Inquiry = Generator[Query | Pause, Rows, T]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page of a list."""

    tasks: tuple[ViewedTask, ...]
    """The tasks, newest first, without payload, result and progress."""
    cursor: str | None
    """Where the next page begins; None when this one is the last."""
    searched_to: datetime | None = None
    """Set when the search took too long and stopped before the page was full: what was requested before this moment was
    not looked at; ``cursor`` goes on there."""


def find_tasks(
    task_id: str, agent_id: str | None = None, *, agents: Sequence[str] | None = None
) -> Inquiry[tuple[ViewedTask, ...]]:
    """The tasks of a name, with payload, result and progress. Several agents may have one of that name.

    Args:
        task_id: The name.
        agent_id: The task's agent; None for any.
        agents: Of agents that fit one of these patterns only (``*`` stands for any text): what the caller may see.

    Returns:
        The tasks by agent, 20 at most; empty if there is none.
    """
    check_storable("task_id", task_id)
    check_storable("agent_id", agent_id)
    check_agent_patterns(agents)
    rows = yield queries.find_task(task_id, agent_id, agents, _MAX_NAMESAKES)
    return tuple(map(ViewedTask.from_row, rows))


def list_tasks(
    wanted: TaskFilter,
    *,
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
    search_s: float = SEARCH_S,
    clock: Clock = time.monotonic,
) -> Inquiry[Page]:
    """A page of the tasks that fit, newest first, without payload, result and progress.

    Args:
        wanted: Which tasks.
        cursor: Where the page before said that it goes on; None to begin at the newest.
        limit: The most tasks of the page, up to 1000.
        search_s: How long to search where no index leads to what is wanted; then the page says how far it came.
        clock: Seconds since some moment.
    """
    check_limit(limit)
    after = None if cursor is None else Cursor.parse(cursor)
    if wanted.sees_nothing:
        return Page(tasks=(), cursor=None)
    if not queries.has_residue(wanted):
        rows = yield queries.list_tasks(wanted, after, limit + 1)
        return _page(list(map(ViewedTask.from_row, rows)), limit)
    return (yield from _search(wanted, after, limit, clock() + search_s, clock))


def _search(wanted: TaskFilter, after: Cursor | None, limit: int, give_up_s: float, clock: Clock) -> Inquiry[Page]:
    """Walk stretch after stretch until the page is full, nothing is left, or the time is over."""
    found: list[ViewedTask] = []
    size = _FIRST_ROWS
    while True:
        began_s = clock()
        missing = limit + 1 - len(found)
        try:
            rows = yield queries.scan_tasks(wanted, after, rows=size, hits=missing)
        except QueryTooLong:
            if size == _LEAST_ROWS:
                raise
            size = max(_LEAST_ROWS, size // 8)
            continue
        tasks = [(row[0], ViewedTask.from_row(row[2:])) for row in rows]
        found += [task for is_hit, task in tasks if is_hit]
        if len(found) > limit or not rows or rows[0][1] < size:
            return _page(found, limit)
        after = tasks[-1][1].cursor
        if clock() >= give_up_s:
            return Page(tasks=tuple(found), cursor=str(after), searched_to=after.requested_at)
        took_s = clock() - began_s
        size = min(_MOST_ROWS, size * 2) if took_s < _STRETCH_S else max(_LEAST_ROWS, size // 2)


def wait_until(position: Position, timeout_s: float, *, clock: Clock = time.monotonic) -> Inquiry[bool]:
    """Whether the view has what stands at a position, now or within some time: read your writes."""
    give_up_s = clock() + timeout_s
    polls = iter(_POLLS_S)
    pause_s = _POLLS_S[-1]
    while True:
        rows = yield queries.read_position(position.topic, position.partition)
        if rows and rows[0][0] > position.offset:
            return True
        left_s = give_up_s - clock()
        if left_s <= 0:
            return False
        pause_s = next(polls, pause_s)
        yield Pause(min(left_s, pause_s))


def read_positions() -> Inquiry[dict[Place, int]]:
    """By partition, the offset before which every record is in the view."""
    rows = yield queries.read_positions()
    return {Place(topic, partition): next_offset for topic, partition, next_offset in rows}


def list_agents(
    *,
    agents: Sequence[str] | None = None,
    window: timedelta = _UNITS["hour"],
    after: str | None = None,
    limit: int = DEFAULT_LIMIT,
    now: datetime | None = None,
) -> Inquiry[tuple[AgentFigures, ...]]:
    """Agents in the order of their ids: what waits for each, and its traffic of late.

    Args:
        agents: Those that fit one of these patterns only; None for all.
        window: How far back the traffic goes; it is counted by whole minutes.
        after: The last id of the page before.
        limit: The most agents of the page, up to 1000.
        now: Where the window ends; by default now.
    """
    check_limit(limit)
    check_storable("after", after)
    check_agent_patterns(agents)
    if window < _UNITS["minute"]:
        raise InvalidQuery("window", "must be a minute or longer")
    since = (now or datetime.now(UTC)) - window
    rows = yield queries.count_agents(agents, since, after, limit)
    measured = yield queries.measure_agents([row[0] for row in rows], since)
    return to_agents(rows, Histograms(measured), window.total_seconds())


def read_stats(wanted: TaskFilter, unit: Unit = "minute") -> Inquiry[Stats]:
    """The traffic of a window, whole and in parts, and what waited, where that is asked of all agents and actions.

    Args:
        wanted: ``since`` and ``until`` must be given; agents and action count, all else does not.
        unit: How long the parts are.
    """
    if wanted.since is None or wanted.until is None or wanted.since >= wanted.until:
        raise InvalidQuery("since", "must be given, and be before until")
    if unit not in get_args(Unit):
        raise InvalidQuery("unit", f'"{unit}" is none: there are {", ".join(get_args(Unit))}')
    if (wanted.until - wanted.since) / _UNITS[unit] > MAX_STRETCHES:
        raise InvalidQuery("unit", f"a window of more than {MAX_STRETCHES} parts: take longer ones")
    rows = yield queries.count_stretches(wanted, unit)
    measured = yield queries.measure_stretches(wanted, unit)
    sampled: Rows = ()
    if wanted.sees_all_agents and wanted.action is None:  # samples are of partitions
        sampled = yield queries.sample_stretches(wanted.since, wanted.until, unit)
    return to_stats(rows, Histograms(measured), sampled)


def check_limit(limit: int) -> None:
    """Refuse a page that is too long.

    Raises:
        InvalidQuery: It is.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidQuery("limit", f"must be from 1 to {MAX_LIMIT}, not {limit}")


def _page(found: list[ViewedTask], limit: int) -> Page:
    """The page of what was found: one more than that, where there is more."""
    tasks = tuple(found[:limit])
    return Page(tasks=tasks, cursor=str(tasks[-1].cursor) if len(found) > limit else None)
