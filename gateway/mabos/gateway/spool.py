"""A spool: bytes between a writer and a reader that may be slower, on disk where they are many. Of one event loop."""

from __future__ import annotations

import asyncio
import tempfile

PIECE_BYTES = 65_536
"""The most that one take gives."""


class Spool:
    """Takes bytes, gives them back in order.

    Many clients send all they have before they read anything. Were the answer to wait for them in memory, it could be
    as large as they like; were it not to wait at all, both sides would stand still.

    Args:
        memory_bytes: How much is kept in memory; more goes into a temporary file.
        limit_bytes: From this much on :meth:`wait_for_room` waits.
    """

    def __init__(self, *, memory_bytes: int = 1024 * 1024, limit_bytes: int = 256 * 1024 * 1024) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=memory_bytes)  # noqa: SIM115 - closed by close()
        self._limit_bytes = limit_bytes
        self._begin = self._end = 0
        self._is_finished = False
        self._changed = asyncio.Event()

    def put(self, data: bytes) -> None:
        """Add bytes."""
        self._file.seek(self._end)
        self._end += self._file.write(data)
        self._changed.set()

    def finish(self) -> None:
        """Nothing more is added."""
        self._is_finished = True
        self._changed.set()

    async def wait_for_room(self) -> None:
        """Return once it holds less than its limit."""
        while self._end - self._begin >= self._limit_bytes and not self._is_finished:
            await self._wait()

    async def take(self) -> bytes:
        """The next bytes; empty at the end."""
        while self._begin == self._end and not self._is_finished:
            await self._wait()
        self._file.seek(self._begin)
        data = self._file.read(min(PIECE_BYTES, self._end - self._begin))
        self._begin += len(data)
        if self._begin == self._end:
            self._begin = self._end = 0  # what was read is written over
        self._changed.set()
        return data

    def close(self) -> None:
        """Throw away what it holds."""
        self._file.close()

    async def _wait(self) -> None:
        self._changed.clear()
        await self._changed.wait()
