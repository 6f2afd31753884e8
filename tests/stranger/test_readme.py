"""README's examples, executed as they stand against the real platform."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition

from mabos.kafka.ports import free_ports
from mabos.kafka.probe import http_status
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from tests.support.planting import Planter
from tests.support.waiting import eventually

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
BIN = Path(sys.executable).parent


def example(name: str) -> str:
    """The fenced block under a ``<!-- example: name -->`` comment."""
    found = re.search(rf"<!-- example: {name}[^>]*-->\n```\w+\n(.*?)```", README, re.DOTALL)
    assert found, f"README has no example {name}"
    return found[1]


def commands(name: str) -> list[str]:
    """The command lines of a console example, without the output shown below them."""
    joined = example(name).replace("\\\n", " ")
    return [line.removeprefix("$ ") for line in joined.splitlines() if line.startswith("$ ")]


@contextmanager
def program(command: list[str], env: dict[str, str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / "program.log").open("ab") as log:
        process = subprocess.Popen(command, env=env, cwd=folder, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        assert process.wait(30) == 0, (folder / "program.log").read_text()


@pytest.fixture
def env(settings: Settings) -> dict[str, str]:
    """An environment that knows this test's platform, and little else."""
    return {
        "PATH": f"{BIN}:{os.defpath}",
        "HOME": str(settings.home),
        "MABOS_BOOTSTRAP_SERVERS": settings.bootstrap_servers,
        "MABOS_SCHEMA_REGISTRY_URL": settings.schema_registry_url,
        "MABOS_QUEUE": settings.queue,
        "MABOS_CACHE_DIR": str(settings.cache_dir),
        "MABOS_GATEWAY_URL": f"http://127.0.0.1:{free_ports(1)[0]}",
    }


def run(command: str, env: dict[str, str], folder: Path) -> str:
    done = subprocess.run(
        ["/bin/sh", "-c", command], env=env, cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def test_agents_sdk_and_terminal(env: dict[str, str], tmp_path: Path) -> None:
    """The agents of README run with README's command, and answer README's SDK and terminal examples."""
    (tmp_path / "my_agents.py").write_text(example("agents"))
    (tmp_path / "sdk.py").write_text(example("sdk"))
    worker = commands("worker")[0].split()
    with program([str(BIN / worker[0]), *worker[1:]], env, tmp_path):
        told = run(f"{sys.executable} sdk.py", env, tmp_path)
        call, send, pipe, cancel = (run(command, env, tmp_path) for command in commands("cli"))
        asked = run(commands("cli")[0].replace("support-01", "door").replace("greet", "welcome"), env, tmp_path)
        inspect, count, verify, dry_run, reprocess = (run(command, env, tmp_path) for command in commands("replay"))
    assert "completed {'text': 'Hello, Ada!'}" in told
    assert '"Hello, Ada!"' in call
    assert '"Hello, Ada! Come in."' in asked
    assert f"mabos.{env['MABOS_QUEUE']}.requests:" in send
    assert pipe.startswith('{"')
    assert f"stored at mabos.{env['MABOS_QUEUE']}.controls:" in cancel
    assert "completed" in inspect
    assert "greet" in count
    assert re.search(r"greet +\d+ +\d+ +0 +100 %", verify)
    assert dry_run.splitlines()[-1].endswith("tasks would be published")
    assert reprocess.splitlines()[-1] == dry_run.splitlines()[-1].replace("would be", "were")


def test_audit_and_lag(env: dict[str, str], tmp_path: Path, settings: Settings) -> None:
    """README's lines for those who look after a queue tell of one task that is done, and one that waits."""
    planter, group = Planter(settings), {"bootstrap.servers": settings.bootstrap_servers, "group.id": "mabos"}
    planter.ask(3, ("a", "done"), ("a", "waits"))
    planter.answer(3, ("a", "done"))
    consumer = Consumer(group)
    consumer.commit(offsets=[TopicPartition(Queue(name=settings.queue).requests, 3, 1)], asynchronous=False)
    consumer.close()
    audit, strict, lag, lag_of_one = (run(line, env, tmp_path) for line in commands("audit") + commands("lag"))
    assert "open        1\n" in audit
    assert '"holds": true' in strict
    assert "1 waiting, the oldest for " in lag
    assert '"lag": 1' in lag_of_one


def test_http(env: dict[str, str], tmp_path: Path) -> None:
    """README's curl lines work as they stand, and the answer has the form that README shows."""
    if shutil.which("curl") is None:
        pytest.skip("README's HTTP example needs curl: install it to run this test")
    (tmp_path / "my_agents.py").write_text(example("agents"))
    (tmp_path / "tasks.jsonl").write_text('{"agent_id": "a", "payload": {}}\n{"agent_id": "a"}\n')
    worker = commands("worker")[0].split()
    with (
        program([str(BIN / "mabos"), "gateway", "run"], env, tmp_path),
        program([str(BIN / worker[0]), *worker[1:]], env, tmp_path),
    ):
        eventually(lambda: http_status(env["MABOS_GATEWAY_URL"] + "/readyz") == 200)
        command = commands("http")[0].replace("http://127.0.0.1:8000", env["MABOS_GATEWAY_URL"])
        answer = run(command, env, tmp_path)
        env["POSITION"] = json.loads(answer.splitlines()[-1])["position"]
        waited, followed, batch, cancelled = (
            run(more.replace("http://127.0.0.1:8000", env["MABOS_GATEWAY_URL"]), env, tmp_path)
            for more in commands("http-more")
            if not more.startswith("#")
        )
    assert json.loads(waited)["result"] == {"members": 1}
    assert "event: outcome" in followed
    assert [json.loads(line)["number"] for line in batch.splitlines()] == [1, 2]
    assert json.loads(cancelled)["message"] == "Cancel sent"
    assert answer.startswith("HTTP/1.1 202")
    shown = example("http").splitlines()[-1]
    same = re.sub(r"[^:\"]*:\d+:\d+\"", 'POSITION"', shown)
    assert re.sub(r"[^:\"]*:\d+:\d+\"", 'POSITION"', answer.splitlines()[-1]) == same
