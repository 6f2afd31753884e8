"""Gaps between the offsets of the records that one reads, and what made them. Pure.

Of a gap, readers of committed records see nothing. What readers of all records find in it was aborted; what they do not
find is the mark at the end of a transaction, or in a compacted topic perhaps a record that compaction took.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

MOST_GAPS = 50_000
"""How many are kept before they should be looked into."""


class Gap(NamedTuple):
    """Offsets of a partition that gave no record."""

    partition: int
    begin: int
    """The first of them."""
    end: int
    """The offset after the last."""


class Gaps:
    """Hears of the records of a topic, those of a partition in their order.

    Args:
        begin: Where reading begins, by partition.
        end: Where it ends.
    """

    def __init__(self, begin: Mapping[int, int], end: Mapping[int, int]) -> None:
        self._end = end
        self._next = {partition: begin.get(partition, 0) for partition in end}
        self._found: list[Gap] = []
        self.offsets = 0
        """How many offsets gave no record, but for those that are gone."""
        self.gone = 0
        """How many retention took while they were read."""

    def pass_record(self, partition: int, offset: int) -> None:
        """Here is a record."""
        expected = self._next[partition]
        if offset > expected:
            self._add(partition, expected, offset)
        self._next[partition] = offset + 1

    def pass_gone(self, partition: int, begin: int, end: int) -> None:
        """These offsets were deleted before they could be read."""
        self._add(partition, self._next[partition], begin)
        self.gone += end - begin
        self._next[partition] = max(end, self._next[partition])

    def finish(self) -> None:
        """There are no more records."""
        for partition, end in self._end.items():
            self._add(partition, self._next[partition], end)
            self._next[partition] = end

    @property
    def is_full(self) -> bool:
        """Whether they are many enough to be looked into."""
        return len(self._found) >= MOST_GAPS

    def take(self) -> list[Gap]:
        """The gaps since the last call."""
        found, self._found = self._found, []
        return found

    def _add(self, partition: int, begin: int, end: int) -> None:
        if begin < end:
            self.offsets += end - begin
            self._found.append(Gap(partition, begin, end))


def span(gaps: Iterable[Gap]) -> tuple[dict[int, int], dict[int, int]]:
    """By partition, the first offset of all gaps, and the one after the last."""
    begin: dict[int, int] = {}
    end: dict[int, int] = {}
    for gap in gaps:
        begin[gap.partition] = min(gap.begin, begin.get(gap.partition, gap.begin))
        end[gap.partition] = max(gap.end, end.get(gap.partition, 0))
    return begin, end


def count_within(gaps: Iterable[Gap], places: Iterable[tuple[int, int]]) -> int:
    """How many places are within gaps.

    Args:
        gaps: Those of a partition in their order.
        places: Partitions and offsets, those of a partition in their order.
    """
    left: dict[int, list[Gap]] = {}
    for gap in gaps:
        left.setdefault(gap.partition, []).append(gap)
    for found in left.values():
        found.reverse()
    count = 0
    for partition, offset in places:
        ahead = left.get(partition, [])
        while ahead and ahead[-1].end <= offset:
            ahead.pop()
        count += bool(ahead) and ahead[-1].begin <= offset
    return count
