"""Which tasks of the log a replay takes, and what stretch of each partition it reads for that. Pure.

A :class:`Selection` is what somebody asks for. A :class:`Reach` is what is read: it is settled once, when the replay
begins, so that the replay has an end however fast the log grows, and never meets what it publishes itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from mabos.consumers.errors import InvalidSelection
from mabos.kafka.partitioner import partition_of
from mabos.schemas.errors import InvalidTask
from mabos.schemas.events import Status
from mabos.schemas.fields import check_id

Offsets = Mapping[int, int]
"""Offsets by partition."""


class Stretch(NamedTuple):
    """A stretch of one partition."""

    begin: int
    """The first offset."""
    end: int
    """The one after the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which tasks are wanted: those that meet each condition given."""

    agent_id: str | None = None
    """Of this agent: only its partition is read."""
    task_id: str | None = None
    """Of this name."""
    action: str | None = None
    """Whose ``payload["action"]`` is this."""
    statuses: frozenset[Status | None] = frozenset()
    """With one of these outcomes, None for tasks that have none yet; empty for whatever became of them."""
    begin: Offsets = field(default_factory=dict)
    """From these offsets on. If ``begin`` or ``end`` names partitions, only those that are named are read."""
    end: Offsets = field(default_factory=dict)
    """Before these offsets."""
    since_ms: int | None = None
    """Appended to the log at this time or later, in ms since the epoch."""
    until_ms: int | None = None
    """Appended before this time."""

    def __post_init__(self) -> None:
        """Refuse what could never select anything.

        Raises:
            InvalidSelection: An id is none, an offset is negative, or a stretch ends before it begins.
        """
        try:
            for name, value in (("agent_id", self.agent_id), ("task_id", self.task_id)):
                if value is not None:
                    check_id(name, value)
        except InvalidTask as error:
            raise InvalidSelection(str(error)) from error
        for partition, offset in (*self.begin.items(), *self.end.items()):
            if partition < 0 or offset < 0:
                raise InvalidSelection(f"partition {partition}, offset {offset}: neither may be negative")
        for partition in self.begin.keys() & self.end.keys():
            if self.begin[partition] >= self.end[partition]:
                raise InvalidSelection(
                    f"partition {partition}: the stretch from {self.begin[partition]} to {self.end[partition]} is empty"
                )
        if self.since_ms is not None and self.until_ms is not None and self.since_ms >= self.until_ms:
            raise InvalidSelection("the time until which to read is not after the time since when")

    @property
    def wants_outcomes(self) -> bool:
        """Whether nobody can tell without the outcome if a task is wanted."""
        return bool(self.statuses)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How far the requests log reaches, as it is when a replay begins."""

    begin: Offsets
    """The oldest record of each partition."""
    end: Offsets
    """The offset that the next record of each partition will get."""
    since: Offsets = field(default_factory=dict)
    """The first record of each partition at ``since_ms`` or later; a partition that has none is missing."""
    until: Offsets = field(default_factory=dict)
    """The first record of each partition at ``until_ms`` or later; a partition that has none is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What a replay reads: settled when it begins."""

    stretches: Mapping[int, Stretch]
    """Of the requests, by partition; those that are empty are left out."""
    requests_end: Offsets
    """Where the requests log ended, each partition of it: what the replay publishes stands there or after."""
    responses_end: Offsets
    """Where the responses log ended: outcomes that came later count as not there yet."""
    remarks: tuple[str, ...] = ()
    """A line for each thing that was asked for and is not in the log."""

    @property
    def records(self) -> int:
        """How many offsets it covers; a few of them may hold no record."""
        return sum(stretch.end - stretch.begin for stretch in self.stretches.values())


def settle(selection: Selection, bounds: Bounds, responses_end: Offsets) -> Reach:
    """What is to be read for a selection.

    Args:
        selection: What is asked for.
        bounds: How far the requests log reaches.
        responses_end: Where the responses log ends.

    Raises:
        InvalidSelection: A partition does not exist.
    """
    stretches: dict[int, Stretch] = {}
    remarks: list[str] = []
    cut: list[int] = []
    for partition in _partitions(selection, len(bounds.end)):
        wanted = _wanted(selection, bounds, partition)
        there = Stretch(max(wanted.begin, bounds.begin[partition]), min(wanted.end, bounds.end[partition]))
        remarks += _missing(selection, bounds, partition, wanted)
        if 0 < bounds.begin[partition] == wanted.begin and partition not in selection.begin:
            cut.append(partition)
        if there.begin < there.end:
            stretches[partition] = there
    if cut:
        places = ", ".join(f"{partition}:{bounds.begin[partition]}" for partition in cut)
        remarks.append(f"what was before is gone: the log begins at {places}")
    return Reach(
        stretches=stretches, requests_end=dict(bounds.end), responses_end=dict(responses_end), remarks=tuple(remarks)
    )


def _partitions(selection: Selection, count: int) -> list[int]:
    named = sorted(selection.begin.keys() | selection.end.keys())
    if named and named[-1] >= count:
        raise InvalidSelection(f"there is no partition {named[-1]}: the requests have {count}, counted from 0")
    if named:
        return named
    if selection.agent_id is not None:
        return [partition_of(selection.agent_id.encode(), count)]
    return list(range(count))


def _wanted(selection: Selection, bounds: Bounds, partition: int) -> Stretch:
    """The stretch that is asked for, be it there or not; what is left open reaches as far as the log does."""
    end = bounds.end[partition]
    begin = selection.begin.get(partition, bounds.begin[partition] if selection.since_ms is None else 0)
    if selection.since_ms is not None:
        begin = max(begin, bounds.since.get(partition, end))
    end = selection.end.get(partition, end)
    if selection.until_ms is not None:
        end = min(end, bounds.until.get(partition, end))
    return Stretch(begin, max(begin, end))


def _missing(selection: Selection, bounds: Bounds, partition: int, wanted: Stretch) -> Iterator[str]:
    begin, end = bounds.begin[partition], bounds.end[partition]
    if wanted.begin < begin and wanted.begin < wanted.end:
        yield f"partition {partition}: {_offsets(wanted.begin, min(begin, wanted.end))} gone: the log begins at {begin}"
    if wanted.end > max(end, wanted.begin):
        beyond = _offsets(max(end, wanted.begin), wanted.end)
        yield f"partition {partition}: {beyond} not there yet: the log ends at {end}"
    elif wanted.begin > end and partition in selection.begin:
        yield f"partition {partition}: offset {wanted.begin} is not there yet: the log ends at {end}"


def _offsets(begin: int, end: int) -> str:
    return f"offset {begin} is" if end - begin == 1 else f"offsets {begin} to {end - 1} are"
