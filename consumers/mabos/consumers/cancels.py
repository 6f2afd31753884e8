"""Cancels: which tasks shall not run, as far as this process has heard. Pure."""

from __future__ import annotations

from collections import OrderedDict

_MAX_CANCELS = 100_000  # 30 MB where ids are UUIDs, 200 MB where each id and reason is as long as it may be


class Cancels:
    """The tasks that were cancelled, the newest of them.

    One thread adds, any thread asks, and no lock is taken: a question is one look-up in a dict, which is whole whenever
    another thread can see it, and the order in which cancels came concerns the thread that adds alone. A cancel that is
    said again is moved, not taken away and put back, so no question falls between the two.

    Args:
        limit: How many are kept at most; the one that was added first is forgotten first.

    Attributes:
        reasons: Why, by agent and task; to look at only. ``if cancels.reasons and cancels.find(...)`` costs nearly
            nothing while there are none.
    """

    def __init__(self, limit: int = _MAX_CANCELS) -> None:
        self._limit = limit
        self.reasons: OrderedDict[tuple[str, str], str] = OrderedDict()

    def __len__(self) -> int:
        """How many are kept."""
        return len(self.reasons)

    def add(self, agent_id: str, task_id: str, reason: str) -> None:
        """A task was cancelled. Of two cancels of one task the first reason counts, and the second keeps it young."""
        key = (agent_id, task_id)
        self.reasons.setdefault(key, reason)
        self.reasons.move_to_end(key)
        if len(self.reasons) > self._limit:
            self.reasons.popitem(last=False)

    def find(self, agent_id: str, task_id: str) -> str | None:
        """Why a task was cancelled, ``""`` when nobody said why; None if it was not, as far as this process knows."""
        return self.reasons.get((agent_id, task_id))
