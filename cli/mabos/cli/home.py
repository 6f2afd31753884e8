"""The folder of the platform on this machine: who runs it, and what that process is doing."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from mabos.kafka.errors import LocalPlatformError

STARTING, READY, FAILED = "starting", "ready", "failed"

_POLL_S = 0.1
_LOCK_TRIES = 10
_OURS = ("broker", "registry", "database", "gateway", "logs", "replays", "platform.json", "platform.lock")


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What the platform's process says of itself in ``MABOS_HOME/platform.json``."""

    pid: int
    """Its process id."""
    step: str
    """What it does: ``ready``, ``failed``, or a step on the way."""
    error: str = ""
    """Why it failed."""

    @property
    def is_alive(self) -> bool:
        """Whether that process still runs; a killed one leaves its last words behind."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True


class PlatformHome:
    """The folder of the platform's state; the process that runs it holds a lock there as long as it lives."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.logs = folder / "logs"
        self._lock_file, self._state_file = folder / "platform.lock", folder / "platform.json"

    def lock(self) -> IO[str]:
        """Become the platform's process, until the file that is returned is closed.

        Raises:
            LocalPlatformError: Another process is, or the folder cannot be written.
        """
        try:
            self.logs.mkdir(parents=True, exist_ok=True)
            file = self._lock_file.open("a")
        except OSError as error:
            raise LocalPlatformError(f"{self.folder} cannot be written: {error.strerror}, see MABOS_HOME") from error
        for _ in range(_LOCK_TRIES):
            if _try_lock(file):
                self.write(STARTING)
                return file
            time.sleep(0.02)  # somebody may just be looking whether it is locked
        file.close()
        raise LocalPlatformError("the platform is up already: `mabos down` stops it")

    def is_running(self) -> bool:
        """Whether some process is the platform's."""
        try:
            with self._lock_file.open("a") as file:
                return not _try_lock(file)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise LocalPlatformError(f"{self._lock_file}: {error.strerror}, see MABOS_HOME") from error

    def write(self, step: str, error: str = "") -> None:
        """Say what is being done."""
        new = self._state_file.with_suffix(".new")
        new.write_text(json.dumps(asdict(State(pid=os.getpid(), step=step, error=error))), encoding="utf-8")
        new.replace(self._state_file)

    def read(self) -> State | None:
        """What was said last, if anything; perhaps by a process that is gone."""
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
        if state is not None and self.is_running():
            with suppress(ProcessLookupError):
                os.kill(state.pid, signal.SIGTERM)
        deadline = time.monotonic() + timeout_s
        while self.is_running():
            if time.monotonic() > deadline:
                pid = state.pid if state else "?"
                raise LocalPlatformError(f"the platform (process {pid}) does not stop: see {self.logs}")
            time.sleep(_POLL_S)

    def delete(self) -> None:
        """Delete what the platform keeps in the folder, and nothing else that may be there.

        Raises:
            LocalPlatformError: It is running, or something cannot be deleted.
        """
        if not self.folder.exists():
            return
        with self.lock():
            for name in _OURS:
                path = self.folder / name
                try:
                    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
                except OSError as error:
                    raise LocalPlatformError(f"{error.filename} cannot be deleted: {error.strerror}") from error
        with suppress(OSError):  # there is something else in it
            self.folder.rmdir()


def _try_lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
