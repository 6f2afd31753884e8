"""Programs beside the platform, and the signals that end it."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import psutil
import pytest

from mabos.cli.programs import Programs
from mabos.cli.signals import StopRequest, call_on_signals
from mabos.kafka.errors import StartFailed
from tests.support.waiting import eventually

WAIT = ["-c", "import signal; print('up', flush=True); signal.pause()"]


def test_programs_end_in_reverse_order(tmp_path: Path) -> None:
    """The last one first, and all of them; each has a log file of its name."""
    note = (
        "import pathlib, signal, sys; signal.signal(15, lambda *_: (open('order', 'a').write(sys.argv[1]), sys.exit()))"
    )
    script = f"import os; os.chdir({str(tmp_path)!r}); {note}; print('up', flush=True); signal.pause()"
    with Programs(tmp_path) as programs:
        for name in "abc":
            log = tmp_path / f"{name}.log"
            programs.run(name, ["-c", script, name], is_ready=lambda log=log: "up" in log.read_text())  # type: ignore[misc]
    assert (tmp_path / "order").read_text() == "cba"


def test_a_program_that_ends_too_early_says_why(tmp_path: Path) -> None:
    """The telling line of its log is in the error; those before it are stopped."""
    with Programs(tmp_path) as programs:
        first = programs.run("one", WAIT)
        told = r"two ended with code 1 before it was ready: ValueError: no luck \(log: "
        with pytest.raises(StartFailed, match=told):
            programs.run("two", ["-c", "raise ValueError('no luck')"], is_ready=lambda: False)
    eventually(lambda: not psutil.pid_exists(first.pid))


def test_a_program_that_ends_is_started_again(tmp_path: Path) -> None:
    """Each time it ends, and each time later; why it ended is told in one line."""
    told: list[str] = []
    script = "open('runs', 'a').write('x'); raise ValueError('no luck')"
    with Programs(tmp_path, on_end=told.append, first_pause_s=0.05) as programs:
        programs.run("view", ["-c", f"import os; os.chdir({str(tmp_path)!r}); {script}"])
        eventually(lambda: len(told) >= 3, timeout_s=60)
    pauses = [0.05, 0.1, 0.2]
    assert told[:3] == [
        f"view ended with code 1, starting it again in {pause_s:g} s: ValueError: no luck (log: {tmp_path}/view.log)"
        for pause_s in pauses
    ]
    assert (tmp_path / "runs").read_text().startswith("xxx")


def test_a_killed_program_is_replaced_and_the_new_one_stopped(tmp_path: Path) -> None:
    """The others go on as they were; none is left behind."""
    told: list[str] = []
    with Programs(tmp_path, on_end=told.append, first_pause_s=0.05) as programs:
        first, other = programs.run("one", WAIT), programs.run("two", WAIT)
        eventually(lambda: (tmp_path / "one.log").read_text() == "up\n", timeout_s=60)
        first.kill()
        eventually(lambda: (tmp_path / "one.log").read_text() == "up\nup\n", timeout_s=60)
        assert other.is_alive
        (again,) = [
            child.pid
            for child in psutil.Process().children(recursive=True)
            if child.cmdline()[1:] == WAIT and child.pid != other.pid
        ]
    eventually(lambda: not psutil.pid_exists(other.pid) and not psutil.pid_exists(again))
    assert [line.partition(",")[0] for line in told] == ["one ended with code 137"]


def test_a_stop_request_is_seen_once_it_is_set() -> None:
    """Set from a signal handler while the main thread waits, as often as one likes."""
    stopping = StopRequest()
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    call_on_signals(stopping.set)
    try:
        assert not stopping.is_set()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
            sender = threading.Timer(0.01, os.kill, (os.getpid(), number))
            sender.start()
            stopping.wait()
            sender.join()
            assert stopping.is_set()
    finally:
        for number, handler in zip((signal.SIGTERM, signal.SIGINT), before, strict=True):
            signal.signal(number, handler)
