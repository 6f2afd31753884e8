"""What a KRaft broker finds on disk before it starts: its properties, its log configuration, its formatted storage."""

from __future__ import annotations

import base64
import subprocess
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mabos.kafka.artifacts import find_java
from mabos.kafka.errors import StartFailed
from mabos.kafka.ports import LOOPBACK
from mabos.kafka.process import telling_line

_CHECKPOINT = "bootstrap.checkpoint"
_FORMAT_TIMEOUT_S = 60
_INTERNAL_PARTITIONS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeConfig:
    """One broker, which is a controller too."""

    node_id: int
    """1, 2, … in the cluster."""
    port: int
    """Where clients connect, on the loopback address."""
    voters: Mapping[int, int]
    """Controller port of each node of the cluster, by node id."""
    data_dir: Path
    """Kafka's own folder: topics and the metadata log."""
    properties: Mapping[str, str] = field(default_factory=dict)
    """The caller's broker properties; they win."""


def broker_properties(config: NodeConfig) -> dict[str, str]:
    """All properties of a local broker, the caller's last.

    Everything is sized for a laptop: few threads, small segments, internal topics of few partitions. Those are
    replicated as far as the cluster goes, and stay writable with one broker of three down.
    """
    size = len(config.voters)
    replicas = str(min(size, 3))
    voters = ",".join(f"{node}@{LOOPBACK}:{port}" for node, port in sorted(config.voters.items()))
    return {
        "process.roles": "broker,controller",
        "node.id": str(config.node_id),
        "listeners": f"PLAINTEXT://{LOOPBACK}:{config.port},CONTROLLER://{LOOPBACK}:{config.voters[config.node_id]}",
        "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{config.port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "controller.quorum.voters": voters,
        "log.dirs": str(config.data_dir),
        "auto.create.topics.enable": "false",
        "default.replication.factor": replicas,
        "min.insync.replicas": "2" if size >= 3 else "1",
        "log.message.timestamp.type": "LogAppendTime",  # a producer's wrong clock would get records deleted
        "offsets.topic.replication.factor": replicas,
        "offsets.topic.num.partitions": str(_INTERNAL_PARTITIONS),
        "offsets.topic.segment.bytes": str(16 * 2**20),
        "transaction.state.log.replication.factor": replicas,
        "transaction.state.log.min.isr": "2" if size >= 3 else "1",
        "transaction.state.log.num.partitions": str(_INTERNAL_PARTITIONS),
        "transaction.state.log.segment.bytes": str(16 * 2**20),
        "transaction.abort.timed.out.transaction.cleanup.interval.ms": "2000",
        "share.coordinator.state.topic.replication.factor": replicas,
        "share.coordinator.state.topic.min.isr": "1",
        "share.coordinator.state.topic.num.partitions": str(_INTERNAL_PARTITIONS),
        **_group_properties(),
        **_size_properties(),
        **(_LONE_PROPERTIES if size == 1 else {}),
        **config.properties,
    }


_LONE_PROPERTIES = {
    # A killed broker may not register again before its old session ends. Nobody else waits for it here.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "1000",
}


def _group_properties() -> dict[str, str]:
    """Take-over after a killed worker in about 10 s; Kafka's own minimum is 45 s (KIP-848 sets it on the broker)."""
    return {
        "group.initial.rebalance.delay.ms": "0",
        "group.min.session.timeout.ms": "6000",
        "group.consumer.min.session.timeout.ms": "6000",
        "group.consumer.session.timeout.ms": "10000",
        "group.consumer.min.heartbeat.interval.ms": "1000",
        "group.consumer.heartbeat.interval.ms": "2000",
    }


def _size_properties() -> dict[str, str]:
    return {
        "num.network.threads": "2",
        "num.io.threads": "4",
        "num.replica.fetchers": "1",
        "num.recovery.threads.per.data.dir": "2",
        "background.threads": "2",
        "log.cleaner.dedupe.buffer.size": str(16 * 2**20),  # 128 MiB by default, a quarter of our heap
        "log.segment.bytes": str(256 * 2**20),
        "metadata.log.segment.bytes": str(16 * 2**20),
        "metadata.max.idle.interval.ms": "5000",  # else an idle controller writes to disk twice a second
        "controlled.shutdown.max.retries": "1",
    }


def write_properties(path: Path, properties: Mapping[str, str]) -> None:
    """Write a Java properties file; backslashes and line ends in values are escaped."""
    lines = [f"{name}={value.translate(_ESCAPES)}\n" for name, value in properties.items()]
    path.write_text("".join(lines), "utf-8")


_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", "\r": "\\r"})


def write_log_config(path: Path, log_file: Path) -> None:
    """Write a log4j2 configuration: one file, rotated at 5 MiB, at most two of them.

    The level is INFO for starts and elections, WARN for what Kafka repeats for every partition.
    """
    noisy = ["org.apache.kafka.storage", "kafka.log", "org.apache.kafka.clients", "org.apache.kafka.common.config"]
    noisy += [
        "kafka.server.KafkaConfig",
        "org.apache.kafka.controller.ReplicationControlManager",
        "state.change.logger",
    ]
    loggers = "\n".join(f"      - {{name: {name}, level: WARN}}" for name in noisy)
    quoted = str(log_file).replace("'", "''")
    path.write_text(
        f"""Configuration:
  status: error
  shutdownHook: disable
  Appenders:
    RollingFile:
      name: file
      fileName: '{quoted}'
      filePattern: '{quoted}.%i'
      PatternLayout: {{pattern: "%d{{ISO8601}} %-5p %m (%c)%n"}}
      Policies: {{SizeBasedTriggeringPolicy: {{size: 5 MB}}}}
      DefaultRolloverStrategy: {{max: 1}}
  Loggers:
    Logger:
{loggers}
    Root:
      level: INFO
      AppenderRef: {{ref: file}}
""",
        "utf-8",
    )


def new_cluster_id() -> str:
    """A fresh cluster id, as Kafka writes them: 22 characters that do not begin with a dash."""
    while (text := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return text


def read_cluster_id(data_dir: Path) -> str | None:
    """The cluster id of a formatted folder, or ``None`` if it is not formatted."""
    try:
        lines = (data_dir / "meta.properties").read_text("utf-8").splitlines()
    except FileNotFoundError:
        return None
    return next((line.partition("=")[2] for line in lines if line.startswith("cluster.id=")), None)


def format_storage(data_dir: Path, *, node_id: int, cluster_id: str, checkpoint: bytes) -> None:
    """Format a folder as Kafka's own tool does, without starting a JVM for it.

    Args:
        data_dir: Kafka's folder; made if need be.
        node_id: The node it belongs to.
        cluster_id: The same for all nodes of a cluster.
        checkpoint: From ``make_checkpoint``: the features of a new cluster. It names neither node nor cluster.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    (data_dir / _CHECKPOINT).write_bytes(checkpoint)
    # Last: a folder without it counts as not formatted, so a crash in between is made good.
    write_properties(
        data_dir / "meta.properties",
        {"version": "1", "cluster.id": cluster_id, "node.id": str(node_id), "directory.id": new_cluster_id()},
    )


def make_checkpoint(jars: Sequence[Path]) -> bytes:
    """Have Kafka's tool format a folder, and take the first metadata of a new cluster from it.

    Returns:
        The checkpoint file: the feature levels of this Kafka version (groups of KIP-848, transactions of KIP-890, …).

    Raises:
        StartFailed: The tool failed.
    """
    with tempfile.TemporaryDirectory(prefix="mabos-format-") as scratch:
        folder = Path(scratch)
        config = NodeConfig(node_id=1, port=1, voters={1: 2}, data_dir=folder / "data")
        write_properties(folder / "server.properties", broker_properties(config))
        argv = [str(find_java()), "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-cp", ":".join(map(str, jars))]
        argv += ["kafka.tools.StorageTool", "format", "-t", new_cluster_id(), "-c", str(folder / "server.properties")]
        done = subprocess.run(
            argv,
            capture_output=True,
            text=True,
            env={},
            timeout=_FORMAT_TIMEOUT_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        if done.returncode:
            log_file = Path(tempfile.gettempdir()) / "mabos-format.log"
            log_file.write_text(done.stdout + done.stderr, "utf-8")
            line = telling_line((done.stdout + done.stderr).splitlines())
            raise StartFailed(f"the broker's storage cannot be formatted: {line} (log: {log_file})", log_file)
        return (config.data_dir / _CHECKPOINT).read_bytes()
