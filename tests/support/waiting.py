"""Waiting for something to become true, without sleeping blindly."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(look: Callable[[], T], *, timeout_s: float = 20.0, every_s: float = 0.05) -> T:
    """The first truthy thing that a look gives.

    Raises:
        AssertionError: It gave none within ``timeout_s``; shows the last.
    """
    deadline = time.monotonic() + timeout_s
    pause = threading.Event()
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s:g} s; the last look gave {found!r}")
        pause.wait(every_s)
