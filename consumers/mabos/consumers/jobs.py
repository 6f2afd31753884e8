"""A request in a worker's hands."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from mabos.kafka.headers import Headers, headers_of
from mabos.kafka.position import Position

if TYPE_CHECKING:
    from confluent_kafka import Message

    from mabos.consumers.task import Task
    from mabos.consumers.tenure import Tenure
    from mabos.schemas.events import TaskRequest


class Job:
    """One record from the moment it is taken from its lane until its response is acknowledged.

    Attributes:
        message: The record.
        partition: Where it was read; its response goes to the same partition.
        offset: Its place there.
        key: Its key as it is; also its lane.
        size_bytes: What it counts for, as long as it is held.
        tenure: The hold over its partition under which it was read.
        request: The event in it, once decoded.
        action: What its handler takes, once that is known; None for a handler of all others.
        attempt: Attempts begun so far.
        first_started_s: When the first attempt began, on the monotonic clock.
        started_s: When this attempt began, on the monotonic clock; 0 before.
        waited_s: From the request's append to the log until this attempt began.
        taken_s: When the worker first looked at it, on the monotonic clock.
        deaths: How many workers went down while it ran, as far as is known.
        is_marked: Whether its mark as a suspect is on the log.
        task: What its handler sees, while one runs.
        cancel_reason: Why somebody wants it cancelled while it runs.
        unstored: How many records the broker must acknowledge until it is done.
        response_offset: Where its response stands, once acknowledged.
    """

    __slots__ = (
        "action",
        "attempt",
        "cancel_reason",
        "deaths",
        "first_started_s",
        "is_marked",
        "key",
        "message",
        "offset",
        "partition",
        "request",
        "response_offset",
        "size_bytes",
        "started_s",
        "taken_s",
        "task",
        "tenure",
        "unstored",
        "waited_s",
    )

    request: TaskRequest

    def __init__(self, message: Message, tenure: Tenure) -> None:
        self.message = message
        self.partition: int = message.partition()  # type: ignore[assignment]  # a record without an error has a place
        self.offset: int = message.offset()  # type: ignore[assignment]
        self.key = message.key()
        self.size_bytes = len(message) + len(self.key or b"")  # size_of(), written out for speed
        self.tenure = tenure
        self.request = None  # type: ignore[assignment]  # looked at by the triage first, which decodes it
        self.action: str | None = None
        self.attempt = 0
        self.first_started_s = 0.0
        self.started_s = 0.0
        self.waited_s = 0.0
        self.taken_s = 0.0
        self.deaths = 0
        self.is_marked = False
        self.task: Task | None = None
        self.cancel_reason: str | None = None
        self.unstored = 0
        self.response_offset: int | None = None

    @property
    def is_decoded(self) -> bool:
        """Whether there is a request."""
        return self.request is not None

    @property
    def value(self) -> bytes | None:
        """The record's value as it is."""
        return self.message.value()

    @property
    def headers(self) -> Headers:
        """The record's headers as they are."""
        return headers_of(self.message)

    def position(self, topic: str) -> Position:
        """Where the request stands."""
        return Position(topic, self.partition, self.offset)


def size_of(message: Message) -> int:
    """The bytes of a record's key and value."""
    return len(message) + len(message.key() or b"")


def longest_wait_s(messages: list[Message]) -> float:
    """How long the record that waits longest has been in the log; 0 when there is none."""
    appended_ms = min((message.timestamp()[1] for message in messages), default=0)
    return max(0.0, time.time() - appended_ms / 1000) if appended_ms else 0.0


def names_of(job: Job) -> dict[str, object]:
    """What a log line says of a job."""
    names = {"task_id": job.request.task_id, "agent_id": job.request.agent_id} if job.is_decoded else {}
    return {**names, "position": str(job.position(job.message.topic() or "")), "attempt": job.attempt}
