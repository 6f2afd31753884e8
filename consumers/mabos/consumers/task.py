"""A task as its handler sees it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from mabos.kafka.position import Position
from mabos.schemas.events import TaskRequest


class Task:
    """One attempt at a task.

    Attributes:
        request: The event.
        payload: The payload as an object.
        position: Where the request stands.
        attempt: Which attempt this is, from 1.
        headers: The request's headers.
    """

    __slots__ = ("attempt", "headers", "payload", "position", "request")

    def __init__(
        self,
        request: TaskRequest,
        payload: dict[str, Any],
        position: Position,
        attempt: int,
        headers: tuple[tuple[str, bytes], ...],
    ) -> None:
        self.request = request
        self.payload = payload
        self.position = position
        self.attempt = attempt
        self.headers = headers

    @property
    def task_id(self) -> str:
        """The caller's name for the task."""
        return self.request.task_id

    @property
    def agent_id(self) -> str:
        """The agent that does it."""
        return self.request.agent_id

    @property
    def deadline(self) -> datetime | None:
        """When the answer is of no more use, in UTC; None for never."""
        return self.request.deadline

    @property
    def idempotency_key(self) -> str:
        """The same for every attempt, and for every worker: give it to outside services that deduplicate."""
        return f"{self.agent_id}/{self.task_id}"
