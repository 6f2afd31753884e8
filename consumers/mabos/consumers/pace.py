"""A pace: so many a second, and no more. Pure but for the clock it is given."""

from __future__ import annotations

import time
from collections.abc import Callable

_BURST_S = 0.1  # what was missed for longer is not made up for: a stall must not end in a flood


class Pace:
    """Says how long to wait before the next one.

    Args:
        rate: How many a second; None for as many as can be.
        clock_s: A clock in seconds that never goes back.
    """

    def __init__(self, rate: float | None, clock_s: Callable[[], float] = time.monotonic) -> None:
        if rate is not None and not rate > 0:
            raise ValueError(f"a rate must be more than 0 a second, not {rate:g}")
        self._step_s = 0.0 if rate is None else 1 / rate
        self._clock_s = clock_s
        self._next_s = clock_s()

    def take(self) -> float:
        """Take the place of the next one; returns the seconds to wait for it."""
        now_s = self._clock_s()
        place_s = max(self._next_s, now_s - _BURST_S)
        self._next_s = place_s + self._step_s
        return max(0.0, place_s - now_s) if self._step_s else 0.0
