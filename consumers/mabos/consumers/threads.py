"""Threads for plain handlers.

Not a ThreadPoolExecutor, because that one keeps the process alive until each function has ended: a worker with a
handler that hangs could not be stopped.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue


class HandlerThreads:
    """Daemon threads, as many as functions run at a time; one that is free is used again. One thread owns it."""

    def __init__(self) -> None:
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._free = threading.Semaphore(0)
        self._count = 0

    def run(self, call: Callable[[], None]) -> None:
        """Call a function, which must not raise, in a thread."""
        self._calls.put(call)
        if not self._free.acquire(blocking=False):
            self._count += 1
            threading.Thread(target=self._work, name=f"mabos-handler-{self._count}", daemon=True).start()

    def close(self) -> None:
        """Let the threads end, each after what it runs; nobody waits for them."""
        for _ in range(self._count):
            self._calls.put(None)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            call()
            del call  # else the last task would be kept until the next one
            self._free.release()
