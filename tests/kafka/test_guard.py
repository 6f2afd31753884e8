"""A child under guard never outlives its owner. A Python that waits stands in for the JVM."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from mabos.kafka import guard
from tests.support.waiting import eventually

WAITS = "import signal; signal.pause()"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, lambda *_: None)\nwhile True: signal.pause()"
GRACE_S = "0.3"

OWNER = textwrap.dedent(
    """
    import os, subprocess, sys
    program = [sys.executable, "-c", {child!r}]
    guard = subprocess.Popen(
        [sys.executable, "-I", "-S", {guard!r}, str(os.getpid()), {grace!r}, *program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    print(guard.pid, int(guard.stdout.readline()), flush=True)
    sys.stdin.read()
    """
)


class Trio:
    """An owner, the guard it started, and the guarded child."""

    def __init__(self, child: str) -> None:
        text = OWNER.format(guard=guard.__file__, grace=GRACE_S, child=child)
        self.owner = subprocess.Popen([sys.executable, "-c", text], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.owner.stdout is not None
        guard_pid, child_pid = map(int, self.owner.stdout.readline().split())
        self.guard, self.child = psutil.Process(guard_pid), psutil.Process(child_pid)

    def close(self) -> None:
        """Leave nothing behind."""
        for process in (self.child, self.guard):
            if process.is_running():
                process.kill()
        self.owner.kill()
        self.owner.communicate()


@pytest.fixture
def start_trio() -> Iterator[Callable[[str], Trio]]:
    started: list[Trio] = []

    def start(child: str) -> Trio:
        started.append(Trio(child))
        return started[-1]

    yield start
    for trio in started:
        trio.close()


def is_gone(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize("child", [WAITS, STUBBORN])
def test_killed_owner_takes_the_child_with_it(start_trio: Callable[[str], Trio], child: str) -> None:
    """After kill -9 of the owner the child is asked to end, and killed if it does not."""
    trio = start_trio(child)
    trio.owner.kill()
    eventually(lambda: is_gone(trio.child) and is_gone(trio.guard))


def test_killed_owner_takes_a_frozen_child_with_it(start_trio: Callable[[str], Trio]) -> None:
    """A paused broker is no way to survive."""
    trio = start_trio(WAITS)
    trio.child.suspend()
    trio.owner.kill()
    eventually(lambda: is_gone(trio.child) and is_gone(trio.guard))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux kills a child with its parent")
def test_killed_guard_takes_the_child_with_it(start_trio: Callable[[str], Trio]) -> None:
    """After kill -9 of the guard the kernel kills the child."""
    trio = start_trio(STUBBORN)
    trio.guard.kill()
    eventually(lambda: is_gone(trio.child))


def test_child_is_out_of_reach_of_the_terminal(start_trio: Callable[[str], Trio]) -> None:
    """Ctrl-C goes to the terminal's process group; guard and child are in another session."""
    trio = start_trio(WAITS)
    assert os.getsid(trio.child.pid) == trio.guard.pid != os.getsid(trio.owner.pid)


def run_guard(*program: str, stderr: int | None = None) -> tuple[int, bytes]:
    """Run a program under a guard of ours; gives its exit code, and its standard error if that is a pipe."""
    argv = [sys.executable, "-I", "-S", guard.__file__, str(os.getpid()), GRACE_S, *program]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr) as process:
        assert process.stdout is not None
        assert int(process.stdout.readline()) > 0
        code = process.wait(20)
        return code, process.stderr.read() if process.stderr else b""


@pytest.mark.parametrize(("child", "code"), [("raise SystemExit(7)", 7), ("import os; os.kill(os.getpid(), 9)", 137)])
def test_exit_code_is_the_childs(child: str, code: int) -> None:
    """As a shell would give it."""
    assert run_guard(sys.executable, "-c", child) == (code, b"")


def test_program_that_cannot_run_is_reported(tmp_path: Path) -> None:
    """A missing program is code 127 and a line in the log."""
    code, log = run_guard(str(tmp_path / "no-such-program"), stderr=subprocess.PIPE)
    assert code == 127
    assert b"No such file" in log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_end_the_guard_ends_the_child_in_order(number: signal.Signals, tmp_path: Path) -> None:
    """The child gets SIGTERM, may clean up, and its exit code is kept."""
    mark = tmp_path / "cleaned"
    child = textwrap.dedent(
        f"""
        import os, pathlib, signal
        def end(*_):
            pathlib.Path({str(mark)!r}).touch()
            os._exit(3)
        signal.signal(signal.SIGTERM, end)
        os.kill(os.getppid(), {int(number)})
        while True: signal.pause()
        """
    )
    assert run_guard(sys.executable, "-c", child) == (3, b"")
    assert mark.exists()
