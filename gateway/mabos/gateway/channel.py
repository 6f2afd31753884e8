"""A channel: what one reader of a stream has still to be sent, bounded. Lives on one event loop."""

from __future__ import annotations

import asyncio
from typing import Literal

MAX_EVENTS = 1000
"""The most events that wait for one reader."""
MAX_BYTES = 1024 * 1024
"""The most bytes that wait for one reader; a single event may be larger."""

Reason = Literal["slow_reader", "stopping", "feed_ended", "log_unreadable", "too_old", "left"]


class Channel:
    """Takes events until it is ended, and gives them to its one reader.

    A reader that is too slow loses its channel, not its place: what waits is dropped, and it is told why, so that it
    can come back and say what it had last.
    """

    __slots__ = ("_events", "_is_done", "_size_bytes", "_woken", "reason")

    def __init__(self) -> None:
        self._events: list[bytes] = []
        self._size_bytes = 0
        self._is_done = False
        self._woken: asyncio.Future[None] | None = None
        self.reason: Reason | None = None
        """Why it ended before its time; None while it has not, or when there was nothing more to tell."""

    @property
    def is_done(self) -> bool:
        """Whether it takes no more events."""
        return self._is_done

    def put(self, event: bytes) -> None:
        """Have an event sent; one that comes after the end is dropped."""
        if self._is_done:
            return
        if self._events and (len(self._events) >= MAX_EVENTS or self._size_bytes + len(event) > MAX_BYTES):
            self.end("slow_reader")
            return
        self._events.append(event)
        self._size_bytes += len(event)
        self._wake()

    def finish(self) -> None:
        """What waits is the last there is."""
        self._is_done = True
        self._wake()

    def drop(self) -> None:
        """What waits is not wanted any more, and nothing comes."""
        self._events.clear()
        self.finish()

    def end(self, reason: Reason) -> None:
        """End it before its time, and drop what waits, unless it has ended; the first reason counts."""
        if not self._is_done:
            self.reason = reason
            self.drop()

    async def take(self, timeout_s: float) -> bytes:
        """All that waits; empty after so long without anything, or at the end."""
        if not self._events and not self._is_done:
            loop = asyncio.get_running_loop()
            self._woken = loop.create_future()
            timer = loop.call_later(timeout_s, self._wake)
            try:
                await self._woken
            finally:
                timer.cancel()
                self._woken = None
        found = b"".join(self._events)
        self._events.clear()
        self._size_bytes = 0
        return found

    def _wake(self) -> None:
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(None)
