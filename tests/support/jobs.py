"""Records, jobs and tenures, and a publisher with no Kafka behind it, for tests of what runs handlers."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from confluent_kafka import KafkaError, Message

from mabos.consumers.answers import Answers
from mabos.consumers.asking import Asker
from mabos.consumers.jobs import Job
from mabos.consumers.ledger import Ledger
from mabos.consumers.offsets import Offsets
from mabos.consumers.tenure import Tenure
from mabos.kafka.topics import Queue
from mabos.producers.publisher import OnDelivery, Publisher, Record
from mabos.schemas.codec import REQUEST, RESPONSE, Codec
from mabos.schemas.events import TaskRequest, TaskResponse

QUEUE = Queue()
RESPONSES: Codec[TaskResponse] = Codec(RESPONSE, 2, cast(Any, None))
REQUESTS: Codec[TaskRequest] = Codec(REQUEST, 1, cast(Any, None))


def make_tenure(partition: int = 0, *, position: int = 0, ledger: Ledger | None = None) -> Tenure:
    """A partition that was just taken over."""
    return Tenure(partition=partition, offsets=Offsets(position), ledger=Ledger(1000) if ledger is None else ledger)


def make_message(
    agent_id: str = "a",
    payload: object = None,
    *,
    offset: int = 0,
    partition: int = 0,
    task_id: str | None = None,
    deadline_ms: int | None = None,
    payload_json: str | None = None,
) -> Message:
    """A request as the reader gets it; its task is named after its place unless it has a name."""
    request = TaskRequest(
        task_id=task_id or f"t-{partition}-{offset}",
        agent_id=agent_id,
        payload_json=json.dumps(payload or {}) if payload_json is None else payload_json,
        deadline_ms=deadline_ms,
    )
    return make_raw_message(agent_id.encode(), REQUESTS.encode(request), offset=offset, partition=partition)


def make_raw_message(
    key: bytes | None, value: bytes | None, headers: Any = (("traceparent", b"00-1"),), *, offset: int, partition: int
) -> Message:
    """Any record of the requests topic."""
    found = None if headers is None else list(headers)
    return Message(
        topic=QUEUE.requests,
        partition=partition,
        offset=offset,
        key=cast(str, key),
        value=cast(str, value),
        headers=cast(Any, found),
    )


def make_job(agent_id: str = "a", payload: object = None, *, tenure: Tenure | None = None, **names: Any) -> Job:
    """A job as it is once the triage has decoded it; takes what :func:`make_message` takes."""
    message = make_message(agent_id, payload, **names)
    job = Job(message, tenure or make_tenure(names.get("partition", 0)))
    job.request = REQUESTS.decode(job.value)
    return job


def make_answers() -> Answers:
    """What builds the answers of the queue ``tasks``."""
    return Answers(RESPONSES, QUEUE)


class NoSurroundings:
    """What tasks need of their worker, with no worker: progress is kept, and nobody is there to ask."""

    topic = "requests"
    asker = cast(Asker, None)

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []

    def report_progress(self, job: Job, fields: Mapping[str, Any]) -> None:
        self.told.append(dict(fields))


@dataclass
class FakePublisher:
    """Takes records as the real one does, and reports on them at once, or when told."""

    hold: bool = False
    """Whether reports wait for :meth:`report`."""
    room: int | None = None
    """How many records without a report it holds before it says that it is full; None for any number."""
    refuse: Callable[[Record], Exception | None] = lambda _: None
    """The error that it raises for a record."""
    hurries: int = 0
    sent: list[Record] = field(default_factory=list)
    waiting: list[tuple[Record, OnDelivery]] = field(default_factory=list)
    ends: Counter[tuple[str, int]] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take_reports(self) -> None:
        """Nothing to be taken: it reports from where it is told to."""

    def try_publish(self, record: Record, on_delivery: OnDelivery) -> bool:
        error = self.refuse(record)
        if error is not None:
            raise error
        with self.lock:
            if self.room is not None and len(self.waiting) >= self.room:
                return False
            self.sent.append(record)
            if self.hold:
                self.waiting.append((record, on_delivery))
                return True
        on_delivery(None, self._store(record))
        return True

    def hurry(self, timeout_s: float) -> None:
        """Nothing lingers here: it counts how often it is in a hurry."""
        self.hurries += 1

    def report(self, code: int | None = None, count: int | None = None) -> None:
        """Report on the records that wait, oldest first: success, or an error code of Kafka's."""
        with self.lock:
            count = len(self.waiting) if count is None else count
            reported, self.waiting = self.waiting[:count], self.waiting[count:]
        error = None if code is None else KafkaError(code, "so says the fake")
        for record, on_delivery in reported:
            on_delivery(error, self._store(record) if error is None else Message(topic=record.topic))

    def _store(self, record: Record) -> Message:
        with self.lock:
            place = record.topic, max(0, record.partition)
            offset = self.ends[place]
            self.ends[place] += 1
        return Message(topic=record.topic, partition=place[1], offset=offset)

    def flush(self, timeout_s: float) -> int:
        return len(self.waiting)

    def stop(self, timeout_s: float) -> None:
        """Nothing is kept."""

    def __len__(self) -> int:
        return len(self.waiting)

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
