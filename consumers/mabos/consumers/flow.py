"""Which partitions to pause when too much is waiting, and which to resume. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet

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
        self._full: set[int] = set()
        self._paused: set[int] = set()

    def decide(self, unfinished: Mapping[int, int], held: AbstractSet[int] = frozenset()) -> tuple[set[int], set[int]]:
        """The partitions to pause and those to resume.

        Args:
            unfinished: How many records each assigned partition holds.
            held: Partitions that shall be paused whatever they hold.
        """
        share = max(_SMALLEST_SHARE, self._max_records // max(1, len(unfinished)))
        self._full = {
            partition
            for partition, count in unfinished.items()
            if count >= share or (partition in self._full and count > share // 2)
        }
        wanted = self._full | (held & unfinished.keys())
        pause, resume = wanted - self._paused, (self._paused & unfinished.keys()) - wanted
        self._paused = wanted
        return pause, resume

    def forget(self, partitions: Iterable[int]) -> None:
        """Partitions are gone; should they come back, Kafka's client does not pause them."""
        self._full.difference_update(partitions)
        self._paused.difference_update(partitions)
