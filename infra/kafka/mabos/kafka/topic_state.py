"""How the topics of a queue are: what they hold, whether all copies are there, and what is not as wanted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mabos.kafka.admin import Cluster
from mabos.kafka.topics import TOPICS_FILE, Change, Queue, TopicSpec, diff_topics, read_topic_specs


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicState:
    """A topic of a queue, as it is; of one that is missing, as it is wanted."""

    name: str
    exists: bool
    partitions: int
    replicas: int
    """How many copies there are of each partition."""
    records: int | None
    """How many offsets are between the oldest record and the end; None where nobody can tell."""
    retention_ms: int | None
    """How long it keeps a record; None for ever."""
    cleanup_policy: str
    lagging_partitions: int
    """Partitions with a copy that is behind, or away."""
    leaderless_partitions: int
    """Partitions that nobody can write or read."""
    drift: tuple[str, ...]
    """A line for each thing that is not as ``topics.toml`` wants it."""

    @property
    def is_in_sync(self) -> bool:
        """Whether it is there with all its copies."""
        return self.exists and not self.lagging_partitions and not self.leaderless_partitions

    def to_json(self) -> dict[str, Any]:
        """Its JSON shape."""
        found = asdict(self)
        return found | {"in_sync": self.is_in_sync, "drift": list(self.drift)}


def look_at_topics(cluster: Cluster, queue: Queue, *, file: Path = TOPICS_FILE) -> list[TopicState]:
    """The topics of a queue, as they are.

    Args:
        cluster: Where they are.
        queue: The queue.
        file: What is wanted.

    Raises:
        BrokerUnavailable: No broker answers.
        BrokerRefused: A right is missing.
        OSError: The file cannot be read.
        ValueError: It is no such file.
    """
    wanted = read_topic_specs(queue, brokers=cluster.count_brokers(), file=file)
    found = cluster.describe_topics([spec.name for spec in wanted])
    lagging = cluster.count_lagging(list(found))
    changes = diff_topics(wanted, found)
    return [
        _make_state(
            found.get(spec.name, spec),
            lagging.get(spec.name),
            _count_records(cluster, spec.name) if lagging.get(spec.name, (0, 1))[1] == 0 else None,
            [change for change in changes if change.topic == spec.name],
        )
        for spec in wanted
    ]


def _count_records(cluster: Cluster, topic: str) -> int:
    begin, end = cluster.begin_offsets(topic), cluster.end_offsets(topic)
    return sum(end[partition] - begin.get(partition, end[partition]) for partition in end)


def _make_state(
    spec: TopicSpec, lagging: tuple[int, int] | None, records: int | None, changes: Sequence[Change]
) -> TopicState:
    retention_ms = int(spec.config.get("retention.ms", -1))
    behind, leaderless = lagging or (0, 0)
    return TopicState(
        name=spec.name,
        exists=lagging is not None,
        partitions=spec.partitions,
        replicas=spec.replication_factor,
        records=records,
        retention_ms=None if retention_ms < 0 else retention_ms,
        cleanup_policy=spec.config.get("cleanup.policy", "delete"),
        lagging_partitions=behind,
        leaderless_partitions=leaderless,
        drift=tuple(str(change).removeprefix(f"{spec.name}: ") for change in changes),
    )
