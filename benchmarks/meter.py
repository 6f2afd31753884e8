"""Watches a topic fill, and tells from the broker's own clock how fast it went.

Our topics carry the time at which the broker appended each record. What counts lies between the record at a tenth of
the way and the last: a contender's start-up does not, and the harness looks only twice a second meanwhile, so it takes
next to nothing away from whom it measures.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass

import psutil

from benchmarks.contenders import Started
from benchmarks.display import Display
from benchmarks.errors import MeasurementFailed
from mabos.consumers.log import read_log
from mabos.kafka.admin import Cluster
from mabos.kafka.settings import Settings

_LOOK_EVERY_S = 0.5
_STALL_S = 60.0
_SKIPPED_PART = 10  # the first tenth
_MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Throughput:
    """What one run gave."""

    rate: float
    """Tasks a second."""
    peak_rss_mib: float
    """The most memory that the contender was seen to have, in MiB."""
    cpu_us: float
    """Processor time of the contender for a task, in microseconds; its start-up does not count."""

    evenness: float
    """The rate over the last tenth by that over the second: 1 where it did not change."""

    def __str__(self) -> str:
        """One line for people."""
        return f"{self.rate:9,.0f} tasks/s  {self.cpu_us:6.1f} us CPU a task  {self.peak_rss_mib:5.0f} MiB"


class TopicMeter:
    """Measures how a contender fills one topic.

    Args:
        settings: Where Kafka is.
        topic: The topic; empty before.
        count: How many records it shall have.
    """

    def __init__(self, settings: Settings, topic: str, count: int) -> None:
        self._settings, self._topic, self._count = settings, topic, count
        self._cluster = Cluster(settings)
        self._peak_bytes = 0
        self._looks: list[tuple[int, float]] = []  # how many records were there, and the processor time until then

    def watch(self, started: Started, display: Display) -> Throughput:
        """Wait until the topic is full.

        Raises:
            MeasurementFailed: The contender ended with an error, or stands still.
        """
        program = psutil.Process(started.pid)
        done, stalled_at_s = 0, time.monotonic() + _STALL_S
        with display.bar(started.name, self._count):
            while done < self._count:  # transaction markers count here, which makes it end a moment early at most
                time.sleep(_LOOK_EVERY_S)
                there = sum(self._cluster.end_offsets(self._topic).values())
                self._look_at(program, there)
                if there > done:
                    done, stalled_at_s = there, time.monotonic() + _STALL_S
                    display.set(done)
                    continue
                started.check()
                if time.monotonic() > stalled_at_s:
                    raise MeasurementFailed(f"{started.name} stands still at {done} of {self._count} tasks")
        times_ms = self._read_times_ms()
        skipped = self._count // _SKIPPED_PART
        took_s = max(1, times_ms[-1] - times_ms[skipped]) / 1000
        return Throughput(
            rate=(self._count - skipped - 1) / took_s,
            peak_rss_mib=self._peak_bytes / _MIB,
            cpu_us=self._cpu_us(),
            evenness=(times_ms[2 * skipped] - times_ms[skipped]) / max(1, times_ms[-1] - times_ms[-1 - skipped]),
        )

    def _cpu_us(self) -> float:
        """Processor time for a task, without the start-up where there were two looks at least."""
        looks = [look for look in self._looks if look[0]]
        if not looks:
            return 0.0
        first, last = looks[0] if len(looks) > 1 else (0, 0.0), looks[-1]
        return (last[1] - first[1]) / max(1, last[0] - first[0]) * 1e6

    def _look_at(self, program: psutil.Process, there: int) -> None:
        with suppress(psutil.Error):  # a publisher has ended when it is done
            self._peak_bytes = max(self._peak_bytes, program.memory_info().rss)
            times = program.cpu_times()
            self._looks.append((there, times.user + times.system))

    def _read_times_ms(self) -> list[int]:
        """When the broker appended each record that counts, sorted."""
        times_ms: list[int] = []
        begin: dict[int, int] = {}
        stalled_at_s = time.monotonic() + _STALL_S
        while len(times_ms) < self._count:
            if time.monotonic() > stalled_at_s:
                raise MeasurementFailed(f"only {len(times_ms)} of {self._count} records can be read")
            end = self._cluster.end_offsets(self._topic)
            times_ms += (message.timestamp()[1] for message in read_log(self._settings, self._topic, begin, end))
            begin = end
        return sorted(times_ms)
