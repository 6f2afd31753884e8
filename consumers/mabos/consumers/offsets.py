"""Which offset of a partition may be committed while tasks finish in any order. Pure.

Committed is the lowest offset that is not finished: everything below it is done for ever, so a worker that takes over
starts there and loses nothing.
"""

from __future__ import annotations

from collections import deque


class Offsets:
    """The unfinished offsets of one partition. Not thread-safe: one thread owns it.

    Args:
        position: The offset the partition is read from.
    """

    def __init__(self, position: int) -> None:
        self._next = position
        self._started: deque[int] = deque()  # ascending; from the first unfinished one on
        self._finished: set[int] = set()

    def start(self, offset: int) -> None:
        """A record was read. Offsets ascend, with gaps where the log was compacted or holds transaction markers.

        Raises:
            ValueError: The offset was passed already.
        """
        if offset < self._next:
            raise ValueError(f"offset {offset} was read twice, {self._next} is next")
        self._started.append(offset)
        self._next = offset + 1

    def finish(self, offset: int) -> None:
        """A record's task is done; a second time for one offset changes nothing."""
        if self._started and offset >= self._started[0]:
            self._finished.add(offset)
        while self._started and self._started[0] in self._finished:
            self._finished.discard(self._started.popleft())

    @property
    def position(self) -> int:
        """The offset to be read next."""
        return self._next

    @property
    def committable(self) -> int:
        """The lowest unfinished offset; where all are finished, the one to be read next."""
        return self._started[0] if self._started else self._next

    @property
    def unfinished(self) -> int:
        """How many records were read and are not finished."""
        return len(self._started) - len(self._finished)
