"""The broker of the fault tests: they kill and freeze it, and it notices dead workers within seconds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mabos.kafka.local_broker import LocalBroker
from mabos.kafka.settings import Settings
from tests.support.platform import Platform

_PROPERTIES = {
    "group.consumer.min.session.timeout.ms": "3000",
    "group.consumer.session.timeout.ms": "3000",
    "group.consumer.min.heartbeat.interval.ms": "500",
    "group.consumer.heartbeat.interval.ms": "500",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "500",  # 10 s is long for a test
}


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalBroker]:
    """A broker that no other test uses."""
    with LocalBroker(data_dir=tmp_path_factory.mktemp("faults"), properties=_PROPERTIES) as running:
        yield running


@pytest.fixture
def settings(platform: Platform, broker: LocalBroker) -> Settings:
    """Settings of a queue of the test's own, on that broker; its schemas are in the registry of this run."""
    return platform.new_queue(bootstrap_servers=broker.bootstrap_servers, classic_session_timeout_s=6.0)
