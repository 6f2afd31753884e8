"""How long a task takes at a steady pace: from just before its request is handed to Kafka until its response is read.

One process sends and reads, so there is one clock. Its own cost is in every figure, the same for all.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

import orjson
from confluent_kafka import Consumer, Producer, TopicPartition

from benchmarks.contenders import Contender, Started, running
from benchmarks.display import Display
from benchmarks.errors import MeasurementFailed
from benchmarks.profiles import Profiler
from benchmarks.rig import Rig, describe_road
from benchmarks.tasks import make_task
from benchmarks.wire import Road, Wire

_PACE_S = 0.01
_WARM_UP = 200
_PROBE_S = 0.1
_START_TIMEOUT_S = 60.0
_LAST_ANSWER_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """What one run gave."""

    p50_ms: float
    p99_ms: float

    def __str__(self) -> str:
        """One line for people."""
        return f"p50 {self.p50_ms:6.2f} ms  p99 {self.p99_ms:6.2f} ms"


class LatencyBench:
    """Measures contenders one after the other, each on fresh topics.

    Args:
        rig: The broker and registry.
        display: Shows how far it is.
        profiler: Looks into our own contenders while they run; None to leave them alone.
    """

    def __init__(self, rig: Rig, display: Display, profiler: Profiler | None = None) -> None:
        self._rig, self._display, self._profiler = rig, display, profiler

    def measure(self, contender: Contender, count: int) -> Latency:
        """Send tasks at 100 a second, and time each.

        Args:
            contender: The worker.
            count: How many tasks are timed; those before, while everything warms up, are not.

        Raises:
            MeasurementFailed: The contender ended, or did not answer every task.
        """
        with self._rig.new_queue() as settings:
            road = describe_road(settings)
            with (
                running(contender, road, self._rig.folder, self._profiler) as started,
                self._display.bar(contender.name, count),
            ):
                took_s = sorted(_Pacer(road, self._display).run(started, count))
        latency = Latency(p50_ms=_percentile(took_s, 50) * 1000, p99_ms=_percentile(took_s, 99) * 1000)
        self._display.say(f"  {contender.name:<32} {latency}")
        return latency


class _Pacer:
    """Sends requests and reads responses; a task's number is its place in both lists."""

    def __init__(self, road: Road, display: Display) -> None:
        self._road, self._wire, self._display = road, Wire(road), display
        self._producer = Producer({"bootstrap.servers": road.servers, "linger.ms": 0, "partitioner": "murmur2_random"})
        self._consumer = Consumer(
            {
                "bootstrap.servers": road.servers,
                "group.id": f"{road.group}-reader",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
            }
        )
        self._sent_s: dict[str, float] = {}
        self._arrived: list[tuple[float, bytes]] = []

    def run(self, started: Started, count: int) -> list[float]:
        """Seconds that each of the tasks took that count."""
        partitions = self._consumer.list_topics(self._road.responses, 10).topics[self._road.responses].partitions
        self._consumer.assign([TopicPartition(self._road.responses, partition, 0) for partition in partitions])
        try:
            probes = self._probe(started)
            sender = threading.Thread(target=self._send, args=(probes, probes + _WARM_UP + count))
            sender.start()
            self._read_until(probes + _WARM_UP + count, started, sender)
            sender.join()
            self._producer.flush(_LAST_ANSWER_S)
        finally:
            self._consumer.close()
        arrived_s = {self._wire.decode_response(value)["task_id"]: at_s for at_s, value in self._arrived}
        timed = [make_task(number)[0] for number in range(probes + _WARM_UP, probes + _WARM_UP + count)]
        return [arrived_s[task_id] - self._sent_s[task_id] for task_id in timed]

    def _probe(self, started: Started) -> int:
        """Send a task now and then until the contender answers; says how many."""
        deadline_s = time.monotonic() + _START_TIMEOUT_S
        number = 0
        while not self._arrived:
            self._send_one(number)
            number += 1
            self._read(_PROBE_S)
            started.check()
            if time.monotonic() > deadline_s:
                raise MeasurementFailed(f"{started.name} answered nothing in {_START_TIMEOUT_S:g} s")
        return number

    def _send(self, first: int, end: int) -> None:
        """Send at a steady pace, a little unevenly, so that nothing falls into step with it."""
        jitter = random.Random(first)  # noqa: S311 - no secret
        next_s = time.perf_counter()
        for number in range(first, end):
            next_s += _PACE_S * jitter.uniform(0.5, 1.5)
            time.sleep(max(0.0, next_s - time.perf_counter()))
            self._send_one(number)

    def _send_one(self, number: int) -> None:
        task_id, agent_id, payload = make_task(number)
        value = self._wire.encode_request(task_id, agent_id, orjson.dumps(payload).decode())
        self._sent_s[task_id] = time.perf_counter()
        self._producer.produce(self._road.requests, value, agent_id)
        self._producer.poll(0)

    def _read_until(self, count: int, started: Started, sender: threading.Thread) -> None:
        quiet_since_s = time.monotonic()
        while len(self._arrived) < count:
            if self._read(0.2):
                quiet_since_s = time.monotonic()
            elif time.monotonic() - quiet_since_s > _LAST_ANSWER_S and not sender.is_alive():
                raise MeasurementFailed(f"{started.name} answered {len(self._arrived)} of {count} tasks")
            else:
                started.check()
            self._display.set(len(self._arrived))

    def _read(self, timeout_s: float) -> bool:
        message = self._consumer.poll(timeout_s)
        at_s = time.perf_counter()
        if message is None or message.error():
            return False
        self._arrived.append((at_s, message.value() or b""))
        return True


def _percentile(ordered: Sequence[float], percent: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]
