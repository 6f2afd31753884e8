"""A rush: records come so fast that their sender had better take the broker's reports, too.

A thread of its own, whose business that is at other times, struggles with a busy sender for the interpreter, once per
report. Pure but for the clock it is given.
"""

from __future__ import annotations

import time
from collections.abc import Callable

LAP = 256
"""So many records are a lap: after each, the sender may have reports to take."""
LAP_S = 0.01
"""A lap that takes less is part of a rush."""
RUSH_S = 0.005
"""How long a rush lasts after its last lap, unless somebody waits for a report."""


class Rush:
    """Knows whether there is one. Safe to share between threads: a count that is lost only makes a lap longer.

    Args:
        clock_s: A clock in seconds that never goes back.
    """

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._count = 0
        self._lap_s, self._until_s = clock_s(), 0.0

    def note(self) -> bool:
        """A record was sent; True where its sender shall take the reports."""
        self._count += 1
        if self._count % LAP:
            return False
        last_s, self._lap_s = self._lap_s, self._clock_s()
        if self._lap_s - last_s >= LAP_S:
            return False
        self._until_s = self._lap_s + RUSH_S
        return True

    def end(self) -> None:
        """Somebody waits for a report."""
        self._until_s = 0.0

    @property
    def is_on(self) -> bool:
        """Whether a sender has just taken the reports, and is likely to do so again."""
        return self._clock_s() < self._until_s
