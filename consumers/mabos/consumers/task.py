"""A task as its handler sees it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from mabos.consumers.errors import TaskCancelled

if TYPE_CHECKING:
    from mabos.consumers.jobs import Headers, Job
    from mabos.kafka.position import Position
    from mabos.schemas.events import TaskRequest


class Surroundings(Protocol):
    """What a task needs of the worker that runs it."""

    @property
    def topic(self) -> str:
        """The requests topic."""
        ...

    def report_progress(self, job: Job, fields: Mapping[str, Any]) -> None:
        """Publish how far a task is."""
        ...


class Task:
    """One attempt at a task.

    Attributes:
        request: The event.
        payload: The payload as an object.
        attempt: Which attempt this is, from 1.
        cancelled: Whether somebody wants it cancelled. An async handler is cancelled then; a plain one has to look.
    """

    __slots__ = ("_job", "_surroundings", "attempt", "cancelled", "payload", "request")

    def __init__(self, job: Job, payload: dict[str, Any], surroundings: Surroundings) -> None:
        self._job = job
        self._surroundings = surroundings
        self.request: TaskRequest = job.request
        self.payload = payload
        self.attempt = job.attempt
        self.cancelled = False

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
    def position(self) -> Position:
        """Where the request stands."""
        return self._job.position(self._surroundings.topic)

    @property
    def headers(self) -> Headers:
        """The request's headers."""
        return self._job.headers

    @property
    def idempotency_key(self) -> str:
        """The same for every attempt, and for every worker: give it to outside services that deduplicate."""
        return f"{self.agent_id}/{self.task_id}"

    def progress(self, fields: Mapping[str, Any]) -> None:
        """Tell how far it is: an ``in_progress`` response with these fields as its result. From any thread.

        Raises:
            InvalidTask: The fields are no JSON object.
        """
        self._surroundings.report_progress(self._job, fields)

    def check_cancelled(self) -> None:
        """For plain handlers, between two steps of long work.

        Raises:
            TaskCancelled: Somebody wants it cancelled; let it pass, and the task is answered ``cancelled``.
        """
        if self.cancelled:
            raise TaskCancelled
