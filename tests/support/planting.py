"""Events written straight into topics, where a test wants them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from confluent_kafka import Producer

from mabos.kafka.clients import librdkafka_config, open_registry
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from mabos.schemas import REQUEST, RESPONSE, Codec, Status, TaskRequest, TaskResponse


@dataclass(frozen=True)
class Planter:
    """Writes events where a test wants them, past all that would prevent it."""

    settings: Settings

    def ask(self, partition: int, *tasks: tuple[str, str], deadline_ms: int | None = None) -> None:
        """Requests: agent and task."""
        topic = Queue(name=self.settings.queue).requests
        codec = Codec.for_topic(REQUEST, topic, open_registry(self.settings))
        events = [TaskRequest(agent_id=a, task_id=t, payload_json="{}", deadline_ms=deadline_ms) for a, t in tasks]
        self._write(topic, partition, [(event.agent_id, codec.encode(event)) for event in events])

    def answer(self, partition: int, *tasks: tuple[str, str], status: Status = Status.COMPLETED) -> None:
        """Responses of tasks that ran."""
        topic = Queue(name=self.settings.queue).responses
        codec = Codec.for_topic(RESPONSE, topic, open_registry(self.settings))
        events = [TaskResponse(agent_id=a, task_id=t, status=status, started_at_ms=1) for a, t in tasks]
        self._write(topic, partition, [(event.agent_id, codec.encode(event)) for event in events])

    def _write(self, topic: str, partition: int, records: Sequence[tuple[str, bytes]]) -> None:
        producer = Producer(librdkafka_config(self.settings, "producer"))
        for agent_id, value in records:
            producer.produce(topic, value, agent_id.encode(), partition)
        assert producer.flush(30) == 0
