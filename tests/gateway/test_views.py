"""What the view knows, over HTTP: to whom it may be told, page by page, and while the database is away."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from mabos.gateway.access import Access
from mabos.gateway.apikeys import ApiKey, hash_secret, make_secret
from mabos.gateway.keybook import KeyBook
from mabos.gateway.principals import Scope
from mabos.kafka.settings import Settings
from mabos.streams.database import Connection, connect, ensure_view, live_schema
from mabos.streams.local_database import LocalDatabase
from tests.gateway.fakes import Door
from tests.gateway.shape import fields_of, read_problem

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def settings(database: LocalDatabase) -> Settings:
    found = Settings(database_url=SecretStr(database.url), queue="viewed", max_payload_bytes=4096)
    ensure_view(found, live_schema(found.queue))
    with connect(found, live_schema(found.queue), autocommit=True) as connection:
        for number in range(5):
            write(connection, f"t{number}", "billing-1", NOW + timedelta(seconds=number), "completed", number)
        connection.execute("UPDATE tasks SET parent_task_id = 't0', parent_agent_id = 'billing-1' WHERE task_id = 't3'")
        write(connection, "t1", "mail-1", NOW + timedelta(minutes=1), "failed", 9)
        connection.execute("INSERT INTO partitions VALUES ('mabos.viewed.requests', 7, 10, 1, now())")
    return found


def write(connection: Connection, task_id: str, agent_id: str, at: datetime, state: str, offset: int) -> None:
    connection.execute(
        "INSERT INTO tasks (requested_at, request_offset, response_offset, partition, response_partition, started_at,"
        " answered_at, attempt, state, task_id, agent_id, action, payload, result)"
        " VALUES (%s, %s, %s, 7, 7, %s, %s, 1, %s, %s, %s, 'greet', %s, '{\"n\": 9007199254740993}')",
        (at, offset, offset, at, at + timedelta(seconds=2), state, task_id, agent_id, '{"action": "greet"}'),
    )


def ask(settings: Settings, *paths: str, key: dict[str, Any] | None = None) -> list[httpx.Response]:
    """Ask one gateway, in one event loop."""
    secret, text = make_secret()
    made = None if key is None else ApiKey(id=secret.id, name="", secret_sha256=hash_secret(secret.text), **key)
    access = None if made is None else Access(KeyBook(lambda: [made]), None)
    door = Door(settings=settings, access=access)

    async def run() -> list[httpx.Response]:
        transport = httpx.ASGITransport(door.app, raise_app_exceptions=False)
        headers = {"authorization": f"Bearer {text}"}
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway", headers=headers) as client:
            try:
                return [await client.get(path) for path in paths]
            finally:
                await door.app.disconnect()  # what was opened belongs to this event loop

    return asyncio.run(run())


def test_a_task_is_shown_as_it_was_asked_and_answered(settings: Settings) -> None:
    """With its times, its positions, and every digit of its numbers."""
    [answer] = ask(settings, "/api/tasks/t1?agent_id=billing-1")
    shown = answer.json()
    assert (shown["state"], shown["run_ms"], shown["payload"]) == ("completed", 2000, {"action": "greet"})
    assert shown["positions"]["request"] == "mabos.viewed.requests:7:1"
    assert '"result":{"n":9007199254740993}' in answer.text


def test_a_name_that_several_agents_have_is_said(settings: Settings) -> None:
    """409, and which they are; one that nobody has is 404."""
    several, none = ask(settings, "/api/tasks/t1", "/api/tasks/none")
    assert "billing-1, mail-1" in read_problem(several, 409)["detail"]
    read_problem(none, 404)


def test_lists_go_on_where_they_stopped(settings: Settings) -> None:
    """Newest first, each task once, filtered by what is asked."""
    found: list[str] = []
    cursor = ""
    while True:
        [answer] = ask(settings, f"/api/tasks?agent_id=billing-1&limit=2{cursor}")
        page = answer.json()
        found += [task["task_id"] for task in page["tasks"]]
        if page["cursor"] is None:
            break
        cursor = f"&cursor={page['cursor']}"
    assert found == ["t4", "t3", "t2", "t1", "t0"]
    failed, since, text = ask(
        settings, "/api/tasks?state=failed", "/api/tasks?since=2030-01-01T12:00:30Z", "/api/tasks?text=nothing"
    )
    assert [task["agent_id"] for task in failed.json()["tasks"]] == ["mail-1"]
    assert [task["agent_id"] for task in since.json()["tasks"]] == ["mail-1"]
    assert text.json()["tasks"] == []


def test_what_a_task_led_to_is_found(settings: Settings) -> None:
    """By its id and its agent; one without the other is refused."""
    children, none, half = ask(
        settings,
        "/api/tasks?parent_task_id=t0&parent_agent_id=billing-1",
        "/api/tasks?replay_of_task_id=t0&replay_of_agent_id=billing-1",
        "/api/tasks?redrive_of_task_id=t0",
    )
    assert [task["task_id"] for task in children.json()["tasks"]] == ["t3"]
    assert none.json()["tasks"] == []
    assert fields_of(read_problem(half, 422)) == ["redrive_of_agent_id"]


def test_writers_read_what_they_wrote(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the position of the accepted task; a view that stays behind is said, another queue's position refused."""
    monkeypatch.setattr("mabos.gateway.views.CATCH_UP_S", 0.05)
    path = "/api/tasks/t1?agent_id=billing-1&position="
    there, behind, foreign, junk = ask(
        settings,
        f"{path}mabos.viewed.requests:7:9",
        f"{path}mabos.viewed.requests:7:10",
        f"{path}mabos.tasks.requests:7:1",
        f"{path}junk",
    )
    assert there.status_code == 200
    assert read_problem(behind, 503)["detail"].startswith("the view has not come to")
    assert behind.headers["retry-after"] == "1"
    assert fields_of(read_problem(foreign, 422)) == fields_of(read_problem(junk, 422)) == ["position"]


def test_agents_and_traffic_are_counted(settings: Settings) -> None:
    """What waits, and what came of late."""
    agents, stats = ask(
        settings, "/api/agents", "/api/stats?since=2030-01-01T00:00:00Z&until=2030-01-02T00:00:00Z&unit=hour"
    )
    assert agents.status_code == 200
    assert stats.json()["total"]["requested"] == 0, "nothing was counted into the minutes"


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/api/tasks?limit=0", "limit"),
        ("/api/tasks?limit=501", "limit"),
        ("/api/tasks?state=gone", "state.0"),
        ("/api/tasks?cursor=junk", "cursor"),
        ("/api/tasks?since=yesterday", "since"),
        ("/api/tasks?since=2030-01-01T00:00:00", "since"),
        ("/api/tasks?colour=red", "colour"),
        ("/api/tasks?text=%00", "text"),
        ("/api/stats?since=2030-01-02T00:00:00Z&until=2030-01-01T00:00:00Z", "since"),
        ("/api/stats?since=2020-01-02T00:00:00Z&until=2030-01-01T00:00:00Z", "unit"),
        ("/api/agents?window_s=1", "window_s"),
    ],
)
def test_a_parameter_that_is_refused_is_named(settings: Settings, path: str, field: str) -> None:
    """422, before or by the view; in words of ours, which speak to whoever asks."""
    problem = read_problem(ask(settings, path)[0], 422)
    assert fields_of(problem) == [field]
    assert "Input should" not in problem["detail"]
    assert "field of" not in problem["detail"]


def test_a_caller_sees_its_own_agents_only(settings: Settings) -> None:
    """Lists leave others out, and a task of another's is not there: nobody learns that it is."""
    key = {"scopes": frozenset(Scope), "agents": ("mail-*",)}
    listed, mine, foreign, by_name, agents = ask(
        settings,
        "/api/tasks",
        "/api/tasks/t1",
        "/api/tasks/t0",
        "/api/tasks?agent_id=billing-1",
        "/api/agents",
        key=key,
    )
    assert {task["agent_id"] for task in listed.json()["tasks"]} == {"mail-1"}
    assert mine.json()["agent_id"] == "mail-1"
    read_problem(foreign, 404)
    assert by_name.json()["tasks"] == []
    assert {agent["agent_id"] for agent in agents.json()["agents"]} <= {"mail-1"}


def test_a_database_that_is_away_is_said(tmp_path: Path) -> None:
    """503, and when to try again; publishing does not need it."""
    away = Settings(database_url=SecretStr(f"postgresql:///mabos?host={tmp_path}"), max_payload_bytes=4096)
    listed, shown = ask(away, "/api/tasks", "/api/tasks/t1")
    for answer in (listed, shown):
        assert "mabos up" in read_problem(answer, 503)["detail"]
        assert answer.headers["retry-after"] == "2"
    assert Door(settings=away).post('{"agent_id": "a", "payload": {}}').status_code == 202
