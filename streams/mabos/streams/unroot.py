"""Runs a program as another user than root: run as a script, standard library only.

PostgreSQL refuses to run as root, and in a container there is often nobody else. Its files may lie where only root may
go, so the program keeps one right of root's: to pass over file permissions (CAP_DAC_OVERRIDE). Linux only.

Usage: ``python -I -S unroot.py USER_ID PROGRAM ARGUMENT...``
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
_PR_SET_KEEPCAPS = 8
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 47, 2
_CAP_DAC_OVERRIDE = 1
_CAPABILITY_VERSION_3 = 0x20080522


def _set_capability(libc: ctypes.CDLL, number: int) -> None:
    """Have this one capability, and hand it on to the programs that are run (capset(2), capabilities(7))."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    bit = 1 << number
    data = (ctypes.c_uint32 * 6)(bit, bit, bit, 0, 0, 0)  # effective, permitted, inheritable; and their upper halves
    if libc.capset(header, data) or libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, number, 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def become(user_id: int) -> None:
    """Be that user from now on.

    Raises:
        OSError: The kernel does not allow it.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    parent = os.getppid()
    libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setresgid(user_id, user_id, user_id)
    os.setresuid(user_id, user_id, user_id)
    _set_capability(libc, _CAP_DAC_OVERRIDE)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # the guard asked for it, and another user id cleared it
    if os.getppid() != parent:
        os._exit(1)


def main(arguments: list[str]) -> None:
    """Run a program as a user; does not return.

    Args:
        arguments: The user's id, then the program and its arguments.
    """
    try:
        become(int(arguments[0]))
    except (OSError, AttributeError) as error:
        sys.exit(f"error: PostgreSQL cannot run as root, and this system does not let it run as another user: {error}")
    os.execv(arguments[1], arguments[1:])  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main(sys.argv[1:])
