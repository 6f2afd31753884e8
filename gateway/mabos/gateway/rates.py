"""How often each caller may ask: a token bucket each, of which only so many are kept. Pure."""

from __future__ import annotations

import math
from collections import OrderedDict

_MAX_CALLERS = 10_000


class Rates:
    """Counts requests by caller. Not thread-safe: the event loop owns it.

    Args:
        per_s: Requests a second on average, for callers that have no bound of their own.
        burst_s: For how many seconds' worth of requests a caller that was quiet may ask at once.
    """

    def __init__(self, per_s: float, *, burst_s: float = 2.0) -> None:
        self._per_s, self._burst_s = per_s, burst_s
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens, and when they were counted

    def take(self, caller: str, now_s: float, per_s: float | None = None, cost: float = 1.0) -> float:
        """One request of a caller.

        Args:
            caller: Its name.
            now_s: The monotonic clock.
            per_s: Its own bound, if it has one.
            cost: What the request counts for: the tasks in it. One that counts for more than the bucket holds is let
                through when the bucket is full, and makes the next ones wait the longer.

        Returns:
            0 if it may be answered, else after how many seconds it may be tried again.
        """
        rate = self._per_s if per_s is None else per_s
        if math.isinf(rate):
            return 0.0
        room = max(1.0, rate * self._burst_s)
        tokens, counted_s = self._buckets.pop(caller, (room, now_s))
        tokens = min(room, tokens + max(0.0, now_s - counted_s) * rate)
        needed = min(cost, room)
        wait_s = 0.0 if tokens >= needed else (needed - tokens) / rate
        self._buckets[caller] = (tokens - (0.0 if wait_s else cost), now_s)
        if len(self._buckets) > _MAX_CALLERS:
            self._buckets.popitem(last=False)  # the one that asked longest ago, whose bucket is the fullest
        return wait_s
