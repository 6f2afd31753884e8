"""``mabos up``, ``down`` and ``status``, and ``make run``: the whole platform on free ports, in a home of its own.

The tests of this module stand in an order, each going on from the platform that the one before left, since each start
of the real thing takes seconds.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from mabos.cli.home import PlatformHome
from mabos.kafka.artifacts import default_cache_dir
from mabos.kafka.database_address import local_database_url, show_database
from mabos.kafka.image import prepare_image
from mabos.kafka.local_registry import find_registry
from mabos.kafka.ports import free_ports
from tests.cli.command import ROOT, Done, Mabos, environment
from tests.support.waiting import eventually

pytestmark = pytest.mark.skipif(
    os.environ.get("MABOS_TEST_PLATFORM", "local") != "local", reason="it is about the local platform"
)

UP_S = 120.0


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory, bytecode: Path) -> Mabos:
    """The command for a platform that is not up; what it needs is in the cache of all checkouts, prepared before."""
    prepare_image(default_cache_dir())
    find_registry(default_cache_dir())
    folder = tmp_path_factory.mktemp("local")
    broker, registry, gateway = free_ports(3)
    settings = {
        "bootstrap_servers": f"127.0.0.1:{broker}",
        "schema_registry_url": f"http://127.0.0.1:{registry}/apis/ccompat/v7",
        "gateway_url": f"http://127.0.0.1:{gateway}",
        "home": folder / "home",
        "cache_dir": default_cache_dir(),
    }
    return Mabos(environment(folder, bytecode, **settings), folder)


@pytest.fixture(scope="module", autouse=True)
def leave_nothing(local: Mabos) -> object:
    """Whatever a test did, nothing runs afterwards."""
    yield
    local("down", timeout_s=UP_S)


def home(local: Mabos) -> PlatformHome:
    return PlatformHome(Path(local.env["MABOS_HOME"]))


def platform_process(local: Mabos) -> psutil.Process:
    state = home(local).read()
    assert state is not None
    return psutil.Process(state.pid)


def run_example(local: Mabos) -> Done:
    """``ONCE=1 make run``, without make."""
    done = subprocess.run(
        [sys.executable, "-m", "examples.run"],
        env={**local.env, "ONCE": "1"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=UP_S,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def assert_everything_held(done: Done) -> None:
    assert done.code == 0, done.err
    lines = [line.split(maxsplit=1) for line in done.out.splitlines() if line]
    assert [name for name, _ in lines] == ["sent", "answered", "rate", "latency", "order", "lost"]
    told = dict(lines)
    assert told["sent"].startswith("400 tasks for 42 agents: ")
    assert told["answered"].startswith("400: ")
    assert (told["order"], told["lost"]) == ("held for every agent", "nothing")
    assert "\x1b" not in done.out + done.err


def test_a_taken_port_is_one_line(local: Mabos) -> None:
    """Whose it is, and which setting gives another; nothing was started."""
    port = int(local.env["MABOS_GATEWAY_URL"].rpartition(":")[2])
    with socket.create_server(("127.0.0.1", port)):
        done = local("up")
    assert done.code == 1
    assert re.fullmatch(
        rf"gateway: port {port} is taken by .*: stop it, or give another with MABOS_GATEWAY_URL", done.error
    )
    assert not home(local).is_running()


def test_another_machine_cannot_be_started(local: Mabos) -> None:
    """A URL of another machine is no mistake to pass over."""
    done = local.with_env(MABOS_BOOTSTRAP_SERVERS="kafka.example.test:9092")("up")
    assert done.code == 1
    assert done.error == "MABOS_BOOTSTRAP_SERVERS is kafka.example.test:9092: only 127.0.0.1:PORT can be started here"


def test_two_at_once_start_one_platform(local: Mabos) -> None:
    """Both see its steps and end when it is up; one process runs it."""
    with ThreadPoolExecutor(2) as pool:
        one, two = pool.map(lambda _: local("up", timeout_s=UP_S), range(2))
    assert (one.code, two.code) == (0, 0), one.err + two.err
    assert one.out == two.out
    assert dict(line.split(maxsplit=1) for line in one.out.splitlines()) == {
        "broker": local.env["MABOS_BOOTSTRAP_SERVERS"],
        "registry": local.env["MABOS_SCHEMA_REGISTRY_URL"],
        "database": show_database(local_database_url(Path(local.env["MABOS_HOME"]))),
        "gateway": local.env["MABOS_GATEWAY_URL"],
        "data": local.env["MABOS_HOME"],
    }
    assert "· starting gateway" in one.err + two.err
    assert home(local).is_running()


def test_up_again_changes_nothing(local: Mabos) -> None:
    """It says so, and gives the addresses again."""
    before = platform_process(local).pid
    done = local("up", "-o", "json")
    assert (done.code, done.err) == (0, "the platform is up already\n")
    assert json.loads(done.out)["gateway"] == local.env["MABOS_GATEWAY_URL"]
    assert platform_process(local).pid == before


def test_status_of_what_is_up(local: Mabos) -> None:
    """All parts answer, the topics agree, in lines that fit 80 columns; exit code 0."""
    done = local("status")
    assert (done.code, done.err) == (0, "")
    head, *parts = done.out.splitlines()
    assert head.split() == ["part", "state", "address", "detail"]
    assert [line.split()[:2] for line in parts] == [[part, "up"] for part in ("broker", "registry", "view", "gateway")]
    assert "1 broker, topics agree" in parts[0]
    assert "has read everything" in parts[2]
    assert max(map(len, done.out.splitlines())) <= 80


def test_make_run_uses_the_platform_that_is_up(local: Mabos) -> None:
    """It leaves it up; results are on standard output, steps on standard error."""
    done = run_example(local)
    assert_everything_held(done)
    assert done.err.splitlines()[0] == "using the platform that is up"
    assert local("status").code == 0


def test_a_killed_platform_leaves_nothing_but_its_data(local: Mabos) -> None:
    """``kill -9`` of its process ends the JVMs and the gateway, and the next start waits for that.

    What was sent before is there. The foreground tells its steps; ``down`` stops it in order, and it ends with 0.
    """
    sent = json.loads(local("send", "-a", "a", "--task-id", "kept", "-o", "json").out)
    process = platform_process(local)
    below = process.children(recursive=True)
    names = " ".join(" ".join(child.cmdline()) for child in below)
    assert "java" in names
    assert "gateway run" in names
    assert "view run" in names
    assert "postgres" in names
    process.kill()
    with local.start("up", "--foreground") as running:
        eventually(lambda: "· ready" in running.log(), timeout_s=UP_S)
        assert not [child for child in below if child.is_running()]
        again = json.loads(local("send", "-a", "a", "--task-id", "next", "-o", "json").out)
        assert local("down", timeout_s=UP_S).err == "the platform is down\n"
        assert running.process.wait(10) == 0
        steps = [line.removeprefix("· ") for line in running.log().splitlines()]
    assert steps == [
        "starting broker, registry and database",
        "applying topics and schemas",
        "starting view",
        "starting gateway",
        "ready",
        "stopping gateway and view",
        "stopping database",
        "stopping registry",
        "stopping broker",
    ]
    partition, offset = sent["position"].rsplit(":", 2)[1:]
    assert again["position"].endswith(f":{partition}:{int(offset) + 1}")


def test_delete_asks_first(local: Mabos) -> None:
    """Without an answer nothing happens; with one, everything it kept is gone, and nothing else."""
    folder = home(local).folder
    asked = local("down", "--delete")
    assert asked.code == 1
    assert asked.err.endswith("nothing was done\n")
    assert (folder / "broker").is_dir()
    (folder / "thesis.txt").touch()
    done = local("down", "--delete", "--yes")
    assert done.err == f"the platform is not up\ndeleted what it kept in {folder}\n"
    assert [path.name for path in folder.iterdir()] == ["thesis.txt"]


def test_make_run_brings_its_own_platform(local: Mabos) -> None:
    """It starts everything, proves the promises from the topics, stops everything in order, and ends with 0."""
    done = run_example(local)
    assert_everything_held(done)
    steps = [line.removeprefix("· ") for line in done.err.splitlines() if line.startswith("· ")]
    assert steps[:5] == [
        "starting broker, registry and database",
        "applying topics and schemas",
        "starting view",
        "starting gateway",
        "starting 2 workers of examples.agents",
    ]
    stopped = [step.removeprefix("stopping ") for step in steps if step.startswith("stopping ")]
    assert stopped == ["workers", "gateway and view", "database", "registry", "broker"]
    assert not home(local).is_running()
