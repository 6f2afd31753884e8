"""A real PostgreSQL: it keeps what was written, listens to nobody else, and dies with its owner."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import psycopg
import pytest

from mabos.kafka.database_address import socket_folder
from mabos.kafka.errors import DiskProblem
from mabos.streams.local_database import LocalDatabase, answers
from tests.support.waiting import eventually

OWNER = """
import sys, pathlib
from mabos.streams.local_database import LocalDatabase
database = LocalDatabase(pathlib.Path(sys.argv[1]))
database.start()
print(database.pid, flush=True)
sys.stdin.read()
"""


def test_it_keeps_what_was_written_over_crash_and_restart(tmp_path: Path) -> None:
    """What was committed in full is there after a kill and after a stop, also with a client that never leaves."""
    with LocalDatabase(tmp_path) as database:
        with psycopg.connect(database.url, autocommit=True) as connection:
            connection.execute("SET synchronous_commit = on")
            connection.execute("CREATE TABLE notes (text text)")
            connection.execute("INSERT INTO notes VALUES ('kept')")
        database.kill()
        assert not database.is_alive
        database.start()
        with pytest.raises(DiskProblem, match="in use by process"):
            LocalDatabase(tmp_path).start()
        assert psutil.Process(database.pid).net_connections(kind="inet") == []
        idle = psycopg.connect(database.url)
    idle.close()
    assert not answers(database.url)
    with LocalDatabase(tmp_path) as database, psycopg.connect(database.url) as connection:
        assert connection.execute("SELECT text FROM notes").fetchall() == [("kept",)]


def test_it_never_outlives_its_owner(tmp_path: Path) -> None:
    """``kill -9`` of who started it ends it and all its processes, and the next start waits for that."""
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as owner:
        assert owner.stdout is not None
        postmaster = psutil.Process(int(owner.stdout.readline()))
        processes = [postmaster, *postmaster.children()]
        owner.kill()
        owner.wait()
        with LocalDatabase(tmp_path) as database:
            assert not any(process.is_running() for process in processes)
            assert answers(database.url)
        eventually(lambda: not postmaster.is_running())


def test_a_home_with_a_long_name_has_its_socket_elsewhere(tmp_path: Path) -> None:
    """Paths of sockets are short; the folder is private, and gone afterwards."""
    home = tmp_path / ("long" * 30)
    with LocalDatabase(home) as database:
        assert answers(database.url)
        folder = socket_folder(home)
        assert tmp_path not in folder.parents
        assert folder.stat().st_mode & 0o777 == 0o700
    assert not folder.exists()


def test_a_temporary_one_leaves_nothing() -> None:
    """Its folder goes with it."""
    with LocalDatabase() as database:
        folder = database.log_file.parent
        assert folder.is_dir()
        assert psutil.Process(database.pid).uids().effective != 0
    assert not folder.exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    """It says which, and what to do."""
    tmp_path.chmod(0o500)
    with pytest.raises(DiskProblem, match="give a folder that you can write"):
        LocalDatabase(tmp_path / "home").start()
