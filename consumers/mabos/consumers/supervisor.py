"""Runs several copies of a worker process: restarts those that fail, passes the stop on, waits for all."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import structlog

from mabos.kafka.process import Command, Process

log = structlog.stdlib.get_logger("mabos.supervisor")

_POLL_S = 0.2
_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 30.0
_STEADY_S = 60.0  # a process that ran this long has earned a fresh start


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceState:
    """One of the processes, seen from outside."""

    number: int
    """Which one, from 0."""
    pid: int | None
    """Its process id; None while it does not run."""
    restarts: int
    """How often it ended by itself and was started again."""


@dataclass(slots=True)
class _Child:
    number: int
    process: Process
    started_s: float
    failures: int = 0
    restarts: int = 0
    restart_at_s: float | None = None


class Supervisor:
    """Keeps a number of processes running. They never outlive this one, however it ends.

    Args:
        commands: What each of them runs, instance 0 first; each must end by itself on SIGTERM.
        stop_timeout_s: Seconds that they get to end by themselves before they are killed.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        commands: Sequence[Command],
        *,
        stop_timeout_s: float = 90.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._commands, self._stop_timeout_s = commands, stop_timeout_s
        self._clock = clock
        self._children: list[_Child] = []
        self._is_stopping = False  # no Event: a signal handler that sets one may wait for its own thread for ever

    def run(self) -> int:
        """Run until :meth:`stop`, then wait until every process has ended.

        Returns:
            0 if all ended well after the stop, else the first other exit code.

        Raises:
            StartFailed: A process cannot be started at all; those that were are stopped.
        """
        try:
            for number in range(len(self._commands)):
                self._children.append(_Child(number, self._start(number), self._clock()))
            while not self._is_stopping:
                time.sleep(_POLL_S)
                for child in self._children:
                    self._tend(child)
        finally:
            codes = self._end([child.process for child in self._children if child.restart_at_s is None])
        return next((code for code in codes if code), 0)

    def stop(self) -> None:
        """Ask all processes to stop; from any thread, or a signal handler."""
        self._is_stopping = True

    def look(self) -> list[InstanceState]:
        """The state of each instance, in order; from any thread."""
        pids = {child.number: child.process.pid for child in self._children if child.restart_at_s is None}
        restarts = {child.number: child.restarts for child in self._children}
        return [
            InstanceState(number=number, pid=pids.get(number), restarts=restarts.get(number, 0))
            for number in range(len(self._commands))
        ]

    def _tend(self, child: _Child) -> None:
        now_s = self._clock()
        if child.restart_at_s is not None:
            if now_s >= child.restart_at_s and not self._is_stopping:
                child.process, child.started_s, child.restart_at_s = self._start(child.number), now_s, None
                child.restarts += 1
            return
        code = child.process.exit_code
        if code is None:
            return
        child.failures = 1 if now_s - child.started_s > _STEADY_S else child.failures + 1
        pause_s = restart_pause_s(child.failures)
        child.restart_at_s = now_s + pause_s
        child.process.stop()  # it is gone: this closes what is left of it
        log.warning(
            "worker ended, starting it again",
            instance=child.number,
            pid=child.process.pid,
            exit_code=code,
            after_s=pause_s,
        )

    def _start(self, number: int) -> Process:
        process = Process(self._commands[number])
        process.start()
        log.info("worker started", instance=number, pid=process.pid)
        return process

    def _end(self, processes: list[Process]) -> list[int]:
        """Stop all at once: each may take its whole grace."""
        if not processes:
            return []
        with ThreadPoolExecutor(len(processes)) as pool:
            for stopped in [pool.submit(process.stop, self._stop_timeout_s) for process in processes]:
                stopped.result()
        return [process.exit_code or 0 for process in processes]


def restart_pause_s(failures: int) -> float:
    """How long to wait before a process is started again after so many failures in a row."""
    return min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** (failures - 1))
