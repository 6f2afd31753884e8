"""A bridge from the feed's thread to the event loop: one wake-up however much comes, and the loop gets its turns."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from mabos.kafka.position import Position
from mabos.schemas.events import TaskResponse

Take = Callable[[TaskResponse, Position], None]

_TURN = 200  # how many are handed over before other callbacks of the loop get their turn
_TURN_CHARS = 262_144  # or this much of results: a channel's bound is for slow readers, not for what comes in one turn
_LIMIT = 20_000
_ROOM_S = 0.1


class Bridge:
    """Carries responses to an event loop, in their order.

    While the loop is that far behind, the feed's thread waits: the log keeps what is not read, memory would not.

    Args:
        loop: Where they are taken.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._inbox: deque[tuple[Take, TaskResponse, Position]] = deque()
        self._is_woken = False
        self._room = threading.Event()

    def carry(self, take: Take, response: TaskResponse, position: Position) -> None:
        """Have a function called with a response on the loop; from the feed's thread."""
        self._inbox.append((take, response, position))
        if not self._is_woken:
            self._is_woken = True
            self._wake()
        while len(self._inbox) > _LIMIT and not self._loop.is_closed():
            self._room.clear()
            self._room.wait(_ROOM_S)

    def call(self, function: Callable[[], None]) -> None:
        """Have a function called on the loop; from any thread."""
        with suppress(RuntimeError):  # the loop is closed: nobody is there any more
            self._loop.call_soon_threadsafe(function)

    def _wake(self) -> None:
        self.call(self._drain)

    def _drain(self) -> None:
        self._is_woken = False  # before the inbox is looked at: what comes after that wakes again
        count = chars = 0
        while self._inbox and count < _TURN and chars < _TURN_CHARS:
            take, response, position = self._inbox.popleft()
            take(response, position)
            count, chars = count + 1, chars + len(response.result_json)
        if self._inbox and not self._is_woken:
            self._is_woken = True
            self._loop.call_soon(self._drain)
        self._room.set()
