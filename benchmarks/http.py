"""How fast the HTTP door is: tasks one by one and in batches, and how long one takes while others' responses flow."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from urllib.error import URLError
from urllib.request import urlopen

from confluent_kafka import Producer

from benchmarks.contenders import RESPONSE_FLOW, Contender, Started, running
from benchmarks.display import Display
from benchmarks.errors import MeasurementFailed
from benchmarks.http_client import post_bytes, post_lines, post_many, post_paced
from benchmarks.profiles import Profiler
from benchmarks.rig import Rig, describe_road
from benchmarks.wire import Road
from mabos.kafka.ports import free_ports

CONNECTIONS = 32
PACE_S = 0.005
_PACED_CONNECTIONS = 8
_READY_S = 30.0
_LOOK_EVERY_S = 0.1
_WARM_UP = 500
_FLOW_S = 2.0
_CONNECT_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """How long a task takes to be acknowledged, with nothing else going on and with others' responses flowing."""

    idle_p99_ms: float
    flowing_p99_ms: float
    bare_idle_p99_ms: float
    """The same for a record that a bare producer sends, with no gateway between: what the broker takes of it."""
    bare_flowing_p99_ms: float

    def __str__(self) -> str:
        """One line for people."""
        return (
            f"p99 {self.idle_p99_ms:6.2f} ms idle  {self.flowing_p99_ms:6.2f} ms while 10,000 responses/s flow, of a "
            f"bare producer {self.bare_idle_p99_ms:.2f} and {self.bare_flowing_p99_ms:.2f}"
        )


class HttpBench:
    """Measures gateways one after the other, each on fresh topics.

    Args:
        rig: The broker and registry.
        display: Shows how far it is.
        profiler: Looks into our own gateway while it runs; None to leave it alone.
    """

    def __init__(self, rig: Rig, display: Display, profiler: Profiler | None = None) -> None:
        self._rig, self._display, self._profiler = rig, display, profiler

    def measure_posts(self, contender: Contender, count: int) -> float:
        """Tasks a second, one a request, each acknowledged."""
        with self._serving(contender) as (port, _, _):
            answers = asyncio.run(post_many(port, count, CONNECTIONS))
        return self._told(contender, count / answers.took_s, "tasks/s")

    def measure_batch(self, contender: Contender, count: int) -> float:
        """Tasks a second, all in one batch, each acknowledged."""
        with self._serving(contender) as (port, _, _):
            answers = asyncio.run(post_lines(port, count))
        return self._told(contender, count / answers.took_s, "tasks/s in a batch")

    def measure_flow(self, contender: Contender, count: int) -> Flow:
        """How long a task takes at a steady pace, idle and while others' responses flow."""
        with self._serving(contender) as (port, road, _):
            idle = asyncio.run(post_paced(port, count, PACE_S, _PACED_CONNECTIONS))
            bare_idle_s = produce_paced(road, count, PACE_S)
            with running(RESPONSE_FLOW, road, self._rig.folder) as flow:
                time.sleep(_FLOW_S)
                flowing = asyncio.run(post_paced(port, count, PACE_S, _PACED_CONNECTIONS))
                bare_flowing_s = produce_paced(road, count, PACE_S)
                flow.check()
        result = Flow(
            idle_p99_ms=_p99_ms(idle.times_s),
            flowing_p99_ms=_p99_ms(flowing.times_s),
            bare_idle_p99_ms=_p99_ms(bare_idle_s),
            bare_flowing_p99_ms=_p99_ms(bare_flowing_s),
        )
        self._display.say(f"  {contender.name:<32} {result}")
        return result

    @contextmanager
    def _serving(self, contender: Contender) -> Iterator[tuple[int, Road, Started]]:
        """A gateway that has answered some requests."""
        (port,) = free_ports(1)
        with self._rig.new_queue() as settings:
            road = describe_road(settings)
            contender = replace(contender, limits={"port": port})
            with running(contender, road, self._rig.folder, self._profiler) as started:
                wait_until_ready(port, started)
                asyncio.run(post_many(port, _WARM_UP, CONNECTIONS))
                yield port, road, started

    def _told(self, contender: Contender, rate: float, unit: str) -> float:
        self._display.say(f"  {contender.name:<32} {rate:9,.0f} {unit}")
        return rate


def wait_until_ready(port: int, started: Started) -> None:
    """Wait until a gateway says that it is ready.

    Raises:
        MeasurementFailed: It ended, or is not ready in time.
    """
    deadline_s = time.monotonic() + _READY_S
    while True:
        started.check()
        try:
            with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
                if answer.status == 200:
                    return
        except (URLError, OSError):
            if time.monotonic() > deadline_s:
                raise MeasurementFailed(f"{started.name} does not get ready") from None
        time.sleep(_LOOK_EVERY_S)


def produce_paced(road: Road, count: int, every_s: float) -> list[float]:
    """Have a bare producer send records at a steady pace; the seconds from each to its acknowledgement."""
    producer = Producer({"bootstrap.servers": road.servers, "enable.idempotence": True, "linger.ms": 0})
    value, times_s = post_bytes(0), []
    begin_s = time.perf_counter() + _CONNECT_S
    for number in range(-1, count):
        time.sleep(max(0.0, begin_s + number * every_s - time.perf_counter()))
        sent_s = time.perf_counter()
        producer.produce(road.requests, value, b"bare")
        producer.flush()
        times_s.append(time.perf_counter() - sent_s)
    return times_s[1:]  # the first connects


def _p99_ms(times_s: list[float]) -> float:
    return statistics.quantiles(times_s, n=100)[98] * 1000
