"""The bookmark: what goes with a committed offset, as Kafka's commit metadata. Pure.

Kafka keeps a short text with each committed offset (``OffsetCommit``, field ``metadata``). Ours says from where the
response log must be read to know what is finished above the offset, and whether its owner has left in order. Any other
text, as a tool that resets offsets leaves it, reads as: nothing is known.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_TEXT = re.compile(r"mabos:1:([0-9]{1,18}):(open|left)\Z", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bookmark:
    """What the last owner of a partition left to the next."""

    ledger_start: int
    """The response offset from which on the ledger must be read."""
    has_left: bool
    """Whether the owner handed the partition over in order; if not, what it had in hand may have killed it."""

    @property
    def text(self) -> str:
        """As commit metadata."""
        return f"mabos:1:{self.ledger_start}:{'left' if self.has_left else 'open'}"


def read_bookmark(text: str | None) -> Bookmark | None:
    """The bookmark in commit metadata; None where that says nothing to us."""
    found = _TEXT.match(text or "")
    return found and Bookmark(ledger_start=int(found[1]), has_left=found[2] == "left")
