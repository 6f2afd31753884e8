"""A program of ours: started under a watchman, waited for, stopped, and hurt on purpose by fault tests."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import BinaryIO, Protocol

from mabos.kafka.errors import DiskProblem, StartFailed

_GUARD = Path(__file__).with_name("guard.py")
_ORPHAN_GRACE_S = 5.0
_PROBE_INTERVAL_S = 0.05
_LOG_TAIL_BYTES = 64 * 1024
_TELLING = re.compile(r"exception|error|cannot|could not|failed|refused|denied|fatal", re.IGNORECASE)


class Command(Protocol):
    """What a guarded process needs to know of the program it runs."""

    @property
    def name(self) -> str:
        """What people call it, such as ``broker 1``; error messages begin with it."""
        ...

    @property
    def log_file(self) -> Path | None:
        """Gets both outputs of the program, appended; None sends them to our own standard error."""
        ...

    @property
    def environment(self) -> Mapping[str, str]:
        """The program's environment, and nothing else of ours."""
        ...

    @property
    def kept_open(self) -> Sequence[int]:
        """File descriptors that the program keeps open, so that a folder's lock lives as long as it does."""
        ...

    def argv(self) -> list[str]:
        """The command line."""
        ...


class Process:
    """One run of a program. It never outlives this Python process, however that one ends.

    Ctrl-C in the terminal does not reach it: its owner stops it in order. Start it once; a second run is a new object.
    """

    def __init__(self, command: Command) -> None:
        self._command = command
        self._guard: subprocess.Popen[bytes] | None = None
        self._log_start = 0
        self.pid = 0
        """Process id of the program itself; 0 before the start."""

    @property
    def is_alive(self) -> bool:
        """Whether the program runs, paused or not."""
        return self._guard is not None and self._guard.poll() is None

    @property
    def exit_code(self) -> int | None:
        """The program's exit code, 128 + signal if one ended it; ``None`` while it runs or before."""
        return None if self._guard is None else self._guard.poll()

    def start(self) -> None:
        """Start the program and return at once.

        Raises:
            StartFailed: It could not be started at all.
            DiskProblem: The log file cannot be written.
        """
        command = self._command
        with _open_log(command.log_file) if command.log_file else nullcontext() as log:
            self._log_start = log.tell() if log else 0
            self._guard = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_GUARD), str(os.getpid()), str(_ORPHAN_GRACE_S), *command.argv()],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={"LC_ALL": "C.UTF-8", **command.environment},
                pass_fds=command.kept_open,
                start_new_session=True,
            )
        assert self._guard.stdout is not None  # noqa: S101 - it is a pipe: we asked for one
        with self._guard.stdout as report:
            line = report.readline()
        if not line:
            raise self._failure(f"ended with code {self._guard.wait()} before it ran")
        self.pid = int(line)

    def wait_until(self, is_ready: Callable[[], bool], *, timeout_s: float) -> None:
        """Wait until a probe says the program inside is ready.

        Args:
            is_ready: Called again and again; must return soon, and not raise.
            timeout_s: Seconds from now after which the program is killed and the start given up.

        Raises:
            StartFailed: It ended, or was not ready in time. The message has the telling line of the log.
        """
        assert self._guard is not None  # noqa: S101 - start comes first
        deadline = time.monotonic() + timeout_s
        while not is_ready():
            try:
                code = self._guard.wait(_PROBE_INTERVAL_S)
            except subprocess.TimeoutExpired:
                pass
            else:
                raise self._failure(f"ended with code {code} before it was ready")
            if time.monotonic() >= deadline:
                self.kill()
                raise self._failure(f"was not ready after {timeout_s:g} s")

    def stop(self, timeout_s: float = 30.0) -> None:
        """Ask the program to end, and kill it if it does not.

        Args:
            timeout_s: Seconds it gets to end by itself.
        """
        if self._guard is None:
            return
        if self.is_alive:
            self.resume()
            self._guard.terminate()
            try:
                self._guard.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self.kill()
        self._close()

    def kill(self) -> None:
        """Kill the program as a crash would (SIGKILL), and wait until it is gone."""
        if self._guard is None:
            return
        self._signal(signal.SIGKILL)
        self._guard.wait()
        self._close()

    def pause(self) -> None:
        """Freeze the program (SIGSTOP)."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen program go on (SIGCONT)."""
        self._signal(signal.SIGCONT)

    def log_tail(self) -> list[str]:
        """The last lines that this run wrote to its log, 64 KiB at most; none if it has no log of its own."""
        if self._command.log_file is None:
            return []
        try:
            with self._command.log_file.open("rb") as log:
                size = log.seek(0, os.SEEK_END)
                start = self._log_start if self._log_start <= size else 0  # it was rotated
                log.seek(max(start, size - _LOG_TAIL_BYTES))
                return log.read().decode(errors="replace").splitlines()
        except OSError:
            return []

    def _signal(self, number: signal.Signals) -> None:
        if self.is_alive and self.pid:
            with suppress(ProcessLookupError):  # it ended between the two looks; the guard is about to say so
                os.kill(self.pid, number)

    def _close(self) -> None:
        if self._guard is not None and self._guard.stdin is not None:
            self._guard.stdin.close()

    def _failure(self, what: str) -> StartFailed:
        self._close()
        log_file = self._command.log_file
        if log_file is None:
            return StartFailed(f"{self._command.name} {what}", None)
        line = telling_line(self.log_tail())
        return StartFailed(f"{self._command.name} {what}: {line or 'it wrote no log'} (log: {log_file})", log_file)


def _open_log(path: Path) -> BinaryIO:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("ab")
    except OSError as error:
        raise DiskProblem(f"{path}: {error.strerror}: give a log file that you can write") from error


def telling_line(lines: Sequence[str]) -> str:
    """Find the line of a log that best tells why a program ended.

    Args:
        lines: Oldest first.

    Returns:
        The last line about an error that is no stack frame, else the last line of any kind; at most 300 characters.
    """
    plain = [text for line in lines if (text := line.strip()) and not text.startswith(("at ", "... "))]
    causes = [text for text in plain if text.startswith("Caused by:")]
    errors = [text for text in plain if _TELLING.search(text)]
    return (causes or errors or plain or [""])[-1][:300]
