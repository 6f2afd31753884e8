"""Inspect: counts the tasks of the past by what they are and what became of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from mabos.consumers.history import History
from mabos.consumers.replays import HistoryReplay
from mabos.consumers.selection import Reach, Selection
from mabos.kafka.settings import Settings
from mabos.schemas.events import Status
from mabos.schemas.registry import SchemaRegistry


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected:
    """What was counted."""

    records: int
    """How many offsets were read."""
    tasks: dict[tuple[str | None, Status | None], int]
    """Requests by action and outcome."""
    remarks: tuple[str, ...]
    """A line for each thing that was asked for and is not in the log."""
    is_whole: bool
    """False if it was stopped before its end."""

    @property
    def total(self) -> int:
        """Requests in all."""
        return sum(self.tasks.values())


class Inspection(HistoryReplay[Inspected]):
    """Counts the tasks that a selection takes, by action and outcome. To see them, iterate over a :class:`History`.

    Args:
        settings: Where Kafka is, and the queue.
        registry: Where writer schemas are looked up.
        selection: Which tasks.
        reach: What to read for them.
    """

    def __init__(self, settings: Settings, registry: SchemaRegistry, selection: Selection, reach: Reach) -> None:
        super().__init__(History(settings, registry, selection, reach), reach)

    def run(self) -> Inspected:
        """Count.

        Raises:
            BrokerUnavailable: No broker answers.
            RegistryUnavailable: A writer schema is not known, and the registry does not answer.
        """
        tasks: Counter[tuple[str | None, Status | None]] = Counter()
        for task in self._history:
            tasks[task.action, task.status] += 1
        return Inspected(
            records=self._history.done,
            tasks=dict(tasks),
            remarks=(*self._reach.remarks, *self._history.remarks),
            is_whole=not self.is_stopping,
        )
