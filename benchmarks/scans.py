"""How fast one agent's tasks are found in the log: a replay's scan, beside the shortest loop that looks at keys."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from confluent_kafka import Consumer, TopicPartition

from benchmarks.display import Display
from benchmarks.errors import MeasurementFailed
from benchmarks.load import make_task
from benchmarks.rig import Rig, describe_road
from benchmarks.throughput import ThroughputBench
from mabos.consumers import History, Reach, Selection, find_reach
from mabos.kafka.clients import librdkafka_config, open_registry
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue

_STALL_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """One look through a partition, from connecting on."""

    records: int
    """Records of the partition."""
    took_s: float
    """How long it took."""

    @property
    def rate(self) -> float:
        """Records a second."""
        return self.records / self.took_s


class ScanBench:
    """Scans one queue again and again.

    Args:
        rig: The broker and registry.
        throughput: Publishes the load.
        display: Shows how far it is.
    """

    def __init__(self, rig: Rig, throughput: ThroughputBench, display: Display) -> None:
        self._rig, self._throughput, self._display = rig, throughput, display

    @contextmanager
    def loaded(self, count: int) -> Iterator[Settings]:
        """Settings of a queue with so many requests."""
        with self._rig.new_queue() as settings:
            self._display.say(f"  publishing {count:,} requests")
            self._throughput.publish_load(settings, describe_road(settings), count)
            yield settings

    def scan(self, settings: Settings, count: int) -> Scan:
        """Find one agent's tasks as a replay does.

        Raises:
            MeasurementFailed: It found other tasks than there are, or read more than the agent's partition.
        """
        agents = [make_task(number)[1] for number in range(count)]
        agent_id, registry = agents[0], open_registry(settings)
        wanted = agents.count(agent_id)
        begun_s = time.monotonic()
        selection = Selection(agent_id=agent_id)
        reach = find_reach(settings, selection)
        found = sum(1 for _ in History(settings, registry, selection, reach, joins=False))
        took_s = time.monotonic() - begun_s
        if found != wanted or len(reach.stretches) != 1:
            raise MeasurementFailed(
                f"the scan found {found} of {wanted} tasks of {agent_id} in {len(reach.stretches)} partitions"
            )
        return self._told("MABOS replay", Scan(records=reach.records, took_s=took_s))

    def scan_bare(self, settings: Settings, count: int) -> Scan:
        """Look at each key of the same partition, and do nothing else.

        Raises:
            MeasurementFailed: No record comes any more.
        """
        agent_id = make_task(0)[1]
        reach: Reach = find_reach(settings, Selection(agent_id=agent_id))
        [(partition, stretch)] = reach.stretches.items()
        key, found, last_s = agent_id.encode(), 0, time.monotonic()
        begun_s = last_s
        consumer = Consumer(librdkafka_config(settings, "reader"))
        try:
            consumer.assign([TopicPartition(Queue(name=settings.queue).requests, partition, stretch.begin)])
            left = reach.records
            while left > 0:
                messages = consumer.consume(10_000, 0.05)
                found += sum(message.key() == key for message in messages)
                left -= len(messages)
                last_s = time.monotonic() if messages else last_s
                if time.monotonic() - last_s > _STALL_S:
                    raise MeasurementFailed(f"{left} of {count} records do not come")
        finally:
            consumer.close()
        return self._told("bare scan", Scan(records=reach.records, took_s=time.monotonic() - begun_s))

    def _told(self, name: str, scan: Scan) -> Scan:
        self._display.say(f"  {name:<32} {scan.rate:9,.0f} records/s")
        return scan
