"""The data folder: private, one owner at a time, with room."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from mabos.kafka.errors import DiskProblem
from mabos.kafka.folder import DataFolder, remove_stale_folders

HOLDER = """
import fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.flock(fd, fcntl.LOCK_EX)
os.write(fd, sys.argv[2].encode())
print("held", flush=True)
sys.stdin.readline()
"""


def test_kept_folder_is_private_and_stays(tmp_path: Path) -> None:
    """Mode 0700, and still there after closing."""
    folder = DataFolder(tmp_path / "a" / "data")
    path = folder.open()
    assert path.stat().st_mode & 0o777 == 0o700
    folder.close()
    assert path.is_dir()


def test_temporary_folder_is_thrown_away_unless_it_tells_why() -> None:
    """Closing removes it; a failed start keeps its log."""
    folder = DataFolder(None)
    path = folder.open()
    assert path.stat().st_mode & 0o777 == 0o700
    folder.close()
    assert not path.exists()
    kept = folder.open()
    folder.close(keep=True)
    assert kept.exists()
    shutil.rmtree(kept)


def test_second_owner_is_refused_by_name(tmp_path: Path) -> None:
    """Two brokers on one folder would ruin it: one line names the first."""
    first, second = DataFolder(tmp_path), DataFolder(tmp_path)
    first.open()
    with pytest.raises(DiskProblem, match=rf"in use by process {os.getpid()}: stop it first"):
        second.open()
    first.close()
    second.open()
    second.close()


@pytest.mark.parametrize("is_reaped", [True, False])
def test_folder_of_a_killed_owner_is_waited_for(tmp_path: Path, is_reaped: bool) -> None:
    """The owner is dead and its JVM on the way out: the lock is not a reason to give up.

    Nor if nobody has asked for the owner's exit code, as in a container whose first process is no init.
    """
    ended = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
    if is_reaped:
        ended.wait()
    argv = [sys.executable, "-c", HOLDER, str(tmp_path / "lock"), str(ended.pid)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as jvm:
        assert jvm.stdout is not None
        assert jvm.stdout.readline() == b"held\n"
        end = threading.Timer(1.0, jvm.terminate)  # later than a folder that is in use would be refused
        end.start()
        folder = DataFolder(tmp_path)
        folder.open()
        folder.close()
        end.join()
    ended.wait()


def test_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """One line with the folder and the cause."""
    (tmp_path / "file").write_text("")
    with pytest.raises(DiskProblem, match=r"file/data: .*give a folder that you can write"):
        DataFolder(tmp_path / "file" / "data").open()


def test_full_disk_is_refused_before_the_start(tmp_path: Path) -> None:
    """Below 500 MiB nothing starts, and the folder is free again."""
    with pytest.raises(DiskProblem, match="only 499 MiB free, 500 MiB are needed"):
        DataFolder(tmp_path, free=lambda _: 500 * 2**20 - 1).open()
    folder = DataFolder(tmp_path, free=lambda _: 500 * 2**20)
    folder.open()
    folder.close()


def test_stale_temporary_folders_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a killed owner left goes at a later start; what is in use or young stays."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    used, left, young = DataFolder(None), DataFolder(None), DataFolder(None)
    for folder in (used, left, young):
        folder.open()
    for folder in (left, young):
        folder.close(keep=True)
    for folder in (used, left):
        os.utime(folder.path, (0, 0))
    remove_stale_folders(tmp_path)
    assert set(tmp_path.iterdir()) == {used.path, young.path}
    used.close()
