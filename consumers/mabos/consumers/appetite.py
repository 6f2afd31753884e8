"""How hungry a reader is: whether it takes records by batches, or leaves them to Kafka's client for a moment. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

BATCH_RECORDS = 1000
SATED_PAUSE_S = 0.005
"""How long a sated reader waits before it looks again; the engine does some 100 tasks in it, at its quickest."""

_ENOUGH_RECORDS = 2 * BATCH_RECORDS
_SATED_S = 1.0


@dataclass(slots=True)
class Supply:
    """What a reader has for its engine. Each field has one thread that writes it, so nothing is locked."""

    submitted: int = 0
    """Records handed over so far; the reader's."""
    accepted: int = 0
    """Records that the engine has come to; its own."""
    is_more: bool = False
    """Whether the last batch was full: then the next comes at once, and no answer is in a hurry; the reader's."""

    @property
    def unseen(self) -> int:
        """How many records the engine has not come to yet."""
        return self.submitted - self.accepted

    def turn(self, *, is_more: bool) -> bool:
        """Note whether there is more; True when that has just come to an end."""
        was_more, self.is_more = self.is_more, is_more
        return was_more and not is_more


class Appetite:
    """Says when enough waits.

    A sated reader takes single records, now and then. That is cheaper than to pause partitions, for which the client
    throws away what it has fetched and takes up to three times ``fetch.wait.max.ms`` to begin anew; and what waits but
    for a moment is still in the processor's caches when its turn comes. But what the group has to say comes in line
    with the records, so it is not sated for long: if the engine has not come down to what is enough by then, the bounds
    of :mod:`mabos.consumers.flow` are what holds.

    Attributes:
        is_overfed: Whether there has been enough for so long that it is sated no more.
    """

    def __init__(self) -> None:
        self._since_s = math.inf
        self.is_overfed = False

    def is_sated(self, *, on_the_way: int, waiting: int, has_plenty: bool, now_s: float) -> bool:
        """Whether to take no batch now.

        Args:
            on_the_way: Records that were read and that the engine has not seen: it knows nothing of their agents.
            waiting: Records that wait in its lanes.
            has_plenty: Whether so many agents have a task that could run that reading on would find no better work.
            now_s: The time, on a clock that never goes back.
        """
        is_enough = on_the_way >= _ENOUGH_RECORDS or (has_plenty and on_the_way + waiting >= _ENOUGH_RECORDS)
        self._since_s = min(self._since_s, now_s) if is_enough else math.inf
        self.is_overfed = is_enough and now_s - self._since_s >= _SATED_S
        return is_enough and not self.is_overfed
