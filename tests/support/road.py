"""Workers in threads, and what stands in the topics afterwards, for tests on a real broker."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from confluent_kafka import Consumer, Message, TopicPartition

from mabos.consumers import AgentGroup, Worker, WorkerLimits
from mabos.kafka.admin import Cluster
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from mabos.schemas.codec import RESPONSE, Codec
from mabos.schemas.errors import MabosError
from mabos.schemas.events import Status, TaskResponse
from mabos.schemas.registry import SchemaRegistry
from tests.support.registries import FakeRegistry
from tests.support.waiting import eventually


class RunningWorker:
    """A worker in a thread."""

    def __init__(
        self,
        agents: AgentGroup,
        settings: Settings,
        registry: SchemaRegistry | None = None,
        limits: WorkerLimits | None = None,
    ) -> None:
        self.worker = Worker(agents, settings, registry, limits=limits)
        self.error: MabosError | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.worker.run()
        except MabosError as error:
            self.error = error

    def wait_until_assigned(self) -> None:
        eventually(lambda: self.worker.assigned.is_set() or not self._thread.is_alive(), timeout_s=60)
        assert self.error is None, self.error

    def stop(self) -> None:
        """Stop it in order; it must end."""
        self.worker.stop()
        self.join()

    def join(self) -> None:
        self._thread.join(90)
        assert not self._thread.is_alive(), "the worker does not end"


@contextmanager
def running(
    agents: AgentGroup,
    settings: Settings,
    registry: SchemaRegistry | None = None,
    *,
    limits: WorkerLimits | None = None,
) -> Iterator[RunningWorker]:
    """A worker that has its partitions; it must have ended well at the end."""
    it = RunningWorker(agents, settings, registry, limits)
    try:
        it.wait_until_assigned()
        yield it
    finally:
        it.stop()
    assert it.error is None, it.error


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A record as it stands in the log."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]

    @property
    def header(self) -> Mapping[str, bytes | None]:
        """Headers by name; of one that stands twice, the last."""
        return dict(self.headers)


def read_topic(settings: Settings, topic: str) -> list[Stored]:
    """All records of a topic, by partition and offset, read by a plain Kafka consumer."""
    ends = Cluster(settings).end_offsets(topic)
    wanted = {partition: end for partition, end in ends.items() if end}
    consumer = Consumer(
        {"bootstrap.servers": settings.bootstrap_servers, "group.id": "tests", "enable.auto.commit": False}
    )
    found: list[Stored] = []
    try:
        consumer.assign([TopicPartition(topic, partition, 0) for partition in wanted])
        places = [TopicPartition(topic, partition) for partition in wanted]

        def take() -> bool:
            found.extend(_store(message) for message in consumer.consume(10_000, 0.2))
            # by position: the markers of transactions are passed without giving a record
            return all(place.offset >= wanted[place.partition] for place in consumer.position(places))

        eventually(take, timeout_s=30, every_s=0)
    finally:
        consumer.close()
    return sorted(found, key=lambda stored: (stored.partition, stored.offset))


def _store(message: Message) -> Stored:
    assert message.error() is None, message.error()
    partition, offset = message.partition(), message.offset()
    assert partition is not None
    assert offset is not None
    headers = message.headers() or []
    return Stored(partition=partition, offset=offset, key=message.key(), value=message.value(), headers=headers)  # type: ignore[arg-type]  # its stub is too wide


def read_responses(settings: Settings, registry: SchemaRegistry | FakeRegistry) -> list[TaskResponse]:
    """All responses of a queue, in the order of each partition's log."""
    topic = Queue(name=settings.queue).responses
    schema_id = registry.schema_id(f"{topic}-value", RESPONSE.schema_text)
    codec = Codec(RESPONSE, schema_id, registry)
    return [codec.decode(stored.value) for stored in read_topic(settings, topic)]


def first_outcomes(responses: Sequence[TaskResponse]) -> dict[str, list[tuple[str, Status]]]:
    """By agent, the tasks in the order of their first terminal response."""
    seen: set[tuple[str, str]] = set()
    order: dict[str, list[tuple[str, Status]]] = defaultdict(list)
    for response in responses:
        task = response.agent_id, response.task_id
        if response.status.is_terminal and task not in seen:
            seen.add(task)
            order[response.agent_id].append((response.task_id, response.status))
    return dict(order)


def read_lag(settings: Settings, group: str) -> dict[int, int]:
    """How many records of each requests partition the group has not committed; only where there are any."""
    topic = Queue(name=settings.queue).requests
    ends = Cluster(settings).end_offsets(topic)
    consumer = Consumer({"bootstrap.servers": settings.bootstrap_servers, "group.id": group})
    try:
        places = consumer.committed([TopicPartition(topic, partition) for partition in ends], timeout=20)
    finally:
        consumer.close()
    lag = {place.partition: ends[place.partition] - max(0, place.offset) for place in places}
    return {partition: count for partition, count in lag.items() if count}
