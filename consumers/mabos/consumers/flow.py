"""Which partitions to pause when too much is waiting, and which to resume. Pure."""

from __future__ import annotations

from collections.abc import Mapping

_SMALLEST_SHARE = 100  # below this a partition would be paused at each fetch


class FlowControl:
    """Keeps what a worker holds within a bound, pausing only the partitions that hold too much.

    A partition's share is the bound divided by the number of partitions. It is paused at its share, and resumed at
    half of it, so that it does not flutter.

    Args:
        max_records: The most unfinished records a worker should hold.
    """

    def __init__(self, max_records: int) -> None:
        self._max_records = max_records
        self._paused: set[int] = set()

    def decide(self, unfinished: Mapping[int, int]) -> tuple[set[int], set[int]]:
        """The partitions to pause and those to resume.

        Args:
            unfinished: How many records each assigned partition holds.
        """
        if not unfinished:
            self._paused.clear()
            return set(), set()
        share = max(_SMALLEST_SHARE, self._max_records // len(unfinished))
        self._paused &= unfinished.keys()
        pause = {p for p, count in unfinished.items() if count >= share and p not in self._paused}
        resume = {p for p in self._paused if unfinished[p] <= share // 2}
        self._paused = (self._paused | pause) - resume
        return pause, resume
