"""A real registry: it answers as Confluent's does, keeps schemas, and refuses breaking ones."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

from mabos.kafka.errors import DiskProblem, PortTaken
from mabos.kafka.local_registry import LocalRegistry, answers

SCHEMA = '{"type": "record", "name": "Note", "fields": [{"name": "text", "type": "string"}]}'


def test_registry_keeps_schemas_over_crash_and_restart(tmp_path: Path) -> None:
    """An id that a client got is never forgotten: not by a crash in the same moment, not at another port."""
    with LocalRegistry(data_dir=tmp_path / "data") as registry:
        first_url = registry.url
        with SchemaRegistryClient({"url": registry.url}) as client:
            schema_id = client.register_schema("notes-value", Schema(SCHEMA, "AVRO"))
        registry.kill()
        assert not registry.is_alive
        registry.start()
        assert registry.url == first_url
        with SchemaRegistryClient({"url": registry.url}) as client:
            assert "Note" in (client.get_schema(schema_id).schema_str or "")
        with pytest.raises(DiskProblem, match="in use by process"):
            LocalRegistry(data_dir=tmp_path / "data").start()
        with pytest.raises(PortTaken, match=rf"port {registry.port} is taken by java"):
            LocalRegistry(registry.port).start()
    with LocalRegistry(data_dir=tmp_path / "data") as registry:
        with SchemaRegistryClient({"url": registry.url}) as client:
            assert client.get_subjects() == ["notes-value"]
        listening = [
            connection.laddr.ip
            for connection in psutil.Process(registry.pid).net_connections(kind="tcp")
            if connection.status == psutil.CONN_LISTEN
        ]
        assert {ip.removeprefix("::ffff:") for ip in listening} == {"127.0.0.1"}


def test_nobody_answers_at_a_free_port() -> None:
    """The probe does not raise when there is nothing."""
    assert not answers(1)
