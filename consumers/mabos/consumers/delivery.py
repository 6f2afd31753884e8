"""Delivery: how what a worker writes gets to the broker, and what is noted of a job when it is there.

Two ways do it: :mod:`mabos.consumers.at_least_once` sends each record by itself and commits offsets now and then;
:mod:`mabos.consumers.exactly_once` puts records and offsets into transactions.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

from mabos.consumers.jobs import Job
from mabos.consumers.tenure import Tenure
from mabos.producers.publisher import Record


class Kind(Enum):
    """What a record is to its job."""

    RESPONSE = auto()
    LETTER = auto()
    PROGRESS = auto()
    MARK = auto()


@dataclass(slots=True)  # quicker to make than a named tuple, and one is made for each task
class Outgoing:
    """A record on its way."""

    record: Record
    """What is sent."""
    job: Job
    """Whose it is."""
    kind: Kind
    """What it is to its job."""
    on_stored: Callable[[], None] | None = None
    """Called once the broker has it, on any thread."""


_RESPONSE, _MARK, _PROGRESS = Kind.RESPONSE, Kind.MARK, Kind.PROGRESS  # to look one up takes as long as to use it


class Delivery(Protocol):
    """What the worker needs of it."""

    def send(self, outgoing: Outgoing) -> None:
        """Send a record, without waiting; from any thread."""
        ...

    def skip(self, job: Job, response_offset: int | None) -> None:
        """A job is done with nothing to send; from any thread."""
        ...

    def show(self, job: Job, response_offset: int) -> None:
        """Whoever takes over must see that response as long as the job is not done; from any thread."""
        ...

    def hurry(self) -> None:
        """Nothing is in hand and nothing waits: what lingers shall go out now; the engine's."""
        ...

    def pause(self) -> None:
        """Many jobs were begun in a row, and more will be; the engine's."""
        ...

    def settle(self) -> None:
        """Between two polls: go on with what waits, note what is stored, commit when it is time; the reader's."""
        ...

    def leave(self, tenures: Collection[Tenure], timeout_s: float) -> None:
        """Commit all that is done of partitions that are about to go, within a time; the reader's."""
        ...

    def lose(self) -> None:
        """Tenures are over, their partitions gone: what is on its way for them counts for nothing; the reader's."""
        ...

    def stop(self) -> None:
        """End; what is not stored by now is lost, and was never committed."""
        ...

    @property
    def unstored(self) -> int:
        """How many records have no acknowledgement yet."""
        ...


class Stored:
    """Notes from the threads that hear of records, for the reader, who owns the offsets: appending is atomic."""

    def __init__(self) -> None:
        self._notes: deque[tuple[Job, Kind | None, int | None]] = deque()
        self.note = self._notes.append
        """The broker has a record, at this offset: its job, what it is to it, and the offset."""

    def show(self, job: Job, response_offset: int) -> None:
        """A response must be seen by whoever takes over."""
        self._notes.append((job, Kind.MARK, response_offset))

    def skip(self, job: Job, response_offset: int | None) -> None:
        """A job is done with nothing to send."""
        self._notes.append((job, None, response_offset))

    def take(self) -> None:
        """Note all that was told in the offsets of its partition; the reader's."""
        notes = self._notes
        while notes:
            job, kind, response_offset = notes.popleft()
            tenure = job.tenure
            if tenure.is_over:
                continue
            if kind is _MARK:
                tenure.offsets.show(job.offset, response_offset)  # type: ignore[arg-type]  # what is stored has a place
                continue
            if kind is _RESPONSE or kind is None:
                job.response_offset = response_offset
            elif kind is _PROGRESS:
                continue
            job.unstored -= 1
            if job.unstored == 0:  # a transaction that was aborted after all tells of a record twice
                tenure.held_bytes -= job.size_bytes
                tenure.offsets.finish(job.offset, job.response_offset)
