"""A task as its handler sees it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from mabos.consumers.errors import TaskCancelled

if TYPE_CHECKING:
    from mabos.consumers.asking import Asker, Question
    from mabos.consumers.jobs import Job
    from mabos.kafka.headers import Headers
    from mabos.kafka.position import Position
    from mabos.producers.receipts import Receipt
    from mabos.schemas.events import TaskRequest


class Surroundings(Protocol):
    """What a task needs of the worker that runs it."""

    @property
    def topic(self) -> str:
        """The requests topic."""
        ...

    @property
    def asker(self) -> Asker:
        """What asks other agents, and sends them tasks."""
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

    def ask(
        self,
        agent_id: str,
        payload: Mapping[str, Any],
        *,
        task_id: str | None = None,
        deadline: datetime | None = None,
        timeout_s: float | None = None,
    ) -> Question:
        """Ask another agent: ``await task.ask(...)`` in an async handler, ``task.ask(...).result()`` in a plain one.

        Both give the :class:`TaskResponse` that ends the other agent's task, whatever its status. That task has this
        one as its parent, carries its trace context, and has no later deadline.

        While it waits, this task keeps its lane, and its place among the worker's ``concurrency`` tasks in hand. If no
        place is left for the other agent's task, both wait until ``timeout_s`` or the deadline: a plain handler in a
        worker with a concurrency of 1 that asks an agent of the same worker always does. Two agents that ask each other
        for different tasks at the same moment do, too.

        Args:
            agent_id: The agent to ask; not this one, and none that waits for this task.
            payload: A JSON object; ``payload["action"]`` picks the handler.
            task_id: A name for the task, one that had no outcome yet; None makes a UUIDv7. Another attempt at this task
                asks anew.
            deadline: Aware datetime after which the answer is of no use, if that is before this task's deadline.
            timeout_s: How long to wait; None until a moment after the deadline, for ever if there is none.

        Raises:
            InvalidTask: A field is refused; nothing was sent.
            AskRefused: That agent waits for this task, or too many do.
            CallTimeout: There is no outcome yet. That task goes on.
            PublishError: It could not be published; says whether it may be stored all the same.
            FeedStopped: The worker stopped meanwhile.
        """
        return self._surroundings.asker.ask(
            self.request,
            self.headers,
            agent_id=agent_id,
            payload=payload,
            task_id=task_id,
            deadline=deadline,
            timeout_s=timeout_s,
        )

    def send(
        self,
        agent_id: str,
        payload: Mapping[str, Any],
        *,
        task_id: str | None = None,
        deadline: datetime | None = None,
    ) -> Receipt:
        """Send a task to any agent, this one included, and go on. Parent, trace and deadline are as with :meth:`ask`.

        Returns:
            A receipt; wait for it (``await``, or ``result()`` in a plain handler) where the task must not be lost.

        Raises:
            InvalidTask: A field is refused; nothing was sent.
            PublishQueueFull: The local queue is full; nothing was sent.
        """
        return self._surroundings.asker.send(
            self.request, self.headers, agent_id=agent_id, payload=payload, task_id=task_id, deadline=deadline
        )
