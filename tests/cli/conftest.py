"""Fixtures for the tests of the command."""

from __future__ import annotations

from pathlib import Path

import pytest

from mabos.kafka.settings import Settings
from tests.cli.command import Mabos, environment


@pytest.fixture(scope="session")
def bytecode(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the commands of this run keep their compiled code."""
    return tmp_path_factory.mktemp("bytecode")


@pytest.fixture
def lone_mabos(tmp_path: Path, bytecode: Path) -> Mabos:
    """The command where nothing answers."""
    settings = {
        "bootstrap_servers": "127.0.0.1:1",
        "schema_registry_url": "http://127.0.0.1:1",
        "gateway_url": "http://127.0.0.1:1",
        "home": tmp_path / "home",
        "cache_dir": tmp_path / "cache",
    }
    return Mabos(environment(tmp_path, bytecode, **settings), tmp_path)


@pytest.fixture
def mabos(settings: Settings, tmp_path: Path, bytecode: Path) -> Mabos:
    """The command for a queue of the test's own on the platform of this run."""
    found = settings.model_dump(include={"bootstrap_servers", "schema_registry_url", "queue", "cache_dir"})
    return Mabos(environment(tmp_path, bytecode, home=tmp_path / "home", **found), tmp_path)
