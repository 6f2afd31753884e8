"""The wheel, installed into an empty environment far from the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.console import build_console

ROOT = Path(__file__).parents[2]
ROOMS = ("schemas", "kafka", "producers", "consumers", "streams", "gateway", "cli")
UV = [sys.executable, "-m", "uv", "--quiet"]
FINDS_ITS_FILES = """
import importlib, pathlib
from mabos.gateway.console import CONSOLE_FOLDER
from mabos.kafka.artifacts import locked_artifacts
from mabos.kafka.topics import Queue, read_topic_specs
from mabos.schemas.avro import SCHEMA_FOLDER, read_schema
for room in {rooms!r}:
    module = importlib.import_module("mabos." + room)
    assert "site-packages" in module.__file__, module.__file__
    assert pathlib.Path(module.__file__).with_name("py.typed").is_file(), room
for name in ("TaskRequest", "TaskResponse", "TaskControl"):
    assert name in read_schema("task_" + name[4:].lower()), name
assert "site-packages" in str(SCHEMA_FOLDER)
assert "site-packages" in str(CONSOLE_FOLDER)
assert (CONSOLE_FOLDER / "index.html").is_file()
assert len(read_topic_specs(Queue(), brokers=1)) == 4
assert len(locked_artifacts("broker")) > 40
from mabos.streams.store import read_sql
assert "INSERT INTO tasks" in read_sql("insert_tasks")
"""


def run(command: list[str], **env: str) -> str:
    done = subprocess.run(command, cwd="/", env=env or None, capture_output=True, text=True, timeout=150, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    build_console()
    folder = tmp_path_factory.mktemp("dist")
    run([*UV, "build", "--wheel", "--no-build-isolation", "--python", sys.executable, "-o", str(folder), str(ROOT)])
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_the_rooms_and_nothing_of_the_workshop(wheel: Path) -> None:
    """Every room is in the wheel, tests and examples are not, and no file stands between the rooms."""
    names = zipfile.ZipFile(wheel).namelist()
    assert {f"mabos/{room}/__init__.py" for room in ROOMS} <= set(names)
    assert "mabos/__init__.py" not in names
    assert [name for name in names if name.startswith("mabos/gateway/static/assets/") and name.endswith(".js")]
    assert {name.split("/")[0] for name in names} == {
        "mabos",
        next(n for n in names if ".dist-info" in n).split("/")[0],
    }


def test_the_wheel_works_in_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    """Installed with its extras, it imports, finds its schemas, topics and pins, and has the command."""
    venv = tmp_path / "venv"
    run([*UV, "venv", "--python", sys.executable, str(venv)])
    python = str(venv / "bin" / "python")
    run([*UV, "pip", "install", "--python", python, "-c", str(_constraints(tmp_path)), f"{wheel}[all]"])
    run([python, "-W", "error", "-c", FINDS_ITS_FILES.format(rooms=ROOMS)])
    told = run([str(venv / "bin" / "mabos"), "--help"], PATH=os.defpath, HOME=str(tmp_path))
    assert "worker" in told


def test_the_core_needs_no_extra(wheel: Path, tmp_path: Path) -> None:
    """Without extras a service can publish, and the command says in one line what a verb lacks."""
    venv = tmp_path / "venv"
    run([*UV, "venv", "--python", sys.executable, str(venv)])
    python = str(venv / "bin" / "python")
    run([*UV, "pip", "install", "--python", python, "-c", str(_constraints(tmp_path)), str(wheel)])
    run([python, "-W", "error", "-c", "import mabos.producers, mabos.consumers, mabos.cli.main"])
    for verb, extra in (("gateway run", "gateway"), ("up", "local"), ("view run", "view")):
        command = [str(venv / "bin" / "mabos"), *verb.split()]
        done = subprocess.run(
            command, cwd=tmp_path, env={"HOME": str(tmp_path)}, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 1
        assert f"pip install 'mabos[{extra}]'" in done.stderr
        assert len(done.stderr.splitlines()) == 1


def _constraints(folder: Path) -> Path:
    """The versions of the lock, without hashes: our own wheel has none there."""
    file = folder / "constraints.txt"
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    file.write_text("\n".join(line.rstrip(" \\") for line in lines if "==" in line and not line.startswith((" ", "#"))))
    return file
