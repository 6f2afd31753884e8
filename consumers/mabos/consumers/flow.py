"""Which partitions to pause when too much is waiting, and which to resume. Pure.

A worker reads ahead as long as it helps: while more tasks wait than it needs and enough agents have one that could run,
reading on would only fill memory. Where few agents could run, as behind the backlog of one, it reads on to find others,
up to the bounds. Above one, only the partitions that hold their share or more are paused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

_LEAST_ROOM = 10  # what is paused gives no records: others must be let in
_SMALLEST_SHARE = 100  # below this a partition would be paused at each fetch


class Load(NamedTuple):
    """What a partition holds."""

    records: int
    """Records read and not finished."""
    size_bytes: int = 0
    """Their keys and values."""
    ahead: int = 0
    """Records read from its lowest unfinished one on; finished ones among them are kept in mind, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The most a worker should hold, over all its partitions."""

    records: int
    """Records in all."""
    size_bytes: int
    """Bytes in all."""
    ahead: int
    """Records that one partition may read on past its lowest unfinished one."""
    plenty: int
    """Records in all that suffice while there are agents enough whose tasks could run."""


class FlowControl:
    """Keeps what a worker holds within bounds, pausing only the partitions that hold too much.

    A partition's share is the bound divided by the number of partitions. It is paused at its share, and resumed at
    half of it, so that it does not flutter.

    Args:
        bounds: The bounds.
    """

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._paused: set[int] = set()
        self._is_full = False
        self.room = bounds.records
        """How many records more fit in, if they are as large as those held; a few always do."""

    def decide(self, loads: Mapping[int, Load], *, has_enough: bool = False) -> tuple[set[int], set[int]]:
        """The partitions to pause and those to resume.

        Args:
            loads: What each assigned partition holds.
            has_enough: Whether more is of no use now, and will not be for a while.
        """
        bounds, count = self._bounds, max(1, len(loads))
        most = min(bounds.plenty, bounds.records) if has_enough else bounds.records
        held = sum(load.records for load in loads.values())
        full = max(held / most, sum(load.size_bytes for load in loads.values()) / bounds.size_bytes)
        self.room = max(_LEAST_ROOM, int(held * (1 - full) / full)) if held else most
        self._is_full = full >= 1 or (self._is_full and full > 0.5)
        shares = max(_SMALLEST_SHARE, most // count), bounds.size_bytes // count, bounds.ahead
        wanted = {partition for partition, load in loads.items() if self._is_heavy(partition, load, shares)}
        pause, resume = wanted - self._paused, (self._paused & loads.keys()) - wanted
        self._paused = wanted
        return pause, resume

    def _is_heavy(self, partition: int, load: Load, shares: tuple[int, int, int]) -> bool:
        records, size_bytes, ahead = (share // 2 + 1 for share in shares) if partition in self._paused else shares
        return load.ahead >= ahead or (self._is_full and (load.records >= records or load.size_bytes >= size_bytes))

    def forget(self, partitions: Iterable[int]) -> None:
        """Partitions are gone; should they come back, Kafka's client does not pause them."""
        self._paused.difference_update(partitions)
