"""An event loop in a thread of its own, which a ``sys.exit`` on it does not end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any

import structlog

try:
    import uvloop
except ImportError:  # there is none for Windows
    uvloop = None  # type: ignore[assignment]

log = structlog.stdlib.get_logger("mabos.worker")


class LoopThread:
    """Runs an event loop in a thread.

    Attributes:
        loop: The loop; only its own thread may use it, but for :meth:`call`.
    """

    def __init__(self, name: str) -> None:
        self.loop = uvloop.new_event_loop() if uvloop else asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def call(self, function: Callable[[], object]) -> None:
        """Have a function called on the loop, in turn; from any thread. Once it is closed, nothing happens."""
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(function)

    def stop(self, find_tasks: Callable[[], Collection[asyncio.Task[Any]]], timeout_s: float) -> None:
        """Cancel tasks, wait for them within a time, and end the thread.

        Args:
            find_tasks: Called on the loop: what to cancel.
            timeout_s: How long tasks, and a function that keeps the loop busy, are waited for.
        """
        if self._thread.is_alive():
            with suppress(RuntimeError):
                asyncio.run_coroutine_threadsafe(self._end(find_tasks, timeout_s), self.loop)
            self._thread.join(timeout_s + 1)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            while not self._run_until_exit():
                log.warning("a task that a handler began called sys.exit, which ends nothing but that task")
        finally:
            self.loop.close()

    def _run_until_exit(self) -> bool:
        """Run the loop; True once it was stopped, False when an exit escaped from an asyncio task, as they do."""
        try:
            self.loop.run_forever()
        except (SystemExit, KeyboardInterrupt):
            return False
        return True

    async def _end(self, find_tasks: Callable[[], Collection[asyncio.Task[Any]]], timeout_s: float) -> None:
        tasks = find_tasks()
        for task in tasks:
            task.cancel()
        if tasks:
            _, left = await asyncio.wait(tasks, timeout=timeout_s)
            if left:
                log.warning("handlers did not heed their cancellation and are left behind", count=len(left))
        self.loop.stop()
