"""How fast a contender is through many tasks: a worker through requests that wait for it, a publisher by itself."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import orjson
from confluent_kafka import Producer

from benchmarks.audits import prove_order
from benchmarks.contenders import Contender, running
from benchmarks.display import Display
from benchmarks.errors import MeasurementFailed
from benchmarks.meter import Throughput, TopicMeter
from benchmarks.profiles import Profiler
from benchmarks.rig import Rig, describe_road
from benchmarks.tasks import make_task
from benchmarks.wire import Road, Wire
from mabos.kafka.clients import librdkafka_config
from mabos.kafka.settings import Settings

_FLUSH_TIMEOUT_S = 60.0
_FULL_PAUSE_S = 0.1
_KEPT = 300_000  # records of the load


class ThroughputBench:
    """Measures contenders one after the other, each on fresh topics.

    Args:
        rig: The broker and registry.
        display: Shows how far it is.
        profiler: Looks into our own contenders while they run; None to leave them alone.
    """

    def __init__(self, rig: Rig, display: Display, profiler: Profiler | None = None) -> None:
        self._rig, self._display, self._profiler = rig, display, profiler
        self._load: list[tuple[bytes, bytes]] = []
        self._load_id = 0

    def measure_worker(self, contender: Contender, count: int) -> Throughput:
        """Have a contender answer requests that are there already; what ours did is audited afterwards.

        Raises:
            MeasurementFailed: It ended, stood still, or broke a promise.
        """
        with self._rig.new_queue() as settings:
            road = describe_road(settings)
            self.publish_load(settings, road, count)
            with running(contender, road, self._rig.folder, self._profiler) as started:
                result = TopicMeter(settings, road.responses, count).watch(started, self._display)
            if contender.is_ours:
                prove_order(settings)
        return self._told(contender, result)

    def measure_publisher(self, contender: Contender, count: int) -> Throughput:
        """Have a contender publish requests, and end when each is acknowledged.

        Raises:
            MeasurementFailed: It ended with an error, or stood still.
        """
        with self._rig.new_queue() as settings:
            road = describe_road(settings, count=count)
            with running(contender, road, self._rig.folder, self._profiler) as started:
                result = TopicMeter(settings, road.requests, count).watch(started, self._display)
                started.wait(_FLUSH_TIMEOUT_S)
        return self._told(contender, result)

    def publish_load(self, settings: Settings, road: Road, count: int) -> None:
        """Put the load into the requests topic, as fast as can be."""
        producer = Producer(
            librdkafka_config(settings, "producer")
            | {"queue.buffering.max.messages": 10_000_000, "queue.buffering.max.kbytes": 2_000_000}
        )
        for key, value in self._encoded(road, count):
            while True:
                try:
                    producer.produce(road.requests, value, key)
                except BufferError:
                    producer.poll(_FULL_PAUSE_S)
                else:
                    break
        if producer.flush(_FLUSH_TIMEOUT_S):
            raise MeasurementFailed("the load could not be published")

    def _encoded(self, road: Road, count: int) -> Iterator[tuple[bytes, bytes]]:
        """Keys and values of the load; each of the first ones is encoded once, not once a run."""
        if self._load_id != road.request_id:
            self._load, self._load_id = [], road.request_id
        yield from islice(self._load, count)
        wire = Wire(road)
        for number in range(len(self._load), count):
            task_id, agent_id, payload = make_task(number)
            record = agent_id.encode(), wire.encode_request(task_id, agent_id, orjson.dumps(payload).decode())
            if number < _KEPT:
                self._load.append(record)
            yield record

    def _told(self, contender: Contender, result: Throughput) -> Throughput:
        self._display.say(f"  {contender.name:<32} {result}")
        return result
