"""Starts the platform's process in the background, and watches it until the platform is up."""

from __future__ import annotations

import subprocess
import sys
import time

from mabos.cli.home import FAILED, READY, STARTING, PlatformHome
from mabos.cli.output import print_step
from mabos.kafka.errors import LocalPlatformError
from mabos.kafka.process import telling_line

_START_TIMEOUT_S = 120.0
_POLL_S = 0.1


class _Silent(LocalPlatformError):
    """The process ended, and left no reason but what is in its log."""


def start_in_background(home: PlatformHome) -> None:
    """Start the platform's process and wait until the platform is up. Ctrl-C meanwhile stops it again.

    Raises:
        LocalPlatformError: It cannot start; says why.
    """
    log_file = home.logs / "platform.log"
    try:
        home.logs.mkdir(parents=True, exist_ok=True)
        log = log_file.open("ab")
    except OSError as error:
        raise LocalPlatformError(f"{home.logs} cannot be written: {error.strerror}, see MABOS_HOME") from error
    with log:
        began = log.tell()
        process = subprocess.Popen(
            [sys.executable, "-m", "mabos.cli.main", "up", "--foreground"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        follow(home, process)
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
        raise
    except _Silent as error:
        with log_file.open("rb") as written:
            written.seek(began)
            lines = written.read().decode(errors="replace").splitlines()
        raise LocalPlatformError(f"the platform did not start: {telling_line(lines)} (log: {log_file})") from error


def follow(home: PlatformHome, process: subprocess.Popen[bytes] | None = None) -> None:
    """Show the steps of the platform's process until it is ready.

    Args:
        home: Where it says what it does.
        process: The one that was started for it; when another was faster, that one is followed.

    Raises:
        LocalPlatformError: It ended, or is not ready in time.
    """
    deadline = time.monotonic() + _START_TIMEOUT_S
    shown = STARTING
    while time.monotonic() < deadline:
        has_ended = process is not None and process.poll() is not None
        is_running = home.is_running()
        state = home.read()
        if process is not None and has_ended:
            if state is not None and state.step == FAILED and state.pid == process.pid:
                raise LocalPlatformError(state.error)
            if not is_running:
                raise _Silent
            process = None
        elif process is None and not is_running:
            raise LocalPlatformError(state.error if state else "the platform was stopped before it was up")
        if state is not None and state.is_alive and (process is None or state.pid == process.pid):
            if state.step == READY:
                return
            if state.step not in {shown, FAILED}:
                shown = state.step
                print_step(shown)
        time.sleep(_POLL_S)
    raise LocalPlatformError(f"the platform is not up after {_START_TIMEOUT_S:g} s: see {home.logs}")
