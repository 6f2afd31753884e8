"""Waiting for a task's outcome inside a request: ``Prefer: wait=N`` (RFC 7240)."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress

from fastapi import Request

from mabos.consumers.responses import ResponseFeed, Waiter
from mabos.gateway.responses import Responses
from mabos.kafka.position import Position
from mabos.schemas.errors import MabosError
from mabos.schemas.events import TaskResponse

MAX_WAIT_S = 60
"""The longest wait: a longer one is cut to this, and the answer says so."""

_WAIT = re.compile(r'\s*wait\s*=\s*"?(\d{1,6})"?\s*(?:;.*)?', re.ASCII | re.IGNORECASE)


def read_wait_s(prefer: str | None) -> int:
    """The seconds that a ``Prefer`` header wants to wait; 0 for none.

    What is not understood is no error: RFC 7240 has it ignored. Of two, the first counts.
    """
    for preference in (prefer or "").split(","):
        match = _WAIT.fullmatch(preference)
        if match:
            return min(int(match[1]), MAX_WAIT_S)
    return 0


class Waiting:
    """Those who wait for an outcome now. Lives on one event loop.

    Args:
        responses: The gateway's tail.
    """

    def __init__(self, responses: Responses) -> None:
        self._responses = responses
        self._stopping = asyncio.Event()
        self.waiters = 0
        """How many wait."""

    def end_all(self) -> None:
        """The gateway stops: those who wait get what is known."""
        self._stopping.set()

    async def expect(self, agent_id: str, task_id: str, timeout_s: float) -> Expected | None:
        """Register for an outcome; do it before the task is published.

        Returns:
            None where responses cannot be read now, or an id is refused, of which the publish tells.
        """
        with suppress(MabosError, TimeoutError):
            async with asyncio.timeout(timeout_s):
                tail = await self._responses.get()
            return Expected(self, tail.feed, tail.feed.expect(agent_id, task_id))
        return None

    async def until_stopping(self) -> None:
        """Return when the gateway stops."""
        await self._stopping.wait()


class Expected:
    """An outcome that is waited for, until :meth:`forget`."""

    def __init__(self, waiting: Waiting, feed: ResponseFeed, waiter: Waiter) -> None:
        self._waiting, self._feed, self._waiter = waiting, feed, waiter
        waiting.waiters += 1

    def forget(self) -> None:
        """Nobody waits any more."""
        self._waiting.waiters -= 1
        self._feed.forget(self._waiter)

    async def outcome(self, request: Request, timeout_s: float) -> tuple[TaskResponse, Position] | None:
        """The outcome; None if it does not come in time, or the caller leaves, or the gateway or the feed stops."""
        waits = [
            asyncio.ensure_future(self._waiter),
            asyncio.ensure_future(_until_left(request)),
            asyncio.ensure_future(self._waiting.until_stopping()),
        ]
        try:
            await asyncio.wait(waits, timeout=max(0.0, timeout_s), return_when=asyncio.FIRST_COMPLETED)
            answered = waits[0]
            if not answered.done() or answered.exception() is not None or self._waiter.position is None:
                return None
            return answered.result(), self._waiter.position  # type: ignore[return-value]  # the first gives a response
        finally:
            for wait in waits:
                wait.cancel()


async def _until_left(request: Request) -> None:
    """Return when the caller leaves; its body was read before."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
