"""Replays over HTTP, without Kafka: who may make and see which, how many run, and what is kept of them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from mabos.consumers.selection import Reach
from mabos.gateway import replayruns, replaystore
from mabos.gateway.access import Access
from mabos.gateway.apikeys import ApiKey, hash_secret, make_secret
from mabos.gateway.keybook import KeyBook
from mabos.gateway.principals import Scope
from mabos.kafka.errors import BrokerUnavailable
from mabos.kafka.settings import Settings
from mabos.schemas import new_task_id
from mabos.streams.local_database import LocalDatabase
from tests.gateway.fakes import Door
from tests.gateway.shape import fields_of, read_problem
from tests.support.nowhere import closed_port
from tests.support.waiting import eventually


@pytest.fixture
def settings(database: LocalDatabase) -> Settings:
    return Settings(database_url=SecretStr(database.url), queue=f"q-{new_task_id()}", max_payload_bytes=4096)


class Kafka:
    """How far the log reaches, told when the test lets it; then Kafka is away."""

    def __init__(self) -> None:
        self.may_tell = threading.Event()

    def find_reach(self, *_: Any) -> Reach:
        assert self.may_tell.wait(30)
        raise BrokerUnavailable("no Kafka answers here")


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> Iterator[Kafka]:
    made = Kafka()
    monkeypatch.setattr(replayruns, "find_reach", made.find_reach)
    yield made
    made.may_tell.set()


def make(door: Door, **wanted: Any) -> httpx.Response:
    return door.ask("POST", "/api/replays", json={"kind": "inspect"} | wanted)


def wait_until_ended(door: Door, replay_id: str) -> Any:
    def look() -> Any:
        found = door.ask("GET", f"/api/replays/{replay_id}").json()
        return found["ended_at"] and found

    return eventually(look, timeout_s=30)


def key_for(*agents: str) -> tuple[Access, dict[str, str]]:
    secret, text = make_secret()
    key = ApiKey(
        id=secret.id,
        name="",
        secret_sha256=hash_secret(secret.text),
        scopes=frozenset({Scope.REPLAY_RUN}),
        agents=agents,
    )
    return Access(KeyBook(lambda: [key]), None), {"authorization": f"Bearer {text}"}


def test_a_replay_that_cannot_reach_kafka_fails_and_says_why(settings: Settings, kafka: Kafka) -> None:
    """It was accepted; what became of it stands in it, with who made it."""
    kafka.may_tell.set()
    door = Door(settings=settings)
    made = make(door, kind="reprocess", agent_id="a", since="2030-01-01T00:00:00Z")
    assert made.status_code == 202
    failed = wait_until_ended(door, made.json()["replay_id"])
    assert (failed["state"], failed["error"]) == ("failed", "no Kafka answers here")
    assert (failed["created_by"], failed["selection"]["since"]) == ("local", "2030-01-01T00:00:00Z")
    problem = read_problem(door.ask("POST", f"/api/replays/{failed['replay_id']}/apply"), 409)
    assert "never counted" in problem["detail"]


def test_so_many_run_at_a_time_and_no_more(settings: Settings, kafka: Kafka) -> None:
    """429, with when to try again; one that has ended makes room. Of another gateway's there may be more."""
    door = Door(settings=settings)
    first = [make(door), make(door)]
    assert [answer.status_code for answer in first] == [202, 202]
    refused = make(door)
    assert "2 replays already" in read_problem(refused, 429)["detail"]
    assert refused.headers["retry-after"] == "5"
    assert make(Door(settings=settings)).status_code == 202
    kafka.may_tell.set()
    for answer in first:
        wait_until_ended(door, answer.json()["replay_id"])
    eventually(lambda: make(door).status_code == 202)


def test_a_key_makes_and_sees_replays_of_its_own_agents_only(settings: Settings, kafka: Kafka) -> None:
    """What it may not reach is 403 where it would be replayed, and not there where it would be seen or stopped."""
    kafka.may_tell.set()
    door = Door(settings=settings)
    foreign = make(door, agent_id="mail-1").json()["replay_id"]
    wait_until_ended(door, foreign)
    wait_until_ended(door, make(door).json()["replay_id"])
    access, headers = key_for("billing-*")
    limited = Door(settings=settings, access=access)

    def ask(method: str, path: str, **how: Any) -> httpx.Response:
        return limited.ask(method, path, headers=headers, **how)

    mine = ask("POST", "/api/replays", json={"kind": "inspect", "agent_id": "billing-1"})
    assert mine.status_code == 202
    assert "say agent_id" in read_problem(ask("POST", "/api/replays", json={"kind": "inspect"}), 403)["detail"]
    read_problem(ask("POST", "/api/replays", json={"kind": "inspect", "agent_id": "mail-1"}), 403)
    shown = ask("GET", "/api/replays").json()["replays"]
    assert [one["replay_id"] for one in shown] == [mine.json()["replay_id"]]
    for method, path in (("GET", ""), ("POST", "/apply"), ("POST", "/stop")):
        read_problem(ask(method, f"/api/replays/{foreign}{path}"), 404)


def test_old_replays_are_forgotten(settings: Settings, kafka: Kafka, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest stay; of another queue none is shown."""
    monkeypatch.setattr(replaystore, "MAX_KEPT", 2)
    kafka.may_tell.set()
    door, names = Door(settings=settings), []
    for _ in range(4):
        made = eventually(lambda: (answer := make(door)).status_code == 202 and answer)
        names.append(made.json()["replay_id"])
        wait_until_ended(door, names[-1])
    shown = door.ask("GET", "/api/replays").json()["replays"]
    assert [one["replay_id"] for one in shown] == [names[3], names[2]]
    read_problem(door.ask("GET", f"/api/replays/{names[0]}"), 404)
    other = Door(settings=settings.model_copy(update={"queue": "other"}))
    assert other.ask("GET", "/api/replays").json() == {"replays": []}


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"kind": "verify"}, "kind"),
        ({"agent_id": ""}, "agent_id"),
        ({"statuses": ["gone"]}, "statuses.0"),
        ({"since": "yesterday"}, "since"),
        ({"rate_per_s": 10}, "body"),
        ({"kind": "reprocess", "rate_per_s": 0}, "rate_per_s"),
        ({"action": "a\0"}, "action"),
        ({"partitions": [{"partition": 1}, {"partition": 1}]}, "body"),
        ({"partitions": [{"partition": -1}]}, "partitions.0.partition"),
    ],
)
def test_what_is_refused_is_named(settings: Settings, wanted: dict[str, Any], field: str) -> None:
    """422; nothing is made."""
    assert fields_of(read_problem(make(Door(settings=settings), **wanted), 422)) == [field]


def test_a_selection_that_could_never_select_anything_is_refused(settings: Settings) -> None:
    """422 with what is wrong."""
    empty = make(Door(settings=settings), partitions=[{"partition": 3, "begin": 7, "end": 7}])
    assert "partition 3" in read_problem(empty, 422)["detail"]


def test_without_the_database_only_these_routes_are_away() -> None:
    """503 with when to try again; tasks are published all the same."""
    with closed_port() as nowhere:
        door = Door(settings=Settings(database_url=SecretStr(f"postgresql://{nowhere}/none")))
        for method, path in (("GET", ""), ("GET", f"/{new_task_id()}"), ("POST", f"/{new_task_id()}/stop")):
            answer = door.ask(method, f"/api/replays{path}")
            assert "no PostgreSQL answers" in read_problem(answer, 503)["detail"]
            assert answer.headers["retry-after"] == "2"
        read_problem(make(door), 503)
        read_problem(make(door), 503)
        read_problem(make(door), 503)
        assert door.post('{"agent_id": "a", "payload": {}}').status_code == 202
