"""Do the promises hold? Joins requests with their responses, and finds what is missing, foreign or out of order. Pure.

A task is named by its agent and its id together. Its request is the earliest that asks it, its outcome the first
terminal response in the partition of its request. Not everything can be judged: a task may still be on its way, and
what would decide may stand outside of what was read. Such tasks are counted apart, and are no violations.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf

from mabos.schemas.events import Status

Entry = tuple[bytes, int, int, int, int, int]
"""What the audit needs of one record: the key of its task; the deadline of a request (ms, ``NO_DEADLINE`` for never) or
the lane of a response; the time (ms), offset and partition of the record; ``ASKED``, or what :func:`kind_of` gives."""
Turn = tuple[int, int, int, int]
"""An outcome as the order check sees it: lane, partition, offset of the response, offset of its request."""

ASKED = 0
NO_DEADLINE = -1

_STATUSES = tuple(Status)
_PROGRESS = _STATUSES.index(Status.IN_PROGRESS)
_RAN = 128


def kind_of(status: Status, *, has_run: bool) -> int:
    """The kind of a response's entry: 1 to 255, it fits into a byte."""
    return 1 + _STATUSES.index(status) + (_RAN if has_run else 0)


class Finding(StrEnum):
    """What may be wrong with a record."""

    UNANSWERED = "unanswered"
    """A request whose task has no outcome, though it should have."""
    UNASKED = "unasked"
    """A response to a task that nobody asked."""
    MISPLACED = "misplaced"
    """A response in another partition than its request, where whoever takes the partition over would not see it."""
    DISORDERED = "disordered"
    """A request of a task that ran, and whose outcome came after that of a later request to the same agent that ran."""
    LOST = "lost"
    """A request that holds no event, and of which there is no dead letter."""
    SUPERSEDED = "superseded"
    """A terminal response after the outcome: it counts for nothing, and breaks no promise unless one is strict."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What can be judged, by what was read and when."""

    now_ms: int
    """When the ends of the topics were looked up."""
    grace_ms: int = 0
    """How old a request, and how long ago its deadline, must be before it has to be answered."""
    since_ms: float = -inf
    """Requests of the range are not older; responses that are older are there to be matched, and not judged."""
    until_ms: float = inf
    """Requests from here on were not read."""
    complete: Container[int] = ()
    """Partitions whose requests were read from the first there ever was: who is not among them was not asked."""
    answers_since_ms: Mapping[int, float] = field(default_factory=dict)
    """Of a partition whose oldest responses are gone: since when they are there."""
    waiting_from: Mapping[int, int] = field(default_factory=dict)
    """Of a partition, the request offset from which on the workers have not committed: those may wait."""

    def is_open(self, at_ms: int, deadline_ms: int, partition: int, offset: int) -> bool:
        """Whether a request may rightly be without an outcome still."""
        latest_ms = self.now_ms - self.grace_ms
        return at_ms > latest_ms or deadline_ms > latest_ms or offset >= self.waiting_from.get(partition, inf)

    def knows_answer(self, at_ms: int, partition: int) -> bool:
        """Whether the outcome of a request was read if there ever was one."""
        return at_ms >= self.answers_since_ms.get(partition, -inf)

    def knows_request(self, at_ms: int, partition: int) -> bool:
        """Whether the request of a response was read if there ever was one."""
        return partition in self.complete and at_ms < self.until_ms


@dataclass(slots=True)
class Tally:
    """What was counted."""

    requests: int = 0
    """Distinct tasks asked."""
    duplicates: int = 0
    """Requests that ask a task again."""
    open: int = 0
    """Tasks without an outcome that are still on their way."""
    unjudged: int = 0
    """Tasks without an outcome, and responses without a request, whose other half may stand where nobody read."""
    outcomes: Counter[Status] = field(default_factory=Counter)
    """Tasks by outcome."""


Found = tuple[Finding, int, int]
"""A finding, and the partition and offset of its record: of a request for ``UNANSWERED`` and ``DISORDERED``."""


class _Task:
    __slots__ = ("at_ms", "copies", "deadline_ms", "offset", "outcome", "partition", "stray")

    def __init__(self, deadline_ms: int, at_ms: int, offset: int, partition: int) -> None:
        self.deadline_ms, self.at_ms, self.offset, self.partition = deadline_ms, at_ms, offset, partition
        self.copies: frozenset[int] = frozenset()  # other partitions that ask it, too
        self.outcome: Entry | None = None
        self.stray: Entry | None = None  # a terminal response where nobody asked: it counts if there is no other

    def ask_again(self, deadline_ms: int, at_ms: int, offset: int, partition: int) -> None:
        if partition == self.partition:
            return  # read in its order: the one that is known is earlier
        self.copies |= {partition}
        if (at_ms, partition) < (self.at_ms, self.partition):
            self.copies = (self.copies | {self.partition}) - {partition}
            self.deadline_ms, self.at_ms, self.offset, self.partition = deadline_ms, at_ms, offset, partition


def join(entries: Iterable[Entry], scope: Scope, tally: Tally, turns: list[Turn]) -> Iterator[Found]:
    """Match the entries of some tasks, all there are of each.

    Memory grows with the number of different tasks, not with that of their entries.

    Args:
        entries: Requests before responses, and those of one partition in the order of its log.
        scope: What can be judged.
        tally: Is added to.
        turns: Gets what the order check must see of these tasks.

    Yields:
        What is found, but for the order.
    """
    tasks: dict[bytes, _Task] = {}
    for entry in entries:
        key, extra, at_ms, offset, partition, kind = entry
        task = tasks.get(key)
        if kind == ASKED:
            if task is None:
                tasks[key] = _Task(extra, at_ms, offset, partition)
            else:
                tally.duplicates += 1
                task.ask_again(extra, at_ms, offset, partition)
        elif task is not None:
            found = _take_response(task, entry)
            if found is not None:
                yield found
        elif scope.knows_request(at_ms, partition):
            yield Finding.UNASKED, partition, offset
        elif at_ms >= scope.since_ms:
            tally.unjudged += 1
    yield from _settle(tasks.values(), scope, tally, turns)


def _settle(tasks: Collection[_Task], scope: Scope, tally: Tally, turns: list[Turn]) -> Iterator[Found]:
    tally.requests += len(tasks)
    for task in tasks:
        outcome = task.outcome or task.stray
        if outcome is not None:
            _count_outcome(task, outcome, tally, turns)
        elif scope.is_open(task.at_ms, task.deadline_ms, task.partition, task.offset):
            tally.open += 1
        elif scope.knows_answer(task.at_ms, task.partition):
            yield Finding.UNANSWERED, task.partition, task.offset
        else:
            tally.unjudged += 1


def _take_response(task: _Task, entry: Entry) -> Found | None:
    _, _, at_ms, offset, partition, kind = entry
    is_terminal = (kind - 1) % _RAN != _PROGRESS
    if partition != task.partition and partition not in task.copies:
        if is_terminal and (task.stray is None or (at_ms, partition) < (task.stray[2], task.stray[4])):
            task.stray = entry
        return Finding.MISPLACED, partition, offset
    if not is_terminal:
        return None
    first = task.outcome
    if first is None:
        task.outcome = entry
        return None
    if partition != first[4] and (at_ms, partition) < (first[2], first[4]):  # asked in several: they are read in turns
        task.outcome, partition, offset = entry, first[4], first[3]
    return Finding.SUPERSEDED, partition, offset


def _count_outcome(task: _Task, outcome: Entry, tally: Tally, turns: list[Turn]) -> None:
    _, lane, at_ms, offset, partition, kind = outcome
    tally.outcomes[_STATUSES[(kind - 1) % _RAN]] += 1
    # Only tasks that ran have their turn: one that was cancelled in the queue, or whose deadline the watcher saw pass,
    # is answered at once, and should be. An outcome older than its request answers a copy from before the range.
    if kind > _RAN and partition == task.partition and at_ms >= task.at_ms:
        turns.append((lane, partition, offset, task.offset))


def find_disorder(turns: Iterable[Turn]) -> Iterator[Found]:
    """Walk the outcomes of each lane in the order of the log: the offsets of their requests must ascend.

    Args:
        turns: All there are, sorted.
    """
    walked: tuple[int, int] | None = None
    last = -1
    for lane, partition, _, offset in turns:
        if walked != (lane, partition):
            walked, last = (lane, partition), -1
        if offset < last:
            yield Finding.DISORDERED, partition, offset
        else:
            last = offset
