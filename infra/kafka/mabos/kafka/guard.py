"""A watchman between a Python process and the JVM it owns: run as a script, standard library only.

It starts the JVM as its child and leaves with the JVM's exit code (128 + signal, if a signal ended it). Its standard
input is a pipe that the owner holds open: when the owner dies, even by ``kill -9``, the pipe ends and the JVM is
stopped. When the watchman itself is killed, Linux kills the JVM for it.

Usage: ``python -I -S guard.py OWNER_PID GRACE_S JAVA ARGUMENT...``, with standard output a pipe that gets the JVM's
process id on one line, and standard error the log file, which becomes the JVM's two outputs.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time

_PR_SET_PDEATHSIG = 1
_OWNER_CHECK_S = 1.0


def _die_with_parent(guard_pid: int) -> None:
    """Have the kernel kill this process when the guard dies. Linux only: elsewhere the guard must be left alone."""
    if not sys.platform.startswith("linux"):
        return
    try:
        import ctypes  # noqa: PLC0415 - a megabyte that only Linux needs

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    except (ImportError, OSError, AttributeError):
        return
    if os.getppid() != guard_pid:  # it died before the request was in force
        os._exit(1)


def _start(argv: list[str]) -> int:
    """Start the program, its outputs joined to our standard error.

    Returns:
        Its process id.
    """
    guard_pid = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    try:
        _die_with_parent(guard_pid)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(2, 1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        os.execv(argv[0], argv)  # noqa: S606 - no shell is wanted
    except OSError as error:
        os.write(2, f"cannot run {argv[0]}: {error.strerror}\n".encode())
    os._exit(127)


def _signal_child(pid: int, number: int) -> None:
    """Signal a child that was not reaped yet, waking it first: a stopped process handles no SIGTERM."""
    os.kill(pid, number)
    os.kill(pid, signal.SIGCONT)


def _wait(pid: int, owner_pid: int, grace_s: float, wakeup: int) -> int:
    """Watch owner and child until the child has ended.

    Returns:
        The exit status, as a shell would give it.
    """
    watched = select.poll()
    watched.register(wakeup, select.POLLIN)
    watched.register(0, select.POLLIN | select.POLLHUP)
    kill_at = 0.0
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code
        ready = dict(watched.poll(_OWNER_CHECK_S * 1000))
        if wakeup in ready:
            numbers = os.read(wakeup, 64)
            if signal.SIGTERM in numbers or signal.SIGINT in numbers:
                _signal_child(pid, signal.SIGTERM)
        orphaned = os.getppid() != owner_pid or (0 in ready and not os.read(0, 64))
        if orphaned and not kill_at:
            kill_at = time.monotonic() + grace_s
            watched.unregister(0)  # an ended pipe is ready for ever
            _signal_child(pid, signal.SIGTERM)
        if kill_at and time.monotonic() >= kill_at:
            _signal_child(pid, signal.SIGKILL)


def main(arguments: list[str]) -> int:
    """Run one program and watch it.

    Args:
        arguments: The owner's process id, the grace in seconds, then the program and its arguments.

    Returns:
        The program's exit status.
    """
    owner_pid, grace_s, argv = int(arguments[0]), float(arguments[1]), arguments[2:]
    wakeup, alarm = os.pipe()
    os.set_blocking(alarm, False)
    signal.set_wakeup_fd(alarm)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    pid = _start(argv)
    try:
        os.write(1, f"{pid}\n".encode())
        os.close(1)
    except OSError:
        pass  # the owner is gone: its pipe says so too
    return _wait(pid, owner_pid, grace_s, wakeup)


if __name__ == "__main__":
    os._exit(main(sys.argv[1:]))  # nothing to flush, and a slow exit would keep the folder's lock
