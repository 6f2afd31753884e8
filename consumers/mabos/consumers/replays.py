"""A replay as a piece of work: run it here or in a thread of its own, see how far it is, stop it, have its result."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Generic, TypeVar

from mabos.consumers.history import History
from mabos.consumers.selection import Reach

R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a replay is."""

    done: int
    """What is done so far, in its unit."""
    total: int | None
    """What there is to do; None while nobody knows."""
    unit: str
    """What is counted: ``records`` or ``tasks``."""


class Replay(ABC, Generic[R]):
    """A replay that runs once, either with :meth:`run` or with :meth:`start` and :meth:`result`."""

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._result: R | None = None
        self._error: BaseException | None = None

    @property
    @abstractmethod
    def progress(self) -> Progress:
        """How far it is; from any thread."""

    @abstractmethod
    def run(self) -> R:
        """Do it in this thread, to its end or until :meth:`stop`; the result tells which.

        Raises:
            MabosError: As the kind of replay says.
        """

    def stop(self) -> None:
        """Have it end soon, in order; from any thread."""
        self._stopping.set()

    @property
    def is_stopping(self) -> bool:
        """Whether somebody wants it to end before it is done."""
        return self._stopping.is_set()

    def start(self) -> None:
        """Do it in a thread of its own."""
        self._thread = threading.Thread(target=self._run, name="mabos-replay", daemon=True)
        self._thread.start()

    @property
    def is_running(self) -> bool:
        """Whether the thread that :meth:`start` made still works."""
        return self._thread is not None and self._thread.is_alive()

    def result(self, timeout_s: float | None = None) -> R:
        """Wait for the thread that :meth:`start` made, and return what :meth:`run` gave.

        Raises:
            TimeoutError: It is not done within ``timeout_s``; it goes on.
            MabosError: What :meth:`run` raised.
        """
        if self._thread is None:
            raise RuntimeError("the replay was never started")
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            raise TimeoutError(f"the replay is not done within {timeout_s:g} s, it goes on")
        if self._error is not None:
            raise self._error
        return self._result  # type: ignore[return-value]  # run() gave it

    def _run(self) -> None:
        try:
            self._result = self.run()
        except BaseException as error:  # noqa: BLE001 - whoever asks for the result must hear of it
            self._error = error


class HistoryReplay(Replay[R]):
    """A replay of what a history finds: it is as far as that is read, and a stop ends the reading.

    Args:
        history: The tasks.
        reach: What is read for them.
    """

    def __init__(self, history: History, reach: Reach) -> None:
        super().__init__()
        self._history, self._reach = history, reach

    @property
    def progress(self) -> Progress:
        """How far it is; from any thread."""
        return Progress(done=self._history.done, total=self._reach.records, unit="records")

    def stop(self) -> None:
        """Have it end after the task in hand; from any thread."""
        super().stop()
        self._history.stop()
