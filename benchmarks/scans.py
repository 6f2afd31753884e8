"""How fast one agent's tasks are found in the log: a replay's scan, beside the shortest loop that looks at keys."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.display import Display
from benchmarks.errors import MeasurementFailed
from benchmarks.rig import Rig, describe_road
from benchmarks.tasks import AGENTS
from benchmarks.throughput import ThroughputBench
from benchmarks.wire import Road

_TIMEOUT_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """One look through a partition, from connecting on."""

    partitions: list[int]
    """The partitions that were read."""
    records: int
    """Records read."""
    found: int
    """Tasks of the agent among them."""
    took_s: float
    """How long it took."""

    @property
    def rate(self) -> float:
        """Records a second."""
        return self.records / self.took_s


class ScanBench:
    """Scans one queue again and again, each time with a program of its own.

    Args:
        rig: The broker and registry.
        throughput: Publishes the load.
        display: Shows how far it is.
    """

    def __init__(self, rig: Rig, throughput: ThroughputBench, display: Display) -> None:
        self._rig, self._throughput, self._display = rig, throughput, display

    @contextmanager
    def loaded(self, count: int) -> Iterator[Road]:
        """A queue with so many requests."""
        with self._rig.new_queue() as settings:
            self._display.say(f"  publishing {count:,} requests")
            road = describe_road(settings, count=count)
            self._throughput.publish_load(settings, road, count)
            yield road

    def scan(self, road: Road) -> Scan:
        """Find one agent's tasks as a replay does.

        Raises:
            MeasurementFailed: It found other tasks than there are, or read more than one partition.
        """
        scan = self._run("our_scan", road)
        self._display.say(f"  {'MABOS replay':<32} {scan.rate:9,.0f} records/s")
        if abs(scan.found - road.count / AGENTS) >= 1 or len(scan.partitions) != 1:
            raise MeasurementFailed(f"{scan.found} tasks were found in {len(scan.partitions)} partitions")
        return scan

    def scan_bare(self, road: Road, scan: Scan) -> Scan:
        """Look at each key of the partition that another scan has read, and do nothing else.

        Raises:
            MeasurementFailed: It read or found something else.
        """
        bare = self._run("bare_scan", replace(road, limits={"partition": scan.partitions[0]}))
        self._display.say(f"  {'bare scan':<32} {bare.rate:9,.0f} records/s")
        if (bare.records, bare.found) != (scan.records, scan.found):
            raise MeasurementFailed(f"two scans differ: {scan} and {bare}")
        return bare

    def _run(self, program: str, road: Road) -> Scan:
        command = [sys.executable, "-m", f"benchmarks.programs.{program}", road.to_argument()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
        if done.returncode:
            raise MeasurementFailed(f"{program} ended with code {done.returncode}: {done.stderr.strip()[-500:]}")
        told: dict[str, Any] = json.loads(done.stdout)
        return Scan(**told)
