"""Reading a stretch of a log where nothing comes."""

from __future__ import annotations

import pytest

from mabos.consumers import log
from mabos.consumers.log import read_log
from mabos.kafka.errors import BrokerUnavailable
from mabos.kafka.settings import Settings
from tests.support.nowhere import closed_port


def test_it_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that gives no record is told, with its address and the topic."""
    monkeypatch.setattr(log, "_STALL_S", 0.5)
    with closed_port() as address, pytest.raises(BrokerUnavailable, match=rf"^Kafka at {address} gave no record of t "):
        list(read_log(Settings(bootstrap_servers=address), "t", {0: 3}, {0: 4}))


def test_an_empty_stretch_needs_no_broker() -> None:
    """Where each beginning is the end there is nothing to wait for."""
    with closed_port() as address:
        assert list(read_log(Settings(bootstrap_servers=address), "t", {0: 3}, {0: 3})) == []
