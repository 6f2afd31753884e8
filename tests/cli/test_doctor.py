"""``mabos doctor`` on the real broker, registry and database, and where nothing answers."""

from __future__ import annotations

import pytest

from mabos.kafka.settings import Settings
from tests.cli.command import InProcess, Mabos, Typed
from tests.support.nowhere import closed_port


@pytest.fixture
def mabos(mabos: Mabos, in_process: InProcess) -> Typed:
    """The command, in this process."""
    return in_process(mabos)


def test_it_looks_at_every_part(mabos: Typed, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broker, topics and schemas of the queue are as wanted; who is away is said, and makes its exit code 3."""
    with closed_port() as nobody:
        monkeypatch.setenv("MABOS_GATEWAY_URL", f"http://{nobody}")
        done = mabos("doctor", "-o", "ndjson")
    rows = {row["check"]: row for row in done.rows()}
    fine = ("brokers", "sessions", "offsets", "new topics", "topics", "copies", "schemas", "workers")
    assert {rows[name]["state"] for name in fine} == {"fine"}
    assert rows["gateway"]["state"] == "away"
    assert done.code == 3


def test_a_queue_without_topics_and_schemas_is_wrong(mabos: Typed, settings: Settings) -> None:
    """Each row says what to run."""
    done = mabos("doctor", "--queue", f"{settings.queue}-none", "-o", "ndjson")
    rows = {row["check"]: row for row in done.rows()}
    assert (rows["topics"]["state"], rows["topics"]["advice"]) == ("wrong", "`mabos topics apply`")
    assert (rows["schemas"]["state"], rows["schemas"]["advice"]) == ("wrong", "`mabos schema register`")
