"""The ``mabos`` command as a person runs it: a process of its own, with a small environment."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

ROOT = Path(__file__).parents[2]
PROGRAM = (sys.executable, "-m", "mabos.cli.main")


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """Its error, which must be all that it says on standard error, in one line."""
        assert self.err.startswith("error: ")
        assert self.err.count("\n") == 1, self.err
        return self.err.removeprefix("error: ").rstrip("\n")

    def rows(self) -> list[dict[str, Any]]:
        """Its standard output, read as a JSON object a line."""
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass
class Running:
    """A command that runs."""

    process: subprocess.Popen[bytes]
    log_file: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def log(self) -> str:
        """Both its outputs so far."""
        return self.log_file.read_text()

    def stop(self, number: signal.Signals = signal.SIGTERM, timeout_s: float = 60) -> int:
        """Signal it, and wait for its exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout_s)


@dataclass(frozen=True)
class Mabos:
    """Runs the command."""

    env: Mapping[str, str]
    folder: Path
    cwd: Path = field(default=ROOT)

    def __call__(self, *arguments: str, stdin: str | bytes = b"", timeout_s: float = 60) -> Done:
        """Run it to its end."""
        data = stdin.encode() if isinstance(stdin, str) else stdin
        done = subprocess.run(
            [*PROGRAM, *arguments],
            input=data,
            capture_output=True,
            env=self.env,
            cwd=self.cwd,
            timeout=timeout_s,
            check=False,
        )
        assert b"Traceback" not in done.stderr, done.stderr.decode()
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())

    def with_env(self, **env: str) -> Mabos:
        """The same with more environment."""
        return replace(self, env={**self.env, **env})

    def with_cwd(self, cwd: Path) -> Mabos:
        """The same in another folder."""
        return replace(self, cwd=cwd)

    @contextmanager
    def start(self, *arguments: str, log: str = "log") -> Iterator[Running]:
        """Run it meanwhile; what is left of it at the end is killed."""
        log_file = self.folder / log
        with log_file.open("ab") as out:
            process = subprocess.Popen(
                [*PROGRAM, *arguments], stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=self.env, cwd=self.cwd
            )
        try:
            yield Running(process, log_file)
        finally:
            process.kill()
            process.wait()


class Typed(Protocol):
    """Runs the command in the test's own process, which spares it a second of starting."""

    def __call__(self, *arguments: str) -> Done:
        """Run it to its end."""
        ...


InProcess = Callable[[Mabos], Typed]
"""Makes the same command run in the test's own process."""


def environment(folder: Path, bytecode: Path, **settings: object) -> dict[str, str]:
    """As little as a program can do with, and the settings as ``MABOS_*``."""
    return {
        "PATH": os.defpath,
        "HOME": str(folder),
        "PYTHONPYCACHEPREFIX": str(bytecode),  # a process of its own each time: without compiled code they start slowly
        **{f"MABOS_{name.upper()}": str(value) for name, value in settings.items()},
    }
