"""Makes a queue ready for tasks: topics as wanted and led, the schema of each of its events registered."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from mabos.kafka.admin import Cluster
from mabos.kafka.clients import open_registry
from mabos.kafka.errors import BrokerUnavailable, TopicsDiffer
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue, diff_topics, read_topic_specs
from mabos.schemas.codec import CONTROL, REQUEST, RESPONSE, EventType, subject_of

_LEADER_TIMEOUT_S = 10.0


def event_types(queue: Queue) -> dict[str, EventType[Any]]:
    """The events of a queue, each by its topic; the dead letters hold records of any kind."""
    return {queue.requests: REQUEST, queue.responses: RESPONSE, queue.controls: CONTROL}


def prepare_queue(settings: Settings) -> None:
    """Make the topics of a queue agree with ``topics.toml``, and register its schemas. Safe to repeat.

    Raises:
        BrokerUnavailable: No broker answers.
        RegistryError: The registry does not answer, or refuses.
    """
    cluster, queue = Cluster(settings), Queue(name=settings.queue)
    specs = read_topic_specs(queue, brokers=cluster.count_brokers())
    cluster.apply_changes(specs, diff_topics(specs, cluster.describe_topics([spec.name for spec in specs])))
    _await_leaders(cluster, [spec.name for spec in specs])
    registry = open_registry(settings)
    for topic, event_type in event_types(queue).items():
        registry.register(subject_of(topic), event_type.schema_text)


def _await_leaders(cluster: Cluster, topics: Sequence[str]) -> None:
    """A new topic is in the metadata a moment before its leaders know of it: wait until they answer."""
    deadline = time.monotonic() + _LEADER_TIMEOUT_S
    for topic in topics:
        while True:
            try:
                cluster.end_offsets(topic)
                break
            except (BrokerUnavailable, TopicsDiffer):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
