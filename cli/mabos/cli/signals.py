"""SIGTERM and Ctrl-C as something to wait for, instead of an exception somewhere."""

from __future__ import annotations

import queue
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class StopRequest:
    """Whether this process was asked to stop. Asking twice is asking once.

    It is safe to set in a signal handler: ``threading.Event`` is not, since the thread that runs the handler may hold
    the event's lock at that moment.
    """

    def __init__(self) -> None:
        self._asked: queue.SimpleQueue[None] = queue.SimpleQueue()  # its put is reentrant
        self._is_set = False

    def is_set(self) -> bool:
        """Whether to stop."""
        return self._is_set

    def set(self) -> None:
        """Ask to stop."""
        self._is_set = True
        self._asked.put(None)

    def wait(self) -> None:
        """Wait until asked to stop; for one thread."""
        while not self._is_set:
            self._asked.get()


def call_on_signals(stop: Callable[[], None]) -> None:
    """Have a function called at SIGTERM and at Ctrl-C, each time."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop())


@contextmanager
def stopped_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    """As :func:`call_on_signals`, while the block runs; then as it was before."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    call_on_signals(stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
