"""The ledger: which tasks of a partition have their outcome already. Pure.

The response log is the ledger. Whoever takes a partition over reads it from where the commit says, and a stretch before
that (see :mod:`mabos.consumers.takeover`); from then on it notes its own answers. So a task that finished above the
committed offset is not run again, and one that was sent twice is answered once, as long as its outcome is among the
newest ones.

It also counts deaths. After a worker that did not leave in order, the first unanswered task of each agent may be what
killed it: such a suspect is marked on the response log before it runs, and marks without an outcome are deaths.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

TaskKey = tuple[str, str]
"""``agent_id`` and ``task_id``."""


@dataclass(slots=True)
class Marks:
    """How often a task without an outcome was begun as a suspect."""

    first_offset: int
    """The response offset of the first mark."""
    count: int = 0


class Ledger:
    """The outcomes of one partition. Not thread-safe: one thread owns it.

    Args:
        window: How many of the newest outcomes are kept, besides those that the commit points to.
    """

    def __init__(self, window: int) -> None:
        self._window = window
        self._pointed: dict[TaskKey, int] = {}  # response offsets; their requests may be still to come, however late
        self._offsets: dict[TaskKey, int | None] = {}  # of the newest ones; None for one of our own, written lately
        self._order: deque[TaskKey] = deque()
        self._marks: dict[TaskKey, Marks] = {}
        self._suspects_end = 0
        self._cleared: set[str] = set()

    def load(self, key: TaskKey, response_offset: int, *, is_pointed_to: bool) -> None:
        """An outcome on the log.

        Args:
            key: The task.
            response_offset: Where its response stands; the first one of a task counts.
            is_pointed_to: Whether it stands where the commit says the ledger begins, or after.
        """
        self._marks.pop(key, None)
        found = self._offsets.get(key)
        if is_pointed_to:
            self._pointed.setdefault(key, response_offset if found is None else found)
        elif found is None:
            self._note(key, response_offset)

    def load_mark(self, key: TaskKey, response_offset: int) -> None:
        """A mark on the log: the task was begun as a suspect."""
        if not self.has(key):
            self._marks.setdefault(key, Marks(response_offset)).count += 1

    def suspect(self, suspects_end: int) -> None:
        """The last owner did not leave in order.

        Args:
            suspects_end: Requests at this offset and after did not stand there when it was gone.
        """
        self._suspects_end = suspects_end

    def answer(self, key: TaskKey) -> None:
        """This worker answers a task."""
        offsets, order = self._offsets, self._order  # written out, not _note(): it is asked for each task
        if key not in offsets:
            offsets[key] = None
            order.append(key)
            if len(order) > self._window:
                del offsets[order.popleft()]

    def has(self, key: TaskKey) -> bool:
        """Whether a task has its outcome."""
        return key in self._offsets or key in self._pointed

    def find(self, key: TaskKey) -> int | None:
        """The response offset of a task's outcome; None if it was written lately, or is not known."""
        found = self._pointed.get(key)
        return self._offsets.get(key) if found is None else found

    def is_suspect(self, agent_id: str, offset: int) -> bool:
        """Whether a task that has no outcome may have killed the last owner: asked once for each, in offset order.

        A worker has one task of an agent in hand, in order. So what it had in hand when it died is now the first
        unanswered task of its agent.
        """
        if offset >= self._suspects_end or agent_id in self._cleared:
            return False
        self._cleared.add(agent_id)
        return True

    def find_marks(self, key: TaskKey) -> Marks | None:
        """The marks of a task without an outcome."""
        return self._marks.get(key)

    @property
    def suspects_end(self) -> int:
        """Requests from this offset on are no suspects; 0 after an owner that left in order."""
        return self._suspects_end

    def __len__(self) -> int:
        """How many outcomes are kept."""
        return len(self._offsets.keys() | self._pointed.keys())

    def _note(self, key: TaskKey, response_offset: int | None) -> None:
        self._offsets[key] = response_offset
        self._order.append(key)
        if len(self._order) > self._window:
            del self._offsets[self._order.popleft()]
