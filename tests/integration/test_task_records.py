"""The records of a task through the gateway, from a real log: headers, key and schema."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from pydantic import SecretStr

from mabos.kafka.clients import librdkafka_config, open_registry
from mabos.kafka.position import Position
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from mabos.schemas.codec import REQUEST, Codec
from mabos.schemas.events import TaskRequest
from mabos.streams.database import connect, ensure_view, live_schema
from mabos.streams.local_database import LocalDatabase
from tests.gateway.shape import read_problem
from tests.integration.test_gateway import gateway
from tests.support.platform import Platform

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
PATH = "/api/tasks/a%2Fb/records"
HEADERS: list[tuple[str, bytes | None]] = [("traceparent", TRACE.encode()), ("raw", b"\x00\xff"), ("raw", b"")]


def store(settings: Settings, value: bytes) -> Position:
    """Put a record in the log, with headers of several kinds."""
    stored: list[Position] = []
    producer = Producer(librdkafka_config(settings, "producer"))
    producer.produce(
        Queue(name=settings.queue).requests,
        value,
        key=b"agent \xff",
        partition=5,
        headers=HEADERS,
        on_delivery=lambda _, message: stored.append(
            Position(message.topic() or "", message.partition() or 0, message.offset() or 0)
        ),
    )
    assert producer.flush(30) == 0
    return stored[0]


def note(settings: Settings, position: Position, *, answered_at: int | None = None) -> None:
    """Have the view know of the task at a position."""
    ensure_view(settings, live_schema(settings.queue))
    with connect(settings, live_schema(settings.queue)) as connection:
        connection.execute(
            "INSERT INTO tasks (requested_at, request_offset, partition, response_offset, response_partition, state,"
            " task_id, agent_id) VALUES (%s, %s, %s, %s, %s, 'queued', 'a/b', 'agent')",
            (datetime.now(UTC), position.offset, position.partition, answered_at, position.partition),
        )


def test_records_are_told_as_they_stand_in_the_log(platform: Platform) -> None:
    """Each header in its place, bytes that are no text in base64 and marked; the schema with its version.

    One that retention took is said to be gone; once all are, the answer is 410.
    """
    with LocalDatabase() as database:
        settings = platform.new_queue(database_url=SecretStr(database.url))
        queue, registry = Queue(name=settings.queue), open_registry(settings)
        codec = Codec.for_topic(REQUEST, queue.requests, registry)
        value = codec.encode(TaskRequest(task_id="a/b", agent_id="agent", payload_json="{}"))
        position = store(settings, value)
        note(settings, position, answered_at=1000)
        with gateway(settings) as client:
            shown: dict[str, Any] = client.get(PATH).raise_for_status().json()
            admin = AdminClient(librdkafka_config(settings, "admin"))
            for future in admin.delete_records([TopicPartition(queue.requests, 5, position.offset + 1)]).values():
                future.result()
            gone = client.get(PATH)
    request = shown["request"]
    assert request["headers"] == [
        {"name": "traceparent", "value": TRACE, "encoding": "utf-8"},
        {"name": "raw", "value": "AP8=", "encoding": "base64"},
        {"name": "raw", "value": "", "encoding": "utf-8"},
    ]
    assert request["key"] == {"value": "YWdlbnQg/w==", "encoding": "base64"}
    assert (request["position"], request["size_bytes"]) == (str(position), len(value))
    assert (request["schema_id"], request["schema_version"]) == (codec.schema_id, 1)
    assert (shown["response"], shown["gone"]) == (None, ["response"])
    assert str(position) in read_problem(gone, 410)["detail"]
