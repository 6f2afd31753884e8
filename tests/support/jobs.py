"""Jobs, and a publisher with no Kafka behind it, for tests of what runs handlers."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from confluent_kafka import KafkaError, Message

from mabos.consumers.answers import Answers
from mabos.consumers.jobs import Job
from mabos.kafka.topics import Queue
from mabos.producers.publisher import OnDelivery, Publisher, Record
from mabos.schemas.codec import REQUEST, RESPONSE, Codec
from mabos.schemas.events import TaskRequest, TaskResponse

QUEUE = Queue()
RESPONSES: Codec[TaskResponse] = Codec(RESPONSE, 2, cast(Any, None))
REQUESTS: Codec[TaskRequest] = Codec(REQUEST, 1, cast(Any, None))


def make_job(
    agent_id: str = "a",
    payload: object = None,
    *,
    offset: int = 0,
    partition: int = 0,
    deadline_ms: int | None = None,
    payload_json: str | None = None,
    misplaced: str = "",
) -> Job:
    """A job as the intake makes it; its task is named after its place."""
    request = TaskRequest(
        task_id=f"t-{partition}-{offset}",
        agent_id=agent_id,
        payload_json=json.dumps(payload or {}) if payload_json is None else payload_json,
        deadline_ms=deadline_ms,
    )
    return Job(
        request=request,
        partition=partition,
        offset=offset,
        key=agent_id.encode(),
        value=REQUESTS.encode(request),
        headers=(("traceparent", b"00-1"),),
        misplaced=misplaced,
    )


def make_answers() -> Answers:
    """What builds the answers of the queue ``tasks``."""
    return Answers(RESPONSES, QUEUE)


@dataclass
class FakeMessage:
    """What a delivery report tells of a record."""

    record: Record
    at: int

    def topic(self) -> str:
        return self.record.topic

    def partition(self) -> int:
        return max(0, self.record.partition)

    def offset(self) -> int:
        return self.at


@dataclass
class FakePublisher:
    """Takes records as the real one does, and reports on them at once, or when told."""

    hold: bool = False
    """Whether reports wait for :meth:`report`."""
    room: int | None = None
    """How many records without a report it holds before it says that it is full; None for any number."""
    refuse: Callable[[Record], Exception | None] = lambda _: None
    """The error that it raises for a record."""
    sent: list[Record] = field(default_factory=list)
    waiting: list[tuple[Record, OnDelivery]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def try_publish(self, record: Record, on_delivery: OnDelivery) -> bool:
        error = self.refuse(record)
        if error is not None:
            raise error
        with self.lock:
            if self.room is not None and len(self.waiting) >= self.room:
                return False
            self.sent.append(record)
            at = len(self.sent)
            if self.hold:
                self.waiting.append((record, on_delivery))
                return True
        on_delivery(None, cast(Message, FakeMessage(record, at)))
        return True

    def report(self, code: int | None = None, count: int | None = None) -> None:
        """Report on the records that wait, oldest first: success, or an error code of Kafka's."""
        with self.lock:
            count = len(self.waiting) if count is None else count
            reported, self.waiting = self.waiting[:count], self.waiting[count:]
        error = None if code is None else KafkaError(code, "so says the fake")
        for record, on_delivery in reported:
            on_delivery(error, cast(Message, FakeMessage(record, len(self.sent))))

    def responses(self) -> list[TaskResponse]:
        """The responses among what was sent."""
        return [RESPONSES.decode(record.value) for record in self.sent if record.topic == QUEUE.responses]

    def letters(self) -> list[Record]:
        """The dead letters among what was sent."""
        return [record for record in self.sent if record.topic == QUEUE.dead_letters]

    @property
    def as_publisher(self) -> Publisher:
        """Itself, for what wants the real one."""
        return cast(Publisher, self)
