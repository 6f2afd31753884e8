"""Replays as jobs of gateways: counted, applied, stopped by another gateway, interrupted, and never a task twice."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from pydantic import SecretStr

from mabos.consumers.lineage import read_replay_of
from mabos.gateway import replayruns
from mabos.gateway.app import create_app
from mabos.gateway.replaymodels import NewReplay
from mabos.gateway.replayruns import ReplayRun
from mabos.gateway.replaystore import Hold, Pulse, ReplayStore
from mabos.gateway.tables import SCHEMA
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from mabos.schemas import new_task_id
from mabos.streams.database import connect
from mabos.streams.errors import DatabaseUnavailable
from mabos.streams.local_database import LocalDatabase
from tests.gateway.sockets import Answer, ask, serve
from tests.support.judge import send_tasks
from tests.support.platform import Platform
from tests.support.road import read_topic
from tests.support.waiting import eventually

TASKS = {"once": 8, "looked-at": 6, "moved": 20, "deaf": 20}
"""How many tasks of each agent there are; their action is their agent's name."""


@pytest.fixture(scope="module")
def settings(platform: Platform, database: LocalDatabase) -> Settings:
    """A queue with tasks that nobody has answered."""
    found = platform.new_queue(database_url=SecretStr(database.url))
    send_tasks(found, [(name, f"{n}", {"action": name}) for name, count in TASKS.items() for n in range(count)])
    return found


@pytest.fixture(autouse=True)
def told_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gateways tell often how far they are."""
    monkeypatch.setattr(replayruns, "BEAT_S", 0.1)


def call(port: int, method: str, path: str, body: dict[str, Any] | None = None) -> Answer:
    data = b"" if body is None else json.dumps(body).encode()
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n"
    if body is not None:
        head += f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n"
    return ask(port, head.encode() + b"\r\n" + data)


def make(port: int, **wanted: Any) -> str:
    answer = call(port, "POST", "/api/replays", wanted)
    assert answer.status == 202, answer.body
    made = answer.json()
    assert answer.headers["location"] == f"/api/replays/{made['replay_id']}"
    return str(made["replay_id"])


def look(port: int, replay_id: str) -> Any:
    return call(port, "GET", f"/api/replays/{replay_id}").json()


def wait_for(port: int, replay_id: str, state: str) -> Any:
    return eventually(lambda: (found := look(port, replay_id))["state"] == state and found, timeout_s=60)


def apply(port: int, replay_id: str) -> Answer:
    return call(port, "POST", f"/api/replays/{replay_id}/apply")


def replayed(settings: Settings, agent_id: str) -> Counter[str]:
    """How often each old request of an agent was published again."""
    stored = read_topic(settings, Queue(name=settings.queue).requests)
    found = [read_replay_of([(name, data or b"") for name, data in one.headers]) for one in stored]
    return Counter(one.task_id for one in found if one is not None and one.agent_id == agent_id)


def each_once(agent_id: str) -> Counter[str]:
    return Counter(f"{number}" for number in range(TASKS[agent_id]))


def test_what_was_counted_is_published_and_nothing_else(settings: Settings) -> None:
    """Nothing before it is applied; then exactly that, however many tasks came meanwhile; and once."""
    with serve(create_app(settings)) as gateway:
        replay_id = make(gateway.port, kind="reprocess", agent_id="once", rate_per_s=None)
        ready = wait_for(gateway.port, replay_id, "ready")
        assert ready["counts"]["rows"] == [{"action": "once", "outcome": None, "tasks": 8}]
        assert (ready["published"], replayed(settings, "once")) == (None, Counter())
        send_tasks(settings, [("once", "too late", {})])
        assert apply(gateway.port, replay_id).status == 202
        done = wait_for(gateway.port, replay_id, "done")
        again = apply(gateway.port, replay_id)
    assert (done["published"], done["progress"]["done"], done["progress"]["total"]) == (8, 8, 8)
    assert replayed(settings, "once") == each_once("once")
    assert (again.status, again.json()["detail"]) == (409, f"replay {replay_id} cannot be applied: it is done")


def test_an_inspection_counts_by_action_and_outcome(settings: Settings) -> None:
    """It publishes nothing, and there is nothing to apply. A partition that does not exist is said."""
    with serve(create_app(settings)) as gateway:
        replay_id = make(gateway.port, kind="inspect", action="looked-at", statuses=["unanswered"])
        done = wait_for(gateway.port, replay_id, "done")
        assert done["counts"]["rows"] == [{"action": "looked-at", "outcome": "unanswered", "tasks": 6}]
        assert done["selection"]["statuses"] == ["unanswered"]
        refused = apply(gateway.port, replay_id)
        nowhere = make(gateway.port, kind="inspect", partitions=[{"partition": 99}])
        failed = wait_for(gateway.port, nowhere, "failed")
        shown = call(gateway.port, "GET", "/api/replays").json()["replays"]
    assert refused.status == 409
    assert failed["error"].startswith("there is no partition 99")
    assert [one["replay_id"] for one in shown][:2] == [nowhere, replay_id]


def test_stopped_and_interrupted_replays_go_on_elsewhere(settings: Settings) -> None:
    """Whichever gateway began: one that stops, one that is told by another, one that is gone. No task comes twice."""
    with serve(create_app(settings)) as first:
        replay_id = make(first.port, kind="reprocess", action="moved", rate_per_s=5)
        wait_for(first.port, replay_id, "ready")
        assert apply(first.port, replay_id).status == 202
        eventually(lambda: look(first.port, replay_id)["published"], timeout_s=30)
        assert apply(first.port, replay_id).status == 409, "it runs"
    with serve(create_app(settings)) as second, serve(create_app(settings)) as third:
        stopped = look(second.port, replay_id)
        assert stopped["state"] == "stopped"
        assert apply(second.port, replay_id).status == 202
        eventually(lambda: look(third.port, replay_id)["published"] > stopped["published"], timeout_s=30)
        assert call(third.port, "POST", f"/api/replays/{replay_id}/stop").status == 202
        stopped = wait_for(third.port, replay_id, "stopped")
        assert 0 < stopped["published"] == replayed(settings, "moved").total() < 20
        assert call(third.port, "POST", f"/api/replays/{replay_id}/stop").status == 409
        with connect(settings, SCHEMA) as connection:  # as a gateway leaves it that was killed
            connection.execute(
                "UPDATE replays SET state = 'running', holder = 'gone', ended_at = NULL, published = 1,"
                " beat_at = now() - interval '1 minute', rate_per_s = NULL WHERE replay_id = %s",
                (replay_id,),
            )
        assert look(third.port, replay_id)["state"] == "interrupted"
        assert apply(third.port, replay_id).status == 202
        done = wait_for(third.port, replay_id, "done")
    assert done["published"] == 20
    assert replayed(settings, "moved") == each_once("moved")


class DeafStore(ReplayStore):
    """A store that answers no more once a run has begun."""

    def beat(self, hold: Hold, pulse: Pulse) -> bool | None:
        raise DatabaseUnavailable("no PostgreSQL answers")


def test_a_run_that_cannot_tell_how_far_it_is_publishes_no_more(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another gateway may go on after a while, and no two may publish at the same time."""
    monkeypatch.setattr(replayruns, "HOLD_S", 2.0)
    store = DeafStore(settings)
    wanted = NewReplay(kind="reprocess", agent_id="deaf", rate_per_s=2)
    hold = Hold(replay_id=new_task_id(), holder="deaf")
    store.insert(hold, wanted.model_dump(mode="json"), kind="reprocess", created_by="test")
    ReplayRun(settings, store, hold).count(wanted)
    run = ReplayRun(settings, store, hold)
    row = store.hold(hold)
    assert row is not None
    run.publish(row)
    ended = store.find(hold.replay_id)
    assert ended is not None
    assert ended.state == "stopped"
    assert replayed(settings, "deaf").total() == (ended.published or 0) < 20
