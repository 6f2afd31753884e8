"""Programs of ours beside the platform: guarded, started again when they end, stopped together, last one first."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Self

from mabos.consumers.supervisor import restart_pause_s
from mabos.kafka.process import Process, telling_line
from mabos.kafka.python import PythonCommand
from mabos.schemas.errors import MabosError

_READY_TIMEOUT_S = 30.0
_LOOK_EVERY_S = 0.5
_STEADY_S = 60.0  # a program that ran this long has earned a fresh start


@dataclass(slots=True)
class _Kept:
    command: PythonCommand
    process: Process
    started_s: float
    failures: int = 0
    restart_at_s: float | None = None


class Programs:
    """Starts programs, starts those again that end by themselves, ever later, and stops them all.

    Args:
        logs: The folder of their log files.
        on_end: Told in one line when one has ended, from another thread.
        first_pause_s: How long after its first end a program is started again; twice as long after each further one,
            up to half a minute.
    """

    def __init__(
        self, logs: Path, *, on_end: Callable[[str], None] = lambda _: None, first_pause_s: float = 1.0
    ) -> None:
        self._logs, self._on_end, self._first_pause_s = logs, on_end, first_pause_s
        self._kept: list[_Kept] = []
        self._lock = Lock()
        self._stopping = Event()
        self._thread = Thread(target=self._tend_all, name="mabos-programs", daemon=True)

    def run(
        self,
        name: str,
        arguments: Sequence[str],
        *,
        is_ready: Callable[[], bool] = lambda: True,
        kept_open: Sequence[int] = (),
    ) -> Process:
        """Start a program and wait until it is ready.

        Args:
            name: What people call it; its log file has this name, too.
            arguments: What follows ``python``.
            is_ready: Asked again and again.
            kept_open: File descriptors it inherits.

        Returns:
            Its first process.

        Raises:
            StartFailed: It ended, or was not ready in time.
        """
        log_file = self._logs / f"{name}.log"
        command = PythonCommand(name=name, arguments=arguments, log_file=log_file, kept_open=kept_open)
        process = Process(command)
        process.start()
        try:
            process.wait_until(is_ready, timeout_s=_READY_TIMEOUT_S)
        except BaseException:
            process.stop()
            raise
        with self._lock:
            self._kept.append(_Kept(command, process, time.monotonic()))
            if not self._thread.is_alive():
                self._thread.start()
        return process

    def stop(self) -> None:
        """Stop them, the last one first."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        while self._kept:
            self._kept.pop().process.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _tend_all(self) -> None:
        while not self._stopping.wait(min(_LOOK_EVERY_S, self._first_pause_s)):
            with self._lock:
                for kept in self._kept:
                    self._tend(kept, time.monotonic())

    def _tend(self, kept: _Kept, now_s: float) -> None:
        if kept.restart_at_s is None:
            if kept.process.exit_code is not None:
                self._put_off(kept, now_s, f"ended with code {kept.process.exit_code}")
            return
        if now_s < kept.restart_at_s:
            return
        process = Process(kept.command)
        try:
            process.start()
        except MabosError as error:
            self._put_off(kept, now_s, f"cannot be started: {error}")
            return
        kept.process, kept.started_s, kept.restart_at_s = process, now_s, None

    def _put_off(self, kept: _Kept, now_s: float, what: str) -> None:
        kept.failures = 1 if now_s - kept.started_s > _STEADY_S else kept.failures + 1
        pause_s = restart_pause_s(kept.failures) * self._first_pause_s
        kept.restart_at_s = now_s + pause_s
        cause = telling_line(kept.process.log_tail())
        kept.process.stop()  # it is gone: this closes what is left of it
        self._on_end(
            f"{kept.command.name} {what}, starting it again in {pause_s:g} s: {cause or 'it wrote no log'}"
            f" (log: {kept.command.log_file})"
        )
