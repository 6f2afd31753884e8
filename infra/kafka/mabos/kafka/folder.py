"""The folder that a local broker or registry keeps its data in: locked, private, with room to write."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from mabos.kafka.errors import DiskProblem

_MIN_FREE_BYTES = 500 * 1024 * 1024
_ORPHAN_WAIT_S = 15.0  # longer than the grace that a JVM gets when its owner was killed
_OWNER_WAIT_S = 0.5  # one that was just killed may not have ended yet
_STALE_AFTER_S = 600.0
_TEMPORARY_PREFIX = "mabos-local-"
_LOCK_NAME = "lock"


def free_bytes(path: Path) -> int:
    """Bytes that this user can still write on the disk of a folder."""
    return shutil.disk_usage(path).free


class DataFolder:
    """One folder in use by at most one process tree.

    The lock belongs to the open file: a JVM that inherits ``lock_fd`` keeps the folder locked until it is gone, so a
    broker that outlives its killed owner by a moment is never joined by a second one.

    Args:
        path: Kept for ever; ``None`` for a temporary folder, removed by ``close``.
        free: Tells the free bytes of a folder's disk.
    """

    def __init__(self, path: Path | None, *, free: Callable[[Path], int] = free_bytes) -> None:
        self._kept = path
        self._free = free
        self._path: Path | None = None
        self._lock_fd: int | None = None

    @property
    def is_open(self) -> bool:
        """Whether the folder is ours now."""
        return self._lock_fd is not None

    @property
    def path(self) -> Path:
        """The folder; only while it is open, or after ``close(keep=True)``."""
        assert self._path is not None  # noqa: S101 - open comes first
        return self._path

    @property
    def lock_fd(self) -> int:
        """The descriptor that holds the lock, for a child to keep open."""
        assert self._lock_fd is not None  # noqa: S101 - open comes first
        return self._lock_fd

    def open(self) -> Path:
        """Make the folder if need be, lock it and check it. Does nothing if it is open.

        Raises:
            DiskProblem: It cannot be written, another process uses it, or less than 500 MiB are free.
        """
        if self._lock_fd is None:
            self._path = self._make()
            self._lock_fd = self._lock(self._path / _LOCK_NAME)
        try:
            self._require_room(self.path)
        except DiskProblem:
            self.close()
            raise
        return self.path

    def close(self, *, keep: bool = False) -> None:
        """Unlock the folder, and remove it if it is a temporary one.

        Args:
            keep: Leave a temporary folder too, so that a person can read the log in it.
        """
        if self._lock_fd is None:
            return
        if self._kept is None and not keep:
            shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock_fd)
        self._lock_fd = None

    def _make(self) -> Path:
        if self._kept is None:
            remove_stale_folders(Path(tempfile.gettempdir()))
            return Path(tempfile.mkdtemp(prefix=_TEMPORARY_PREFIX))
        path = self._kept.expanduser().absolute()
        try:
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(0o700)
        except OSError as error:
            raise DiskProblem(f"{path}: {error.strerror}: give a folder that you can write") from error
        return path

    def _lock(self, path: Path) -> int:
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise DiskProblem(f"{path.parent}: {error.strerror}: give a folder that you can write") from error
        begin = time.monotonic()
        while not try_lock(fd):
            holder = os.pread(fd, 32, 0).decode(errors="replace").strip()
            wait_s = _OWNER_WAIT_S if _is_running(holder) else _ORPHAN_WAIT_S
            if time.monotonic() - begin >= wait_s:
                os.close(fd)
                raise DiskProblem(
                    f"{path.parent} is in use by process {holder or '?'}: stop it first, or give another folder"
                )
            time.sleep(0.1)  # its owner was killed: the JVM is on its way out
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        return fd

    def _require_room(self, path: Path) -> None:
        free = self._free(path)
        if free < _MIN_FREE_BYTES:
            raise DiskProblem(
                f"{path}: only {free // 2**20} MiB free, 500 MiB are needed: free some, or give another folder"
            )


def try_lock(fd: int) -> bool:
    """Lock an open file if nobody has it locked.

    Returns:
        Whether it is ours now.
    """
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def remove_stale_folders(parent: Path) -> None:
    """Remove temporary folders of ours whose owners were killed: older than 10 minutes and locked by nobody."""
    for folder in parent.glob(f"{_TEMPORARY_PREFIX}*"):
        with suppress(OSError):
            age_s = time.time() - folder.stat().st_mtime
            if age_s < _STALE_AFTER_S or folder.stat().st_uid != os.getuid():
                continue
            fd = os.open(folder / _LOCK_NAME, os.O_RDWR | os.O_CLOEXEC)
            try:
                if try_lock(fd):
                    shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(fd)


def _is_running(holder: str) -> bool:
    """Whether a process runs. One that has ended does not, even if its parent has not asked for its exit code yet."""
    if not holder.isdigit():
        return True
    import psutil  # noqa: PLC0415 - 20 ms, and only where somebody has the folder

    try:
        return psutil.Process(int(holder)).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True
