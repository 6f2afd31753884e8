"""Threads for plain handlers.

Not a ThreadPoolExecutor, because that one keeps the process alive until each function has ended: a worker with a
handler that hangs could not be stopped.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, NamedTuple


class Ended(NamedTuple):
    """What came of a function; an error is a value here, for some (StopIteration) cannot be raised into a future."""

    result: object
    error: BaseException | None


class _Call(NamedTuple):
    function: Callable[[Any], object]
    argument: object
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Ended]


class HandlerThreads:
    """Daemon threads, as many as functions run at a time; one that is free is used again. One event loop owns it."""

    def __init__(self) -> None:
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._free = threading.Semaphore(0)
        self._count = 0

    def run(self, function: Callable[[Any], object], argument: object) -> asyncio.Future[Ended]:
        """Call a function in a thread. A cancelled future does not stop it; nobody hears of its end then."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Ended] = loop.create_future()
        self._calls.put(_Call(function, argument, loop, future))
        if not self._free.acquire(blocking=False):
            self._count += 1
            threading.Thread(target=self._work, name=f"mabos-handler-{self._count}", daemon=True).start()
        return future

    def close(self) -> None:
        """Let the threads end, each after what it runs."""
        for _ in range(self._count):
            self._calls.put(None)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            ended = _run(call)
            self._free.release()
            with suppress(RuntimeError):  # the loop is closed: the worker has stopped
                call.loop.call_soon_threadsafe(_resolve, call.future, ended)
            del call, ended  # else the last task would be kept until the next one


def _run(call: _Call) -> Ended:
    try:
        return Ended(call.function(call.argument), None)
    except BaseException as error:  # noqa: BLE001 - a handler may raise anything, and must not end its thread
        return Ended(None, error)


def _resolve(future: asyncio.Future[Ended], ended: Ended) -> None:
    if not future.done():
        future.set_result(ended)
