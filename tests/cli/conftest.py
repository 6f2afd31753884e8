"""Fixtures for the tests of the command."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from mabos.cli.main import main
from mabos.kafka.settings import Settings
from tests.cli.command import Done, InProcess, Mabos, Typed, environment


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


@pytest.fixture
def in_process(monkeypatch: Any, capsys: pytest.CaptureFixture[str]) -> Iterator[InProcess]:
    """Runs a command in this process; what it changes in here is changed back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def make(mabos: Mabos) -> Typed:
        def run(*arguments: str) -> Done:
            for name, value in mabos.env.items():
                monkeypatch.setenv(name, value)
            monkeypatch.setattr(sys, "argv", ["mabos", *arguments])
            with pytest.raises(SystemExit) as ended:
                main()
            out, err = capsys.readouterr()
            assert isinstance(ended.value.code, int)
            return Done(ended.value.code, out, err)

        return run

    yield make
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()
