"""Several copies of a process, on real small processes."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from mabos.consumers.supervisor import Supervisor, restart_pause_s
from tests.support.waiting import eventually

_PROGRAM = """
import os, pathlib, signal, sys, time
folder = pathlib.Path(sys.argv[1])
signal.signal(signal.SIGTERM, lambda *_: sys.exit(int(sys.argv[2])))
(folder / str(os.getpid())).touch()
while True:
    time.sleep(0.05)
"""


class FakeClock:
    """Monotonic seconds that pass when they are told to; counts who looks."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.looks = 0

    def __call__(self) -> float:
        self.looks += 1
        return self.now_s

    def wait_for_looks(self, count: int) -> None:
        """Wait until the supervisor has looked so many times more: it has seen what there is to see."""
        before = self.looks
        eventually(lambda: self.looks >= before + count)


@dataclass(frozen=True, kw_only=True)
class Program:
    """A small program."""

    folder: Path
    exit_code: int
    name: str = "program"
    log_file: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    kept_open: Sequence[int] = ()

    def argv(self) -> list[str]:
        return [sys.executable, "-c", _PROGRAM, str(self.folder), str(self.exit_code)]


class Running:
    """A supervisor in a thread, and the processes that said they are there."""

    def __init__(self, folder: Path, supervisor: Supervisor) -> None:
        self.folder, self.supervisor = folder, supervisor
        self.code: int | None = None
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        self.code = self.supervisor.run()

    def alive(self) -> set[int]:
        return {int(file.name) for file in self.folder.iterdir() if psutil.pid_exists(int(file.name))}

    def stop(self) -> int:
        self.supervisor.stop()
        self.thread.join(60)
        assert self.code is not None
        return self.code


@contextmanager
def running(folder: Path, *, instances: int, exit_code: int = 0, clock: FakeClock | None = None) -> Iterator[Running]:
    command = Program(folder=folder, exit_code=exit_code)
    it = Running(folder, Supervisor([command] * instances, clock=clock or FakeClock()))
    it.thread.start()
    try:
        yield it
    finally:
        it.stop()


def test_all_are_started_and_all_are_stopped(tmp_path: Path) -> None:
    """Each gets SIGTERM, ends by itself, and none is left."""
    with running(tmp_path, instances=3) as it:
        eventually(lambda: len(it.alive()) == 3)
        assert it.stop() == 0
        assert it.alive() == set()


def test_the_exit_code_tells_who_did_not_end_well(tmp_path: Path) -> None:
    """A worker that lost something on its way out is not passed over."""
    with running(tmp_path, instances=2, exit_code=7) as it:
        eventually(lambda: len(it.alive()) == 2)
        assert it.stop() == 7


def test_a_process_that_ended_is_started_again_after_a_pause(tmp_path: Path) -> None:
    """Not at once, or one that cannot start would fill the machine; the others go on."""
    clock = FakeClock()
    with running(tmp_path, instances=2, clock=clock) as it:
        eventually(lambda: len(it.alive()) == 2)
        killed, other = it.alive()
        psutil.Process(killed).send_signal(signal.SIGKILL)
        eventually(lambda: not psutil.pid_exists(killed))
        clock.now_s = restart_pause_s(1) - 0.01
        clock.wait_for_looks(6)
        assert it.alive() == {other}
        clock.now_s = 100.0
        eventually(lambda: len(it.alive()) == 2)
        assert other in it.alive()


def test_a_stop_during_the_pause_starts_nothing(tmp_path: Path) -> None:
    """And the one that had failed does not count against the end."""
    clock = FakeClock()
    with running(tmp_path, instances=1, clock=clock) as it:
        eventually(lambda: len(it.alive()) == 1)
        [killed] = it.alive()
        psutil.Process(killed).send_signal(signal.SIGKILL)
        eventually(lambda: not psutil.pid_exists(killed))
        clock.wait_for_looks(3)
        assert it.stop() == 0
        assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(("failures", "pause_s"), [(1, 1), (2, 2), (3, 4), (5, 16), (6, 30), (1000, 30)])
def test_the_pause_doubles_up_to_a_bound(failures: int, pause_s: float) -> None:
    """Half a minute at most, however often it failed."""
    assert restart_pause_s(failures) == pause_s
