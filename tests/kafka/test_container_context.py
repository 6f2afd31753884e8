"""The container image is made of what the local broker is made of, and the machine without Docker hears so."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mabos.kafka.artifacts import locked_artifacts
from mabos.kafka.container_context import container_properties, main, prepare_context
from mabos.kafka.errors import DiskProblem
from mabos.kafka.kraft import NodeConfig, broker_properties

ROOT = Path(__file__).parents[2]
LISTENING = {
    "listeners",
    "advertised.listeners",
    "listener.security.protocol.map",
    "inter.broker.listener.name",
    "log.dirs",
}

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the image gets this machine's Java")


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("context")
    prepare_context(folder)
    return folder


def test_the_container_has_the_local_brokers_properties() -> None:
    """But for where it listens and keeps its data, nothing differs from what tests run against locally."""
    local = broker_properties(NodeConfig(node_id=1, port=9092, voters={1: 9093}, data_dir=Path("data")))
    inside = container_properties()
    assert inside.keys() == local.keys()
    assert {name for name in local if inside[name] != local[name]} == LISTENING


def test_the_broker_reaches_itself_without_the_mapped_port() -> None:
    """What it tells itself to connect to is never what clients are told (transactions would hang)."""
    inside = container_properties()
    assert inside["inter.broker.listener.name"] == "INTERNAL"
    assert "INTERNAL://127.0.0.1:9094" in inside["advertised.listeners"]


def test_the_context_has_all_that_the_dockerfile_copies(context: Path) -> None:
    """Nothing is left for the build to download."""
    copied = re.findall(r"^COPY (.+) \S+$", (context / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    names = [name for line in copied for name in line.split()]
    assert "entrypoint.sh" in names
    assert [name for name in names if not (context / name).exists()] == []
    assert os.access(context / "entrypoint.sh", os.X_OK)
    assert os.access(context / "java/bin/java", os.X_OK)


def test_the_class_path_is_the_lock_list(context: Path) -> None:
    """The pinned jars, in their order, and no others."""
    pinned = [artifact.file_name for artifact in locked_artifacts("broker")]
    options = (context / "jvm.options").read_text("utf-8").splitlines()
    class_path = options[options.index("-cp") + 1].split(":")
    assert class_path == [f"/opt/kafka/jars/{name}" for name in pinned]
    assert sorted(path.name for path in (context / "jars").iterdir()) == sorted(pinned)


def test_a_folder_with_something_in_it_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing of the reader's is overwritten or sent to the engine."""
    (tmp_path / "mine").touch()
    with pytest.raises(DiskProblem, match="give an empty folder"):
        prepare_context(tmp_path)
    assert main([str(tmp_path)]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize("place", ["unix:///nowhere/docker.sock", "tcp://127.0.0.1:1", "nonsense"])
def test_no_docker_engine_is_one_line(place: str) -> None:
    """``make test-containers`` without Docker says what is missing and what to do, and does not pass."""
    asked = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.support.container"],
        cwd=ROOT,
        env={**os.environ, "DOCKER_HOST": place},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (asked.returncode, asked.stdout) == (os.EX_UNAVAILABLE, "")
    assert asked.stderr.startswith(f"no Docker engine answers at {place}: start one")
    assert asked.stderr.count("\n") == 1
