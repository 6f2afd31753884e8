"""Jobs that come back: for another attempt after a while, or once their mark is on the log. Each keeps its lane."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

from mabos.consumers.jobs import Job


class Timer(Protocol):
    """What ends a wait, as ``loop.call_later`` gives it."""

    def cancel(self) -> object:
        """See that it does not."""
        ...


class Comebacks:
    """Holds them. Not thread-safe: one thread owns it.

    Attributes:
        ready: Those that may run again, in their order.
    """

    def __init__(self) -> None:
        self.ready: deque[Job] = deque()
        self._waiting: dict[Job, Timer | None] = {}

    def wait(self, job: Job, timer: Timer | None = None) -> None:
        """A job waits for its time, or without a timer for something else; :meth:`resume` ends it."""
        self._waiting[job] = timer

    def resume(self, job: Job, *, is_first: bool = False) -> bool:
        """A job need not wait any longer; False if it did not, as after it was dropped."""
        if job not in self._waiting:
            return False
        del self._waiting[job]
        if is_first:
            self.ready.appendleft(job)
        else:
            self.ready.append(job)
        return True

    def is_waiting(self, job: Job) -> bool:
        """Whether a job waits."""
        return job in self._waiting

    def drop(self, unwanted: Callable[[Job], bool]) -> list[Job]:
        """Forget jobs, waiting or ready; returns them."""
        dropped = [job for job in self._waiting if unwanted(job)]
        for job in dropped:
            timer = self._waiting.pop(job)
            if timer is not None:
                timer.cancel()
        gone = [job for job in self.ready if unwanted(job)]
        for job in gone:
            self.ready.remove(job)
        return dropped + gone
