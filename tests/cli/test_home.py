"""The folder of the local platform: one process at a time, and what it said last."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from mabos.cli.home import PlatformHome
from mabos.kafka.errors import LocalPlatformError
from tests.support.waiting import eventually

HOLD = """
import sys
from pathlib import Path
from mabos.cli.home import PlatformHome
home = PlatformHome(Path(sys.argv[1]))
lock = home.lock()
home.write("ready")
print("locked", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def home(tmp_path: Path) -> PlatformHome:
    return PlatformHome(tmp_path / "home")


@pytest.fixture
def holder(home: PlatformHome) -> Iterator[subprocess.Popen[str]]:
    """Another process that is the platform's."""
    arguments = [sys.executable, "-c", HOLD, str(home.folder)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        yield process
        process.kill()


def test_nobody_runs_in_a_folder_that_is_not_there(home: PlatformHome) -> None:
    """To look makes nothing."""
    assert not home.is_running()
    assert home.read() is None
    assert not home.folder.exists()


def test_who_has_the_lock_is_the_platform(home: PlatformHome, holder: subprocess.Popen[str]) -> None:
    """A second process is refused in one line that says what to do."""
    assert home.is_running()
    with pytest.raises(LocalPlatformError, match=r"^the platform is up already: `mabos down` stops it$"):
        home.lock()


def test_a_killed_process_holds_nothing(home: PlatformHome, holder: subprocess.Popen[str]) -> None:
    """Its last words stay, and are known to be a dead process's."""
    holder.kill()
    holder.wait()
    state = home.read()
    assert state is not None
    assert (state.step, state.is_alive) == ("ready", False)
    assert not home.is_running()
    with home.lock():
        state = home.read()
        assert state is not None
        assert (state.step, state.pid) == ("starting", os.getpid())


def test_looking_does_not_keep_others_out(home: PlatformHome) -> None:
    """However often others ask whether it is locked, the lock can be had."""
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            home.is_running()

    home.lock().close()
    lookers = [threading.Thread(target=look) for _ in range(4)]
    for looker in lookers:
        looker.start()
    try:
        for _ in range(50):
            home.lock().close()
    finally:
        done.set()
        for looker in lookers:
            looker.join()


def test_the_process_is_asked_to_stop(home: PlatformHome, holder: subprocess.Popen[str]) -> None:
    """The end is waited for."""
    home.end(10)
    assert holder.wait(1) == -signal.SIGTERM
    assert not home.is_running()


def test_a_process_that_does_not_stop_is_named(home: PlatformHome, holder: subprocess.Popen[str]) -> None:
    """After the time given, the error has the process and the logs."""
    holder.send_signal(signal.SIGSTOP)  # it cannot take the SIGTERM
    eventually(lambda: psutil.Process(holder.pid).status() == psutil.STATUS_STOPPED)
    with pytest.raises(LocalPlatformError, match=rf"process {holder.pid}\) does not stop: see .*logs"):
        home.end(0.2)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}', '{"pid": 1, "step": "ready", "more": 1}'])
def test_a_broken_state_is_none(home: PlatformHome, text: str) -> None:
    """A file that somebody else wrote stops nothing."""
    home.folder.mkdir()
    (home.folder / "platform.json").write_text(text)
    assert home.read() is None


def test_only_what_the_platform_made_is_deleted(home: PlatformHome) -> None:
    """A folder that holds other things too keeps them: MABOS_HOME may be a home."""
    home.lock().close()
    (home.folder / "broker" / "data").mkdir(parents=True)
    (home.folder / "thesis.txt").write_text("years of work")
    home.delete()
    assert [path.name for path in home.folder.iterdir()] == ["thesis.txt"]
    (home.folder / "thesis.txt").unlink()
    home.delete()
    assert not home.folder.exists()
    home.delete()


def test_nothing_is_deleted_while_it_runs(home: PlatformHome, holder: subprocess.Popen[str]) -> None:
    """Somebody may have started it again after it was stopped."""
    with pytest.raises(LocalPlatformError, match="up already"):
        home.delete()
    assert home.logs.is_dir()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """The error has the folder, the cause and the setting."""
    (tmp_path / "file").touch()
    with pytest.raises(LocalPlatformError, match=r"file/home cannot be written: Not a directory, see MABOS_HOME"):
        PlatformHome(tmp_path / "file" / "home").lock()
