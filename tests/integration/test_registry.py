"""The real registry does what the schemas room expects of it, and other clients read what we write."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from mabos.kafka.local_registry import LocalRegistry
from mabos.schemas import (
    CONTROL,
    REQUEST,
    RESPONSE,
    Codec,
    DecodeError,
    IncompatibleSchema,
    RegistryUnavailable,
    SchemaRegistry,
    Status,
    TaskError,
    TaskRequest,
    TaskResponse,
)
from mabos.schemas.fields import from_ms

NUMBERS = itertools.count(1)
EVENT = TaskRequest(task_id="naïve ✓", agent_id="агент", payload_json='{"action":"add"}', deadline_ms=1_790_000_000_123)
ANSWER = TaskResponse(
    task_id="t", agent_id="a", status=Status.FAILED, error=TaskError(code="c", message="m", retryable=True), attempt=3
)


@contextmanager
def open_registry(url: str, cache_dir: Path | None = None) -> Iterator[SchemaRegistry]:
    """A client of its own, with nothing in its memory."""
    with SchemaRegistry(url, cache_dir=cache_dir, timeout_s=10.0) as registry:
        yield registry


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with LocalRegistry() as running:
        yield running.url


@pytest.fixture
def topic() -> str:
    return f"topic-{next(NUMBERS)}"


@pytest.fixture
def subject(topic: str) -> str:
    return f"{topic}-value"


def adding(text: str, **field: Any) -> str:
    schema = json.loads(text)
    return json.dumps(schema | {"fields": [*schema["fields"], field]})


@pytest.mark.parametrize("text", [REQUEST.schema_text, RESPONSE.schema_text, CONTROL.schema_text])
def test_the_contract_is_registered_once(url: str, subject: str, text: str) -> None:
    """The bundled schemas are taken, and whoever registers them again gets the same id."""
    with open_registry(url) as first, open_registry(url) as second:
        assert first.history(subject) == []
        schema_id = first.register(subject, text)
        assert second.register(subject, text) == schema_id
        assert second.schema_id(subject, text) == schema_id
        assert len(second.history(subject)) == 1


def test_a_subject_is_full_transitive(url: str, subject: str) -> None:
    """The rule is in force from the first version on, and the registry keeps it against clients that do not."""
    with open_registry(url) as registry:
        registry.register(subject, REQUEST.schema_text)
        with pytest.raises(IncompatibleSchema, match='field "size": is missing') as refused:
            registry.register(subject, adding(REQUEST.schema_text, name="size", type="int"))
        assert refused.value.problems
    client = SchemaRegistryClient({"url": url})
    assert client.get_compatibility(subject) == "FULL_TRANSITIVE"
    client.close()


def test_the_registry_refuses_what_we_refuse(url: str, subject: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A breaking change that reaches the registry itself is a conflict there, and told as an incompatible schema."""
    with open_registry(url) as registry:
        registry.register(subject, REQUEST.schema_text)
        monkeypatch.setattr("mabos.schemas.registry.find_breaks", lambda *_: [])
        with pytest.raises(IncompatibleSchema):
            registry.register(subject, adding(REQUEST.schema_text, name="size", type="int"))


def test_versions_read_each_other(url: str, subject: str) -> None:
    """An old client reads new records and a new one old records, by their ids alone."""
    with open_registry(url) as writer, open_registry(url) as reader:
        old_id = writer.register(subject, REQUEST.schema_text)
        new_id = writer.register(subject, adding(REQUEST.schema_text, name="priority", type="int", default=0))
        assert old_id != new_id
        codec = Codec(REQUEST, old_id, reader)
        old = codec.encode(EVENT)
        assert codec.decode(b"\0" + new_id.to_bytes(4) + old[5:] + b"\x0e") == EVENT
        assert Codec(REQUEST, new_id + 1000, reader).decode(old) == EVENT


@pytest.mark.parametrize("schema_id", [1_000_000, 2**31 - 1])
def test_an_id_that_the_registry_does_not_know(url: str, schema_id: int) -> None:
    """The real registry's "no such schema" is understood as that."""
    with open_registry(url) as registry, pytest.raises(DecodeError) as refused:
        Codec(REQUEST, 1, registry).decode(b"\0" + schema_id.to_bytes(4) + b"\0")
    assert refused.value.code == "unknown_schema"


@pytest.mark.parametrize("route", ["", "/apis/ccompat/v1", "/apis"])
def test_a_wrong_path_is_no_registry(url: str, route: str) -> None:
    """A URL with the wrong path does not make all ids unknown: the registry counts as away."""
    with open_registry(url.replace("/apis/ccompat/v7", route)) as registry, pytest.raises(RegistryUnavailable):
        registry.schema_text(1)


def test_confluent_reads_what_we_write(url: str, topic: str, subject: str) -> None:
    """The Avro deserializer of confluent-kafka gives the fields of our events, times as datetimes."""
    with open_registry(url) as registry:
        codec = Codec(REQUEST, registry.register(subject, REQUEST.schema_text), registry)
        client = SchemaRegistryClient({"url": url})
        record = AvroDeserializer(client)(codec.encode(EVENT), SerializationContext(topic, MessageField.VALUE))
        assert record == EVENT.to_record() | {"deadline": from_ms(EVENT.deadline_ms)}
        client.close()


def test_we_read_what_confluent_writes(url: str, topic: str, subject: str) -> None:
    """What the Avro serializer of confluent-kafka writes are the bytes that we write."""
    with open_registry(url) as registry:
        codec = Codec(RESPONSE, registry.register(subject, RESPONSE.schema_text), registry)
        client = SchemaRegistryClient({"url": url})
        serialize = AvroSerializer(client, RESPONSE.schema_text, conf={"auto.register.schemas": False})
        record = ANSWER.to_record() | {"started_at": datetime(2026, 1, 1, tzinfo=UTC)}
        value = serialize(record, SerializationContext(topic, MessageField.VALUE))
        assert codec.decode(value).started_at == record["started_at"]
        assert codec.encode(codec.decode(value)) == value
        client.close()


def test_a_registry_that_comes_back_is_asked_again(tmp_path: Path) -> None:
    """While the registry is down what was learned goes on; when it is back the rest is found, at its old ids."""
    newer = adding(REQUEST.schema_text, name="priority", type="int", default=0)
    with LocalRegistry(data_dir=tmp_path / "data") as running:
        url, port = running.url, running.port
        with open_registry(url, tmp_path) as registry:
            old_id = registry.register("s-value", REQUEST.schema_text)
            known_id = registry.register("s-value", newer)
    with SchemaRegistry(url, cache_dir=tmp_path, pause_s=0) as registry:
        assert registry.schema_id("s-value", REQUEST.schema_text) == old_id
        assert registry.schema_text(known_id) == newer
        assert not registry.is_answering()
        with pytest.raises(RegistryUnavailable):
            registry.history("s-value")
        with LocalRegistry(port, data_dir=tmp_path / "data"):
            assert registry.is_answering()
            assert registry.register("s-value", newer) == known_id
