"""Runs several copies of a worker process: restarts those that fail, passes the stop on, waits for all."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

log = structlog.stdlib.get_logger("mabos.supervisor")

_POLL_S = 0.2
_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 30.0
_STEADY_S = 60.0  # a process that ran this long has earned a fresh start


@dataclass(slots=True)
class _Child:
    process: subprocess.Popen[bytes]
    started_s: float
    failures: int = 0
    restart_at_s: float | None = None


class Supervisor:
    """Keeps a number of processes running.

    Args:
        command: What each runs; each must end by itself on SIGTERM.
        instances: How many.
        clock: Monotonic seconds.
    """

    def __init__(self, command: Sequence[str], instances: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._command, self._instances, self._clock = list(command), instances, clock
        self._stopping = threading.Event()

    def run(self) -> int:
        """Run until :meth:`stop`, then wait until every process has ended.

        Returns:
            0 if all ended well after the stop, else the first other exit code.
        """
        children = [_Child(self._start(), self._clock()) for _ in range(self._instances)]
        while not self._stopping.wait(_POLL_S):
            for child in children:
                self._tend(child)
        for child in children:
            if child.process.poll() is None:
                child.process.terminate()
        codes = [child.process.wait() for child in children if child.restart_at_s is None]
        return next((abs(code) for code in codes if code), 0)

    def stop(self) -> None:
        """Ask all processes to stop; from any thread, or a signal handler."""
        self._stopping.set()

    def _tend(self, child: _Child) -> None:
        now_s = self._clock()
        if child.restart_at_s is not None:
            if now_s >= child.restart_at_s:
                child.process, child.started_s, child.restart_at_s = self._start(), now_s, None
            return
        code = child.process.poll()
        if code is None:
            return
        child.failures = 1 if now_s - child.started_s > _STEADY_S else child.failures + 1
        pause_s = restart_pause_s(child.failures)
        child.restart_at_s = now_s + pause_s
        log.warning("worker ended, starting it again", pid=child.process.pid, exit_code=code, after_s=pause_s)

    def _start(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(self._command, start_new_session=True)  # Ctrl-C reaches us, and we pass it on
        log.info("worker started", pid=process.pid)
        return process


def restart_pause_s(failures: int) -> float:
    """How long to wait before a process is started again after so many failures in a row."""
    return min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** (failures - 1))
