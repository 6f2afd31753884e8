"""The partitions a worker has now, and how far each one is done. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from mabos.consumers.offsets import Offsets


class Assignment:
    """Tracks the assigned partitions of one topic. Not thread-safe: the reader owns it."""

    def __init__(self) -> None:
        self._offsets: dict[int, Offsets | None] = {}  # None until the first record tells where reading began
        self._committed: dict[int, int] = {}

    @property
    def partitions(self) -> frozenset[int]:
        """What is assigned."""
        return frozenset(self._offsets)

    def add(self, partitions: Iterable[int]) -> None:
        """Partitions were assigned."""
        for partition in partitions:
            self._offsets[partition] = None

    def remove(self, partitions: Iterable[int]) -> None:
        """Partitions are gone; what is finished there from now on is the next owner's business."""
        for partition in partitions:
            self._offsets.pop(partition, None)
            self._committed.pop(partition, None)

    def expects(self, partition: int, offset: int) -> bool:
        """Whether a record is this worker's and did not come before; if not, it must not be handled."""
        if partition not in self._offsets:
            return False  # revoked while the batch was in hand: its next owner reads it
        offsets = self._offsets[partition]
        return offsets is None or offset >= offsets.position

    def start(self, partition: int, offset: int) -> None:
        """A record was read that :meth:`expects` took."""
        offsets = self._offsets[partition]
        if offsets is None:
            offsets = self._offsets[partition] = Offsets(offset)
            self._committed[partition] = offset
        offsets.start(offset)

    def finish(self, partition: int, offset: int) -> None:
        """A record's task is done; of a partition that is gone, nothing is noted."""
        offsets = self._offsets.get(partition)
        if offsets is not None and offset < offsets.position:
            offsets.finish(offset)

    def unfinished(self) -> dict[int, int]:
        """How many records each partition holds."""
        return {partition: offsets.unfinished if offsets else 0 for partition, offsets in self._offsets.items()}

    def to_commit(self) -> dict[int, int]:
        """The offset worth committing, by partition; only where it moved since the last commit."""
        return {
            partition: offsets.committable
            for partition, offsets in self._offsets.items()
            if offsets is not None and self._committed[partition] != offsets.committable
        }

    def note_committed(self, partition: int, offset: int) -> None:
        """The broker has a commit."""
        if partition in self._committed:
            self._committed[partition] = max(self._committed[partition], offset)
