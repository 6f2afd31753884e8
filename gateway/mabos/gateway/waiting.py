"""Waiting for a task's outcome inside a request: ``Prefer: wait=N`` (RFC 7240)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

from fastapi import Request

from mabos.consumers.responses import Waiter
from mabos.gateway.responses import Responses, Tail
from mabos.kafka.position import Position
from mabos.schemas.errors import MabosError
from mabos.schemas.events import TaskResponse

T = TypeVar("T")

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
            return Expected(self, tail, (agent_id, task_id))
        return None

    async def recall(self, read: Callable[[], T]) -> T:
        """Have something read from the log."""
        return await self._responses.recall(read)

    async def until_stopping(self) -> None:
        """Return when the gateway stops."""
        await self._stopping.wait()


class Expected:
    """An outcome that is waited for, until :meth:`forget`.

    Args:
        waiting: All who wait.
        tail: Where it comes from.
        task: Agent and id of the task.

    Raises:
        MabosError: An id is refused, or responses are not read any more.
    """

    def __init__(self, waiting: Waiting, tail: Tail, task: tuple[str, str]) -> None:
        self._waiting, self._tail, self._task = waiting, tail, task
        self._waiter: Waiter = tail.feed.expect(*task)
        waiting.waiters += 1

    def forget(self) -> None:
        """Nobody waits any more."""
        self._waiting.waiters -= 1
        self._tail.feed.forget(self._waiter)

    async def outcome(
        self, request: Request, timeout_s: float, since: Position | None = None
    ) -> tuple[TaskResponse, Position] | None:
        """The outcome; None if it does not come in time, or the caller leaves, or the gateway or the feed stops.

        Args:
            request: Of the caller.
            timeout_s: How long to wait.
            since: Where the task stands, if it was published before it was waited for: its outcome may be past.
        """
        waits = [
            asyncio.ensure_future(self._find(since)),
            asyncio.ensure_future(_until_left(request)),
            asyncio.ensure_future(self._waiting.until_stopping()),
        ]
        try:
            await asyncio.wait(waits, timeout=max(0.0, timeout_s), return_when=asyncio.FIRST_COMPLETED)
            found = waits[0]
            if not found.done() or found.exception() is not None:
                return None
            return found.result()
        finally:
            for wait in waits:
                wait.cancel()

    async def _find(self, since: Position | None) -> tuple[TaskResponse, Position] | None:
        past = None
        if since is not None:
            with suppress(MabosError):  # the log does not go back so far, or cannot be read now: it may still come
                past = await self._recall(since)
        if past is not None:
            return past
        response = await self._waiter
        return None if self._waiter.position is None else (response, self._waiter.position)

    async def _recall(self, since: Position) -> tuple[TaskResponse, Position] | None:
        """The outcome, if it stands before what the feed reads from now on."""
        agent_id, task_id = self._task
        recall, feed = self._tail.recall, self._tail.feed
        end = feed.reached.get(since.partition, 0)
        offset = await self._waiting.recall(lambda: recall.find_begin(since, agent_id))
        while offset < end:
            begin = Position(feed.topic, since.partition, offset)
            past = await self._waiting.recall(partial(recall.read, agent_id, task_id, begin, end))
            for response, position in past.responses:
                if response.status.is_terminal:
                    return response, position
            offset = past.next_offset
        return None


async def _until_left(request: Request) -> None:
    """Return when the caller leaves; its body was read before."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
