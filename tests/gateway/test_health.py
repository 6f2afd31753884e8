"""Liveness needs nothing; readiness names what is missing."""

from __future__ import annotations

import asyncio
import threading
from contextlib import nullcontext
from pathlib import Path
from typing import Literal

import pytest
from pydantic import SecretStr

from mabos.gateway.health import DatabaseLook, Readiness
from mabos.gateway.producer import LazyProducer
from mabos.kafka.errors import BrokerUnavailable, TopicsDiffer
from mabos.kafka.settings import Settings
from mabos.streams.errors import DatabaseUnavailable
from mabos.streams.local_database import LocalDatabase
from tests.gateway.fakes import Door, FakeFactory, FakePart, registry_away
from tests.gateway.shape import fields_of, read_problem


def test_liveness_needs_nothing() -> None:
    """It is alive with Kafka and the registry away, and does not even look."""
    door = Door()
    door.factory.error, door.kafka.error = registry_away(), BrokerUnavailable("no answer from Kafka")
    answer = door.ask("GET", "/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert door.kafka.looks == 0


def test_ready_with_everything_there() -> None:
    """200 where all that there is answers."""
    answer = Door().ask("GET", "/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready"})


def test_not_ready_names_each_missing_part() -> None:
    """503 with a line for each part that is away."""
    door = Door()
    door.factory.error, door.kafka.error = registry_away(), TopicsDiffer("topic t does not exist: run it")
    problem = read_problem(door.ask("GET", "/readyz"), 503)
    assert fields_of(problem) == ["schema_registry", "kafka"]
    assert problem["errors"][1]["message"] == "topic t does not exist: run it"

    door = Door()
    door.kafka.error = BrokerUnavailable("no answer from Kafka")
    problem = read_problem(door.ask("GET", "/readyz"), 503)
    assert fields_of(problem) == ["kafka"]
    assert "no answer from Kafka" in problem["detail"]


def test_not_ready_without_the_database_and_yet_tasks_are_taken() -> None:
    """The problem says so, and it is true."""
    door = Door()
    door.database.error = DatabaseUnavailable("no PostgreSQL answers")
    problem = read_problem(door.ask("GET", "/readyz"), 503)
    assert fields_of(problem) == ["database"]
    assert "tasks are taken" in problem["detail"]
    assert door.ask("GET", "/healthz").status_code == 200
    assert door.post('{"agent_id": "a", "payload": {}}').status_code == 202


@pytest.mark.parametrize("auth", ["loopback-open", "required"])
def test_a_gateway_that_has_no_database_does_not_miss_it(tmp_path: Path, auth: Literal["required"]) -> None:
    """Nobody named one, and none has run here; where API keys are kept in it, it is missed."""
    look = DatabaseLook(Settings(home=tmp_path, gateway_auth=auth))
    with pytest.raises(DatabaseUnavailable) if auth == "required" else nullcontext():
        look()


def test_a_database_is_missed_when_it_is_gone(tmp_path: Path) -> None:
    """One that the settings name, and the local one once it has run, also if it left in order."""
    with LocalDatabase(tmp_path) as database:
        named, local = (
            DatabaseLook(Settings(database_url=SecretStr(database.url))),
            DatabaseLook(Settings(home=tmp_path)),
        )
        named()
        local()
    for look in (named, local):
        with pytest.raises(DatabaseUnavailable):
            look()


def test_many_who_ask_share_one_look() -> None:
    """A look costs the broker something: those who ask at once, or a moment later, share it; later it is new."""
    now_s = [0.0]
    kafka, may_end = FakePart(), threading.Event()

    def look() -> None:
        assert may_end.wait(10)
        kafka()

    async def ask() -> None:
        producer = LazyProducer(Settings(), FakeFactory())
        readiness = Readiness(producer, look, FakePart(), clock=lambda: now_s[0])
        asking = [asyncio.ensure_future(readiness.missing()) for _ in range(50)]
        await asyncio.sleep(0)
        may_end.set()
        assert await asyncio.gather(*asking) == [[]] * 50
        now_s[0] = 0.9
        await readiness.missing()
        assert kafka.looks == 1
        kafka.error = BrokerUnavailable("gone")
        now_s[0] = 1.1
        assert await readiness.missing() == [("kafka", "gone")]
        assert kafka.looks == 2

    asyncio.run(ask())
