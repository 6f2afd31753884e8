"""The partitions a worker has now: which still wait for their ledger, and how far each of the others is done. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Generic, TypeVar

from mabos.consumers.bookmark import Bookmark
from mabos.consumers.flow import Load
from mabos.consumers.tenure import Tenure

M = TypeVar("M")


class Assignment(Generic[M]):
    """Tracks the assigned partitions of one topic, and keeps records that came too early. The reader owns it.

    Attributes:
        tenures: The partitions that are open, by number.
    """

    def __init__(self) -> None:
        self.tenures: dict[int, Tenure] = {}
        self._early: dict[int, list[M]] = {}
        self._early_bytes: dict[int, int] = {}

    @property
    def partitions(self) -> frozenset[int]:
        """What is assigned, open or not."""
        return frozenset(self.tenures) | frozenset(self._early)

    def add(self, partitions: Iterable[int]) -> None:
        """Partitions were assigned; their records are kept until each is opened."""
        for partition in partitions:
            self._early[partition] = []
            self._early_bytes[partition] = 0

    def open(self, tenure: Tenure) -> list[M]:
        """A partition's ledger is known; returns the records that came early, in their order."""
        self.tenures[tenure.partition] = tenure
        return self._early.pop(tenure.partition)

    @property
    def early(self) -> int:
        """How many records wait for the ledgers of their partitions."""
        return sum(map(len, self._early.values()))

    def is_waiting(self, partition: int) -> bool:
        """Whether a partition is assigned, and not open yet."""
        return partition in self._early

    def keep(self, partition: int | None, record: M, size_bytes: int = 0) -> None:
        """Keep a record until its partition is open; of a partition that is gone, its next owner reads it."""
        if partition in self._early:
            self._early[partition].append(record)
            self._early_bytes[partition] += size_bytes

    def remove(self, partitions: Iterable[int]) -> list[Tenure]:
        """Partitions are gone: what is finished there from now on is the next owner's business."""
        removed = []
        for partition in partitions:
            self._early.pop(partition, None)
            tenure = self.tenures.pop(partition, None)
            if tenure is not None:
                tenure.is_over = True
                removed.append(tenure)
        return removed

    @property
    def unfinished(self) -> int:
        """How many records of open partitions are not finished."""
        return sum(tenure.offsets.unfinished for tenure in self.tenures.values())

    def loads(self) -> dict[int, Load]:
        """What each partition holds."""
        early = {p: Load(len(records), self._early_bytes[p]) for p, records in self._early.items()}
        return early | {
            partition: Load(tenure.offsets.unfinished, tenure.held_bytes, tenure.offsets.ahead)
            for partition, tenure in self.tenures.items()
        }

    def to_commit(self) -> dict[int, tuple[int, Bookmark]]:
        """The offset worth committing, by partition; only where it moved since the last commit."""
        return {
            partition: (tenure.offsets.committable, tenure.bookmark(has_left=False))
            for partition, tenure in self.tenures.items()
            if tenure.committed != tenure.offsets.committable
        }

    def note_committed(self, partition: int, offset: int) -> None:
        """The broker has a commit."""
        tenure = self.tenures.get(partition)
        if tenure is not None:
            tenure.committed = offset if tenure.committed is None else max(tenure.committed, offset)


def current_commits(tenures: Collection[Tenure]) -> dict[int, tuple[int, Bookmark]]:
    """What to commit of partitions, moved or not."""
    return {tenure.partition: (tenure.offsets.committable, tenure.bookmark(has_left=False)) for tenure in tenures}


def last_commits(tenures: Collection[Tenure]) -> dict[int, tuple[int, Bookmark]]:
    """What to commit of partitions that are left in order."""
    return {tenure.partition: (tenure.offsets.committable, tenure.bookmark(has_left=True)) for tenure in tenures}
