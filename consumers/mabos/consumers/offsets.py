"""Which offset of a partition may be committed while tasks finish in any order, and what the ledger must show. Pure.

Committed is the lowest offset that is not finished: everything below it is done for ever, so a worker that takes over
starts there and loses nothing. What finished above it has its response on the log: with the commit goes the response
offset from which the log must be read to see all of those (see :mod:`mabos.consumers.ledger`).
"""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush


class Offsets:
    """The unfinished offsets of one partition. Not thread-safe: one thread owns it.

    Args:
        position: The offset the partition is read from.
        response_end: The end of the response partition when that began.
    """

    def __init__(self, position: int, response_end: int = 0) -> None:
        self._next = position
        self._started: deque[int] = deque()  # ascending; from the first unfinished one on
        self._finished: set[int] = set()
        self._response_end = response_end
        self._shown: list[tuple[int, int]] = []  # heap: a response to be seen, and the request that makes it matter

    def start(self, offset: int) -> bool:
        """A record was read. Offsets ascend, with gaps where the log was compacted or holds transaction markers.

        Returns:
            False where the offset was passed before: the record must not be handled again.
        """
        if offset < self._next:
            return False
        self._started.append(offset)
        self._next = offset + 1
        return True

    def finish(self, offset: int, response_offset: int | None = None) -> None:
        """A record's task is done; of one that is finished already, or that was not read, nothing changes.

        Args:
            offset: The record.
            response_offset: Where the response stands that made it so; None if it is not known, as of a duplicate
                whose outcome was written a moment ago: what is known of the response log's end counts then.
        """
        started = self._started
        if not started or not started[0] <= offset < self._next:
            return
        response_offset = self._response_end if response_offset is None else response_offset
        if response_offset >= self._response_end:
            self._response_end = response_offset + 1
        if offset == started[0]:
            started.popleft()
        elif offset not in self._finished:
            self._finished.add(offset)
            heappush(self._shown, (response_offset, offset))
        while self._finished and started and started[0] in self._finished:
            self._finished.discard(started.popleft())

    def show(self, offset: int, response_offset: int) -> None:
        """As long as a record is not passed, whoever takes over must see that response.

        Args:
            offset: The record.
            response_offset: The response.
        """
        heappush(self._shown, (response_offset, offset))

    @property
    def position(self) -> int:
        """The offset to be read next."""
        return self._next

    @property
    def committable(self) -> int:
        """The lowest unfinished offset; where all are finished, the one to be read next."""
        return self._started[0] if self._started else self._next

    @property
    def ledger_start(self) -> int:
        """The response offset from which all must be read to know what is finished above :attr:`committable`."""
        passed = self.committable
        while self._shown and self._shown[0][1] < passed:
            heappop(self._shown)
        return min(self._shown[0][0], self._response_end) if self._shown else self._response_end

    @property
    def unfinished(self) -> int:
        """How many records were read and are not finished."""
        return len(self._started) - len(self._finished)

    @property
    def ahead(self) -> int:
        """How many records were read from the lowest unfinished one on; all of them are kept in mind."""
        return len(self._started)
