"""Python programs of ours that run beside the platform: guarded like its JVMs, stopped together, last one first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from mabos.kafka.process import Process
from mabos.kafka.python import PythonCommand

_READY_TIMEOUT_S = 30.0


class Programs:
    """Starts programs, and stops them all.

    Args:
        logs: The folder of their log files.
    """

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._stack = ExitStack()

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

        Raises:
            StartFailed: It ended, or was not ready in time.
        """
        log_file = self._logs / f"{name}.log"
        process = Process(PythonCommand(name=name, arguments=arguments, log_file=log_file, kept_open=kept_open))
        process.start()
        self._stack.callback(process.stop)
        process.wait_until(is_ready, timeout_s=_READY_TIMEOUT_S)
        return process

    def stop(self) -> None:
        """Stop them, the last one first."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
