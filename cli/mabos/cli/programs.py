"""Python programs of ours that run beside the platform: guarded like its JVMs, stopped together, last one first."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from mabos.kafka.process import Process

_READY_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonCommand:
    """A Python program to run as a guarded process."""

    name: str
    """What people call it."""
    arguments: Sequence[str]
    """What follows ``python``."""
    log_file: Path
    """Gets both outputs, appended."""
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    """Its environment; by default this process's own."""
    kept_open: Sequence[int] = ()
    """File descriptors it inherits."""

    def argv(self) -> list[str]:
        """The command line."""
        return [sys.executable, *self.arguments]


class Programs:
    """Starts programs, and stops them all.

    Args:
        logs: The folder of their log files.
    """

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._stack = ExitStack()

    def run(self, name: str, arguments: Sequence[str], *, is_ready: Callable[[], bool] = lambda: True) -> Process:
        """Start a program and wait until it is ready.

        Args:
            name: What people call it; its log file has this name, too.
            arguments: What follows ``python``.
            is_ready: Asked again and again.

        Raises:
            StartFailed: It ended, or was not ready in time.
        """
        process = Process(PythonCommand(name=name, arguments=arguments, log_file=self._logs / f"{name}.log"))
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
