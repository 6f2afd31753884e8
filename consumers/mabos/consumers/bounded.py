"""Calls that may never come back, bounded in time: they are made on a thread that is left to the one that does not."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from queue import Empty, SimpleQueue

_Call = Callable[[], object]


class BoundedCalls:
    """Makes calls on a thread of its own, one after another, for one thread that waits for each.

    The thread is daemonic, as is each that a call has kept for itself: none holds up the end of the process.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._start()

    def call(self, function: _Call, timeout_s: float) -> None:
        """Make a call; what it raises is raised here.

        Raises:
            TimeoutError: It is not done in time; whatever comes of it later, nobody hears of it.
        """
        self._calls.put(function)
        try:
            error = self._outcomes.get(timeout=timeout_s)
        except Empty:
            self._end()
            self._start()
            raise TimeoutError(f"not done within {timeout_s:g} s") from None
        if error is not None:
            raise error

    def _start(self) -> None:
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._outcomes: SimpleQueue[BaseException | None] = SimpleQueue()
        threading.Thread(target=_serve, args=(self._calls, self._outcomes), name=self._name, daemon=True).start()
        self._end = weakref.finalize(self, self._calls.put, None)  # the thread does not outlive this object
        self._end.atexit = False


def _serve(calls: SimpleQueue[_Call | None], outcomes: SimpleQueue[BaseException | None]) -> None:
    while call := calls.get():
        error = _try(call)
        del call  # it may hold a client, which must not live on until the next one comes
        outcomes.put(error)
        del error


def _try(call: _Call) -> BaseException | None:
    try:
        call()
    except BaseException as error:  # noqa: BLE001 - it is raised where the call was asked for
        return error
    return None
