"""Responses written by hand, for tests that want no worker."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import KafkaError, Message

from mabos.kafka.clients import open_registry
from mabos.kafka.position import Position
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from mabos.producers import Publisher, Record
from mabos.schemas.codec import RESPONSE, Codec
from mabos.schemas.events import Status, TaskResponse


class Responder:
    """Answers tasks as a worker does: in the partition of the request, under the agent's key."""

    def __init__(self, settings: Settings) -> None:
        self._topic = Queue(name=settings.queue).responses
        self._codec = Codec.for_topic(RESPONSE, self._topic, open_registry(settings))
        self._publisher = Publisher(settings, client_id="test-responder")

    def respond(
        self, request: str, agent_id: str, task_id: str, status: Status = Status.COMPLETED, result_json: str = "{}"
    ) -> str:
        """Write a response, and wait until it is stored; returns its position."""
        places: list[Position] = []
        self.send(Position.parse(request).partition, agent_id, task_id, status, result_json, places)
        assert self._publisher.flush(30) == 0
        return str(places[0])

    def send(
        self,
        partition: int,
        agent_id: str,
        task_id: str,
        status: Status = Status.COMPLETED,
        result_json: str = "{}",
        places: list[Position] | None = None,
    ) -> None:
        """Write a response without waiting."""
        event = TaskResponse(task_id=task_id, agent_id=agent_id, status=status, result_json=result_json)

        def note(error: KafkaError | None, message: Message) -> None:
            assert error is None
            if places is not None:
                places.append(Position(self._topic, partition, message.offset() or 0))

        record = Record(self._topic, agent_id.encode(), self._codec.encode(event), None, partition)
        self._publisher.publish(record, note)

    def flush(self) -> None:
        """Wait until all is stored."""
        assert self._publisher.flush(60) == 0

    def stop(self) -> None:
        """Stop."""
        self._publisher.stop()


@contextmanager
def responding(settings: Settings) -> Iterator[Responder]:
    """A responder."""
    responder = Responder(settings)
    try:
        yield responder
    finally:
        responder.stop()
