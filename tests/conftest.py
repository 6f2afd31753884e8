"""Fixtures for all tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mabos.kafka.settings import Settings
from mabos.streams.local_database import LocalDatabase
from tests.support.platform import Platform, run_platform


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """The broker and registry of this process, started at the first test that asks."""
    with run_platform(tmp_path_factory.mktemp("platform")) as running:
        yield running


@pytest.fixture
def settings(platform: Platform) -> Settings:
    """Settings of a queue of the test's own."""
    return platform.new_queue()


@pytest.fixture(scope="session")
def database() -> Iterator[LocalDatabase]:
    """The database of this process, started at the first test that asks: each queue has a view of its own in it."""
    with LocalDatabase() as running:
        yield running
