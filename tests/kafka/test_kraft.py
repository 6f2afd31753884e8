"""What a broker finds on disk before it starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from mabos.kafka.kraft import (
    NodeConfig,
    broker_properties,
    format_storage,
    new_cluster_id,
    read_cluster_id,
    write_properties,
)


def make_config(nodes: int, **properties: str) -> NodeConfig:
    voters = {node: 9000 + node for node in range(1, nodes + 1)}
    return NodeConfig(node_id=1, port=9092, voters=voters, data_dir=Path("/data"), properties=properties)


def test_every_listener_is_on_the_loopback_address() -> None:
    """Nobody outside this machine reaches a broker without security."""
    found = broker_properties(make_config(3))
    for name in ("listeners", "advertised.listeners"):
        assert all("//127.0.0.1:" in listener for listener in found[name].split(","))


@pytest.mark.parametrize(("nodes", "replicas", "in_sync"), [(1, "1", "1"), (2, "2", "1"), (3, "3", "2"), (5, "3", "2")])
def test_internal_topics_are_sized_to_the_cluster(nodes: int, replicas: str, in_sync: str) -> None:
    """Replicated as far as there are brokers, writable with one down."""
    found = broker_properties(make_config(nodes))
    assert found["offsets.topic.replication.factor"] == replicas
    assert found["transaction.state.log.replication.factor"] == replicas
    assert found["transaction.state.log.min.isr"] == in_sync
    assert found["min.insync.replicas"] == in_sync


def test_callers_properties_win() -> None:
    """A test may set what it needs."""
    assert broker_properties(make_config(1, **{"log.segment.bytes": "1048576"}))["log.segment.bytes"] == "1048576"


def test_formatted_folder_tells_its_cluster(tmp_path: Path) -> None:
    """The id is read back; a folder without one is not formatted."""
    assert read_cluster_id(tmp_path) is None
    cluster_id = new_cluster_id()
    format_storage(tmp_path, node_id=1, cluster_id=cluster_id, checkpoint=b"first")
    assert read_cluster_id(tmp_path) == cluster_id


def test_cluster_ids_are_as_kafka_wants_them() -> None:
    """22 characters, none beginning with a dash: Kafka's tools would take it for an option."""
    ids = {new_cluster_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(len(text) == 22 and not text.startswith("-") for text in ids)


def test_values_are_escaped_for_java(tmp_path: Path) -> None:
    """A backslash or a line end in a path must not become another property."""
    write_properties(tmp_path / "p", {"a": "x\\y", "b": "1\nc=2"})
    assert (tmp_path / "p").read_text("utf-8") == "a=x\\\\y\nb=1\\nc=2\n"
