"""A request in a worker's hands."""

from __future__ import annotations

from dataclasses import dataclass

from mabos.kafka.position import Position
from mabos.schemas.events import TaskRequest


@dataclass(slots=True, kw_only=True, eq=False)
class Job:
    """One request from the moment it is read until its response is acknowledged."""

    request: TaskRequest
    """The event."""
    partition: int
    """Where it was read; its response goes to the same partition."""
    offset: int
    """Its place there."""
    key: bytes | None
    """The record's key as it was."""
    value: bytes | None
    """The record's value as it was, for a dead letter."""
    headers: tuple[tuple[str, bytes], ...]
    """The record's headers as they were."""
    misplaced: str = ""
    """Why the record is not where its agent's tasks belong; empty when it is."""
    attempt: int = 0
    """Attempts begun so far."""
    first_started_s: float = 0.0
    """When the first attempt began, on the monotonic clock."""

    def position(self, topic: str) -> Position:
        """Where the request stands."""
        return Position(topic, self.partition, self.offset)
