"""The folder of the platform on this machine: who runs it, and what that process is doing."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from mabos.kafka.errors import LocalPlatformError

_POLL_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What the platform's process says of itself in ``MABOS_HOME/platform.json``."""

    pid: int
    """Its process id."""
    step: str
    """What it does: ``ready``, ``failed``, or a step on the way."""
    error: str = ""
    """Why it failed."""


class PlatformHome:
    """The folder of the platform's state; the process that runs it holds a lock there as long as it lives."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock_file, self._state_file = folder / "platform.lock", folder / "platform.json"

    def lock(self) -> IO[str]:
        """Become the platform's process.

        Raises:
            LocalPlatformError: Another process is, or the folder cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            file = self._lock_file.open("a")
        except OSError as error:
            raise LocalPlatformError(f"{self.folder} cannot be written: {error.strerror}, see MABOS_HOME") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            raise LocalPlatformError("the platform is up already: `mabos down` stops it") from None
        return file

    def is_running(self) -> bool:
        """Whether some process is the platform's."""
        try:
            with self._lock_file.open("a") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return False

    def write(self, step: str, error: str = "") -> None:
        """Say what is being done."""
        new = self._state_file.with_suffix(".new")
        new.write_text(json.dumps(asdict(State(pid=os.getpid(), step=step, error=error))), encoding="utf-8")
        new.replace(self._state_file)

    def read(self) -> State | None:
        """What was said last, if anything."""
        with suppress(OSError, ValueError, TypeError):
            return State(**json.loads(self._state_file.read_text(encoding="utf-8")))
        return None

    def forget(self) -> None:
        """Nothing runs any more."""
        self._state_file.unlink(missing_ok=True)

    def end(self, timeout_s: float) -> None:
        """Ask the platform's process to stop, and wait until it has.

        Raises:
            LocalPlatformError: It has not within ``timeout_s``.
        """
        state = self.read()
        if state is not None:
            with suppress(ProcessLookupError):
                os.kill(state.pid, signal.SIGTERM)
        deadline = time.monotonic() + timeout_s
        while self.is_running():
            if time.monotonic() > deadline:
                pid = state.pid if state else "?"
                raise LocalPlatformError(f"the platform (pid {pid}) does not stop: see {self.folder / 'logs'}")
            time.sleep(_POLL_S)
