"""Several instances seen as one: merged metrics, one readiness, on real processes that are killed and frozen."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from prometheus_client import generate_latest
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families

from mabos.consumers.families import WorkerFamilies
from mabos.consumers.instances import Instances, merge_families, write_port
from mabos.consumers.metrics import BUCKETS_S, Snapshot, WorkerMetrics
from mabos.consumers.monitor import Monitor
from mabos.consumers.supervisor import InstanceState, Supervisor
from mabos.schemas.events import Status
from tests.consumers.test_monitor import ask
from tests.support.waiting import eventually

_PROGRAM = """
import http.server, json, os, pathlib, sys
folder, number = pathlib.Path(sys.argv[1]), sys.argv[2]
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        unready = folder / f"unready-{number}"
        status, body = 200, b"ready"
        if self.path == "/metrics":
            body = (folder / f"metrics-{number}").read_bytes()
        elif unready.exists():
            status, body = 503, unready.read_bytes()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
draft = folder / f"draft-{number}"
draft.write_text(json.dumps({"pid": os.getpid(), "port": server.server_port}))
draft.replace(folder / f"port-{number}")
server.serve_forever()
"""


@dataclass(frozen=True, kw_only=True)
class Program:
    """A small process that answers as a worker's monitor does."""

    number: int
    folder: Path
    name: str = "program"
    log_file: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    kept_open: Sequence[int] = ()

    @property
    def port_file(self) -> Path:
        return self.folder / f"port-{self.number}"

    @property
    def unready_file(self) -> Path:
        """Why the program is not ready, while it is there."""
        return self.folder / f"unready-{self.number}"

    def argv(self) -> list[str]:
        return [sys.executable, "-I", "-S", "-c", _PROGRAM, str(self.folder), str(self.number)]

    def write_metrics(self) -> None:
        """What it serves: a worker's metrics after some tasks."""
        metrics = WorkerMetrics(["greet"], lambda: Snapshot(partitions_assigned=self.number + 1))
        for _ in range(10 * (self.number + 1)):
            metrics.note_task("greet", Status.COMPLETED, 0.5, 0.25)
        (self.folder / f"metrics-{self.number}").write_bytes(generate_latest(WorkerFamilies(metrics)))


class Fleet:
    """A supervisor of such programs in a thread, and the one monitor of all."""

    def __init__(self, folder: Path, count: int) -> None:
        self.programs = [Program(number=number, folder=folder) for number in range(count)]
        for program in self.programs:
            program.write_metrics()
        self.supervisor = Supervisor(self.programs, clock=lambda: self.now_s)
        self.instances = Instances(self.supervisor.look, [program.port_file for program in self.programs])
        self.monitor = Monitor(self.instances, self.instances.unready)
        self.now_s = 0.0

    def pid(self, number: int) -> int | None:
        return self.supervisor.look()[number].pid

    def signal(self, number: int, what: signal.Signals) -> None:
        pid = self.pid(number)
        assert pid is not None
        os.kill(pid, what)

    def families(self) -> dict[str, Metric]:
        answer, text = ask(self.monitor.port, "/metrics")
        assert answer.status == 200
        return {family.name: family for family in text_string_to_metric_families(text)}

    def values(self, name: str) -> dict[str, float]:
        """The samples of a name, by instance."""
        return {
            sample.labels.get("instance", ""): sample.value
            for family in self.families().values()
            for sample in family.samples
            if sample.name == f"mabos_worker_{name}"
        }

    def readiness(self) -> tuple[int, str]:
        answer, text = ask(self.monitor.port, "/readyz")
        return answer.status, text.strip()


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    fleet = Fleet(tmp_path_factory.mktemp("fleet"), 2)
    thread = threading.Thread(target=fleet.supervisor.run)
    thread.start()
    try:
        with fleet.monitor:
            eventually(lambda: fleet.readiness() == (200, "ready"))
            yield fleet
    finally:
        fleet.supervisor.stop()
        thread.join(60)


def test_each_instance_has_its_label(fleet: Fleet) -> None:
    """Every family once, with the samples of all instances; none of them lost or mixed up."""
    families = fleet.families()
    answered = {
        sample.labels["instance"]: sample.value
        for sample in families["mabos_worker_tasks"].samples
        if (sample.labels["action"], sample.labels["status"]) == ("greet", "completed")
    }
    assert answered == {"0": 10, "1": 20}
    assert fleet.values("partitions_assigned") == {"0": 1, "1": 2}
    runs = families["mabos_worker_task_run_seconds"]
    assert runs.type == "histogram"
    assert len(runs.samples) == 2 * 2 * (len(BUCKETS_S) + 3)
    assert all(sample.labels["instance"] in "01" for sample in families["python_gc_collections"].samples)


def test_the_supervisor_adds_its_own(fleet: Fleet) -> None:
    """How many shall run and do, how often each was restarted and was left out of a scrape."""
    assert fleet.values("instances_wanted") == {"": 2}
    assert fleet.values("instances_running") == {"": 2}
    assert fleet.values("restarts_total") == {"0": 0, "1": 0}
    assert fleet.values("scrape_failures_total").keys() == {"0", "1"}


def test_all_are_ready_or_none_is(fleet: Fleet) -> None:
    """503 with the number and the reason of the one that is not."""
    fleet.programs[1].unready_file.write_text("no partitions yet\n")
    assert fleet.readiness() == (503, "instance 1: no partitions yet")
    fleet.programs[1].unready_file.unlink()
    assert fleet.readiness() == (200, "ready")


def test_a_frozen_instance_is_left_out(fleet: Fleet) -> None:
    """It is counted, and the other is shown without it; once it goes on, it is there again."""
    before = fleet.values("scrape_failures_total")["1"]
    fleet.signal(1, signal.SIGSTOP)
    try:
        began_s = time.monotonic()
        assert fleet.values("partitions_assigned") == {"0": 1}
        took_s = time.monotonic() - began_s
        assert fleet.readiness() == (503, "instance 1: does not answer")
    finally:
        fleet.signal(1, signal.SIGCONT)
    assert took_s < 5  # 0.8 s, and what a busy machine adds; it would stay frozen for ever
    assert fleet.values("scrape_failures_total")["1"] == before + 1
    assert fleet.values("partitions_assigned").keys() == {"0", "1"}


def test_a_killed_instance_comes_back(fleet: Fleet) -> None:
    """Meanwhile the endpoint answers for the other and says who is missing; then it finds the new port by itself."""
    killed = fleet.pid(0)
    fleet.signal(0, signal.SIGKILL)
    eventually(lambda: fleet.pid(0) is None)
    assert fleet.values("partitions_assigned") == {"1": 2}
    assert fleet.values("instances_running") == {"": 1}
    assert fleet.readiness() == (503, "instance 0: is not running")
    fleet.now_s = 100.0
    eventually(lambda: fleet.readiness() == (200, "ready"))
    assert fleet.pid(0) not in (killed, None)
    assert fleet.values("partitions_assigned") == {"0": 1, "1": 2}
    assert fleet.values("restarts_total") == {"0": 1, "1": 0}
    assert fleet.values("scrape_failures_total")["0"] > 0


@contextmanager
def instances_in_this_process(tmp_path: Path, pids: Sequence[int | None]) -> Iterator[Instances]:
    states = [InstanceState(number=number, pid=pid, restarts=0) for number, pid in enumerate(pids)]
    yield Instances(lambda: states, [tmp_path / str(number) for number in range(len(states))])


def failures(instances: Instances) -> dict[str, float]:
    (family,) = [family for family in instances.collect() if family.name == "mabos_worker_scrape_failures"]
    return {sample.labels["instance"]: sample.value for sample in family.samples}


def test_a_port_counts_only_while_its_process_runs(tmp_path: Path) -> None:
    """What an earlier process left behind may be anybody's port by now: nobody is asked there."""
    metrics = WorkerMetrics([], Snapshot)
    with Monitor(WorkerFamilies(metrics), lambda: None) as monitor:
        write_port(tmp_path / "0", monitor.port)
        write_port(tmp_path / "1", monitor.port)
        with instances_in_this_process(tmp_path, [os.getpid(), os.getpid() + 1, None]) as instances:
            assert failures(instances) == {"0": 0, "1": 1, "2": 1}
            assert instances.unready() == "instance 1: does not answer; instance 2: is not running"
        assert len(list(tmp_path.iterdir())) == 2


def test_many_that_are_missing_make_one_short_line(tmp_path: Path) -> None:
    """Three are named, the rest are counted."""
    with instances_in_this_process(tmp_path, [None] * 256) as instances:
        reason = "; ".join(f"instance {number}: is not running" for number in range(3))
        assert instances.unready() == f"{reason}; and 253 more"


def test_families_of_different_instances_are_one() -> None:
    """Labels that were there stay; what only one instance has is there once."""
    first, second = (CounterMetricFamily("a", "text", labels=["action"]) for _ in range(2))
    first.add_metric(["greet"], 1)
    second.add_metric(["greet"], 2)
    merged = list(merge_families({0: [first], 7: [second, CounterMetricFamily("b", "text", 3)]}))
    assert [(family.name, family.type, family.documentation) for family in merged] == [
        ("a", "counter", "text"),
        ("b", "counter", "text"),
    ]
    assert [(sample.labels, sample.value) for family in merged for sample in family.samples] == [
        ({"action": "greet", "instance": "0"}, 1),
        ({"action": "greet", "instance": "7"}, 2),
        ({"instance": "7"}, 3),
    ]
