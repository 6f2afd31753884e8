"""Real brokers: they answer, keep data, survive crashes, and never outlive their owner."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import psutil
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from mabos.kafka.errors import DiskProblem, PortTaken, StartFailed
from mabos.kafka.local_broker import LocalBroker, LocalCluster
from mabos.kafka.ports import free_ports
from tests.support.waiting import eventually

QUIET = {"log_level": 0}  # a killed broker is no news in a test's output


def make_topic(servers: str, name: str, *, replicas: int = 1) -> None:
    admin = AdminClient({"bootstrap.servers": servers, **QUIET})
    admin.create_topics([NewTopic(name, 3, replicas)])[name].result(20)


def publish(servers: str, topic: str, value: bytes) -> None:
    """Write one record to partition 0, acknowledged by all replicas in sync."""
    failures: list[object] = []
    producer = Producer({"bootstrap.servers": servers, "acks": "all", "message.timeout.ms": 60_000, **QUIET})
    producer.produce(topic, value, partition=0, on_delivery=lambda error, _: failures.append(error))
    assert producer.flush(60) == 0
    assert failures == [None]


def read_all(servers: str, topic: str) -> list[bytes]:
    """All records of partition 0."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "reader", **QUIET})
    try:
        _, end = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=20)
        consumer.assign([TopicPartition(topic, 0, 0)])
        return [record.value() or b"" for record in consumer.consume(end, timeout=20)]
    finally:
        consumer.close()


def test_broker_keeps_its_data_over_crash_and_restart(tmp_path: Path) -> None:
    """Killed, it comes back at its port; stopped and started at another, it still has every record and its identity."""
    with LocalBroker(data_dir=tmp_path / "data") as broker:
        servers = broker.bootstrap_servers
        cluster_id = AdminClient({"bootstrap.servers": servers, **QUIET}).list_topics(timeout=10).cluster_id
        assert tmp_path.joinpath("data").stat().st_mode & 0o777 == 0o700
        make_topic(servers, "kept")
        publish(servers, "kept", b"before the crash")
        broker.kill()
        assert not broker.is_alive
        broker.start()
        assert broker.bootstrap_servers == servers
        publish(servers, "kept", b"after the crash")
        with pytest.raises(DiskProblem, match="in use by process"):
            LocalBroker(data_dir=tmp_path / "data").start()
    (port,) = free_ports(1)
    with LocalBroker(port, data_dir=tmp_path / "data") as broker:
        assert broker.bootstrap_servers == f"127.0.0.1:{port}"
        assert read_all(broker.bootstrap_servers, "kept") == [b"before the crash", b"after the crash"]
        metadata = AdminClient({"bootstrap.servers": broker.bootstrap_servers, **QUIET}).list_topics(timeout=10)
        assert metadata.cluster_id == cluster_id
        assert [f"{node.host}:{node.port}" for node in metadata.brokers.values()] == [broker.bootstrap_servers]
        with pytest.raises(PortTaken, match=rf"port {port} is taken by java"):
            LocalBroker(port).start()


def test_broker_dies_with_its_killed_owner(tmp_path: Path) -> None:
    """Kill -9 of the owner leaves no JVM, and the folder is soon free for the next owner."""
    text = textwrap.dedent(
        f"""
        import pathlib, sys
        from mabos.kafka.local_broker import LocalBroker
        broker = LocalBroker(data_dir=pathlib.Path({str(tmp_path / "data")!r}))
        broker.start()
        print(broker.pid, broker.port, flush=True)
        sys.stdin.read()
        """
    )
    with subprocess.Popen([sys.executable, "-c", text], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        pid, port = map(int, owner.stdout.readline().split())
        assert psutil.pid_exists(pid)
        owner.kill()
    with LocalBroker(port, data_dir=tmp_path / "data") as broker:  # waits for the folder, so the port is free too
        assert broker.pid != pid
        assert not psutil.pid_exists(pid)


def test_cluster_of_three_stays_writable_with_one_dead() -> None:
    """Each broker knows all; a replicated topic takes writes while one is gone; it comes back."""
    with LocalCluster(3) as cluster:
        servers = cluster.bootstrap_servers
        assert len(servers.split(",")) == 3
        make_topic(servers, "replicated", replicas=3)
        publish(servers, "replicated", b"all three")
        cluster.nodes[1].kill()
        publish(servers, "replicated", b"two left")
        cluster.nodes[1].start()
        admin = AdminClient({"bootstrap.servers": servers, **QUIET})
        eventually(lambda: len(admin.list_topics(timeout=5).brokers) == 3)
        assert read_all(servers, "replicated") == [b"all three", b"two left"]
        folder = cluster.data_dir
    assert not folder.exists()


def test_refused_property_is_one_line_with_the_log_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A start that fails names the cause and a log that is still there."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(StartFailed, match=r"num\.io\.threads") as caught:
        LocalBroker(properties={"num.io.threads": "none"}).start()
    assert "\n" not in str(caught.value)
    assert caught.value.log_file.exists()


def test_full_disk_stops_the_start() -> None:
    """Less than 500 MiB free: nothing is started."""
    broker = LocalBroker(free=lambda _: 1)
    with pytest.raises(DiskProblem, match="0 MiB free"):
        broker.start()
    assert not broker.is_alive
