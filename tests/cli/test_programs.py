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
