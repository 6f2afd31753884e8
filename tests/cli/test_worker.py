"""``mabos worker run`` and ``mabos call``: real workers, alone and supervised, stopped and killed."""

from __future__ import annotations

import json
import signal
import socket
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from mabos.kafka.admin import Cluster
from mabos.kafka.probe import http_status
from mabos.kafka.settings import Settings
from tests.cli.command import Mabos, Running
from tests.support.waiting import eventually

AGENTS = """
import os, signal, time
from mabos.consumers import AgentGroup, Task
agents = AgentGroup("{group}")

@agents.on_task_request("pid")
async def pid(task: Task) -> dict:
    return {{"pid": os.getpid()}}

@agents.on_task_request("slow")
def slow(task: Task) -> dict:
    print("slow begins", flush=True)
    while not os.path.exists(task.payload["until"]):
        time.sleep(0.02)
    return {{"done": True}}

@agents.on_task_request()
def other(task: Task) -> dict:
    raise RuntimeError("no")
"""


@pytest.fixture
def group(settings: Settings) -> str:
    return f"group-{settings.queue}"


@pytest.fixture
def worker(mabos: Mabos, tmp_path: Path, group: str) -> Mabos:
    """The command in a folder with agents of the test's own."""
    (tmp_path / "my_agents.py").write_text(AGENTS.format(group=group))
    return mabos.with_cwd(tmp_path)


def events(running: Running, event: str) -> list[dict[str, Any]]:
    """The log's JSON lines of one event."""
    lines = [json.loads(line) for line in running.log().splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == event]


def scrape(running: Running) -> dict[str, float]:
    """The samples that its endpoint gives now, by ``name`` or ``name/instance``; not those with other labels."""
    (served,) = events(running, "metrics are served")
    with urllib.request.urlopen(served["url"], timeout=10) as answer:  # noqa: S310 - an address of this machine
        families = text_string_to_metric_families(answer.read().decode())
    return {
        "/".join([sample.name, *sample.labels.values()]): sample.value
        for family in families
        for sample in family.samples
        if sample.labels.keys() <= {"instance"}
    }


def ready_status(running: Running) -> int | None:
    """What ``/readyz`` answers."""
    (served,) = events(running, "metrics are served")
    return http_status(served["url"].replace("/metrics", "/readyz"), timeout_s=10)


def until_ready(running: Running, count: int = 1) -> None:
    """Wait until so many workers have partitions."""
    eventually(lambda: len(events(running, "partitions assigned")) >= count, timeout_s=40)


def children(running: Running) -> list[psutil.Process]:
    """The worker processes below a supervisor; between them are the guards."""
    guards = psutil.Process(running.pid).children()
    return [child for guard in guards for child in guard.children()]


@pytest.fixture
def example(mabos: Mabos) -> Iterator[Running]:
    """A worker of the example agents."""
    with mabos.start("worker", "run", "examples.agents:agents", "--metrics-port", "0", log="worker.log") as running:
        until_ready(running)
        yield running


def test_a_worker_answers_calls_and_stops_in_order(mabos: Mabos, example: Running) -> None:
    """It says what it serves; outcomes are exit codes; SIGTERM ends it with 0, and its log says so."""
    (start,) = events(example, "worker starts")
    assert start["serves"] == "describe_csv, echo, extract_keywords, redact, summarize, test, word_count"
    assert ready_status(example) == 200
    eventually(lambda: scrape(example)["mabos_worker_partitions_assigned"] == 12)
    good = mabos("call", "-a", "support-01", "--action", "word_count", "--payload", '{"text": "two words"}')
    assert (good.code, good.err) == (0, "")
    assert json.loads(good.out)["result"]["words"] == 2
    bad = mabos("call", "-a", "support-01", "--action", "dance", "--task-id", "t-1", "-o", "table")
    assert bad.code == 1
    fields = dict(line.split(maxsplit=1) for line in bad.out.splitlines() if not line.startswith(("task", "agent")))
    assert fields["status"] == "rejected"
    assert "unknown_action" in fields["error"]
    assert example.stop() == 0
    assert [line["event"] for line in map(json.loads, example.log().splitlines())][-1] == "worker stopped"


def test_a_call_without_a_worker_times_out(mabos: Mabos) -> None:
    """Exit code 3; the line has the task, that it goes on, and the likely cause."""
    done = mabos("call", "-a", "a", "--task-id", "t-1", "--timeout", "0.5")
    assert done.code == 3
    assert done.error == "task t-1 had no outcome within 0.5 s: it goes on, is a worker running?"


def test_a_missing_topic_ends_the_worker(mabos: Mabos, settings: Settings) -> None:
    """A queue whose schemas are registered but whose topics are not there: one line with the command that helps."""
    queue = f"{settings.queue}-bare"
    assert mabos("schema", "register", "--queue", queue).code == 0
    done = mabos("worker", "run", "examples.agents:agents", "--queue", queue)
    assert done.code == 3
    assert done.err.splitlines()[-1] == f"error: topic mabos.{queue}.requests does not exist: run `mabos topics apply`"


def test_a_task_in_hand_is_finished_before_the_worker_ends(worker: Mabos, tmp_path: Path) -> None:
    """SIGTERM, even twice, waits for it; its response is on the log."""
    with worker.start("worker", "run", "my_agents:agents", log="worker.log") as running:
        until_ready(running)
        payload = json.dumps({"action": "slow", "until": str(tmp_path / "go")})
        with worker.start("call", "-a", "a", "-p", payload, log="call.log") as call:
            eventually(lambda: "slow begins" in running.log())
            running.process.send_signal(signal.SIGTERM)
            running.process.send_signal(signal.SIGINT)
            (tmp_path / "go").touch()
            assert call.process.wait(30) == 0
            assert running.process.wait(30) == 0
        assert json.loads(call.log())["result"] == {"done": True}


def test_instances_share_restart_and_end_together(worker: Mabos, settings: Settings, group: str) -> None:
    """Two processes share partitions and endpoint; one that is killed is started again; SIGTERM ends all with 0."""
    cluster = Cluster(settings)
    arguments = ["my_agents:agents", "--instances", "2", "--metrics-port", "0"]
    with worker.start("worker", "run", *arguments, log="worker.log") as running:
        eventually(lambda: [len(has) for has in cluster.group_members(group).values()] == [6, 6], timeout_s=40)
        eventually(lambda: ready_status(running) == 200)
        shares = {f"mabos_worker_partitions_assigned/{number}": 6 for number in (0, 1)}
        eventually(lambda: scrape(running).items() >= shares.items())
        first, second = children(running)
        assert all(line["serves"] == "pid, slow, all others" for line in events(running, "worker starts"))
        first.kill()
        (told,) = eventually(lambda: events(running, "worker ended, starting it again"))
        assert (told["pid"], told["exit_code"], told["after_s"]) == (first.pid, 137, 1.0)
        eventually(lambda: len(events(running, "worker starts")) == 3)
        seen = scrape(running)
        assert seen["mabos_worker_instances_running"] == seen["mabos_worker_instances_wanted"] == 2
        assert sum(seen[f"mabos_worker_restarts_total/{number}"] for number in (0, 1)) == 1
        (third,) = [child for child in children(running) if child.pid != second.pid]
        assert running.stop() == 0
        assert not second.is_running()
        assert not third.is_running()
        assert len(events(running, "worker stopped")) == 2
        (end,) = events(running, "workers stopped")
        assert (end["instances"], end["exit_code"]) == (2, 0)


def test_a_taken_metrics_port_is_told_before_anything_starts(lone_mabos: Mabos) -> None:
    """One line with the port and the option that gives another."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = str(holder.getsockname()[1])
        done = lone_mabos("worker", "run", "examples.agents:agents", "--instances", "2", "--metrics-port", port)
    assert done.code == 1
    (line,) = done.err.splitlines()
    assert line.startswith(f"error: metrics: port {port} is taken by ")
    assert line.endswith("stop it, or give another with --metrics-port")


def test_no_instance_outlives_its_supervisor(worker: Mabos) -> None:
    """``kill -9`` of the supervisor ends its workers, and what guards them."""
    with worker.start("worker", "run", "my_agents:agents", "--instances", "2", log="worker.log") as running:
        eventually(lambda: len(events(running, "worker starts")) == 2)
        below = psutil.Process(running.pid).children(recursive=True)
        assert len(below) == 4
        running.process.kill()
        _, alive = psutil.wait_procs(below, timeout=20)
        assert alive == []
