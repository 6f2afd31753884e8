"""A tenure: one partition in the hands of one worker, from take-over to hand-over.

Two threads share it. Each field says whose it is; the two flags are only ever set, by the reader, so the engine may
look at them at any time.
"""

from __future__ import annotations

from dataclasses import dataclass

from mabos.consumers.bookmark import Bookmark
from mabos.consumers.ledger import Ledger
from mabos.consumers.offsets import Offsets


@dataclass(slots=True, eq=False)
class Tenure:
    """What a worker knows of a partition while it has it."""

    partition: int
    """The partition."""
    offsets: Offsets
    """How far it is done; the reader's."""
    ledger: Ledger
    """Which tasks have their outcome; the engine's."""
    committed: int | None = None
    """The offset that the broker has; the reader's."""
    held_bytes: int = 0
    """Bytes of the records that are not finished; the reader's."""
    is_released: bool = False
    """Nothing more begins here, for the partition is about to go."""
    is_over: bool = False
    """The partition is gone: what is still in hand counts for nothing."""
    dropped: int = 0
    """Records that were read and will not be begun; the engine's."""

    @property
    def is_closed(self) -> bool:
        """Whether nothing more begins here."""
        return self.is_released or self.is_over

    def bookmark(self, *, has_left: bool) -> Bookmark:
        """What goes with a commit of the lowest unfinished offset, as things are; the reader's."""
        return Bookmark(ledger_start=self.offsets.ledger_start, has_left=has_left)
