"""Inheritance: what a worker makes of what the last owner of a partition left on the log and with the group. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from mabos.consumers.bookmark import Bookmark
from mabos.consumers.ledger import Ledger, TaskKey
from mabos.consumers.offsets import Offsets
from mabos.consumers.tenure import Tenure


@dataclass(frozen=True, slots=True, kw_only=True)
class Estate:
    """What the last owner left of one partition."""

    committed: int | None
    """The offset it committed; None if nobody ever did."""
    bookmark: Bookmark | None
    """What stood beside it; None if that says nothing to us."""
    requests_begin: int
    """The first offset of the requests that still stands."""
    requests_end: int
    """The end of the requests."""
    responses_end: int
    """The end of the responses."""


@dataclass(slots=True, kw_only=True)
class Inheritance:
    """One partition as it is taken over, and what must be read of its responses until it may open."""

    tenure: Tenure
    """What the worker will know of it."""
    begin: int
    """The first response to be read."""
    ledger_start: int
    """The first one that the bookmark points to."""
    end: int
    """Where reading stops."""

    def note_outcome(self, task: TaskKey, response_offset: int) -> None:
        """A terminal response was read."""
        self.tenure.ledger.load(task, response_offset, is_pointed_to=response_offset >= self.ledger_start)

    def note_mark(self, task: TaskKey, response_offset: int) -> None:
        """A mark was read."""
        self.tenure.ledger.load_mark(task, response_offset)


def inherit(partition: int, estate: Estate, *, window: int, reach: int) -> Inheritance:
    """Where to read, and what is known before.

    Args:
        partition: The partition.
        estate: What is there.
        window: How many responses before the bookmark are read, and how many outcomes are kept.
        reach: How many records past what it committed the last owner may have finished at most.
    """
    end, bookmark = estate.responses_end, estate.bookmark
    ledger = Ledger(window)
    if bookmark is not None and not bookmark.has_left:
        ledger.suspect(estate.requests_end)
    start = end if bookmark is None else min(bookmark.ledger_start, end)
    position = estate.requests_begin if estate.committed is None else estate.committed
    offsets = Offsets(position, end)
    if start < end:  # else whoever comes after this worker, should it die soon, would not see what it did not meet
        offsets.show(min(estate.requests_end, position + reach) - 1, start)
    return Inheritance(
        tenure=Tenure(partition=partition, offsets=offsets, ledger=ledger),
        begin=max(0, start - window),
        ledger_start=start,
        end=end,
    )
