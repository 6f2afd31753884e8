"""Dead letters over HTTP: to whom they may be told, page by page and by cause."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from mabos.gateway.principals import Scope
from mabos.kafka.settings import Settings
from mabos.streams.database import connect, ensure_view, live_schema
from mabos.streams.local_database import LocalDatabase
from tests.gateway.fakes import Door
from tests.gateway.shape import fields_of, read_problem
from tests.gateway.test_views import ask

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
LETTERS = "/api/dead-letters"
TOPIC = "mabos.buried.dead-letters"


@pytest.fixture(scope="module")
def settings(database: LocalDatabase) -> Settings:
    """A view with three letters: two of billing, of one cause, and one of nobody."""
    found = Settings(database_url=SecretStr(database.url), queue="buried", max_payload_bytes=4096)
    ensure_view(found, live_schema(found.queue))
    with connect(found, live_schema(found.queue)) as connection:
        for number, agent_id in enumerate(("billing-1", "billing-2", None)):
            code = "bad_key" if agent_id is None else "handler_failed"
            connection.execute(
                'INSERT INTO dead_letters (dead_at, "offset", partition, is_whole, code, message, cause_id,'
                " agent_id, task_id, action) VALUES (%s, %s, 7, true, %s, 'it broke', %s, %s, %s, 'greet')",
                (NOW + timedelta(seconds=number), number, code, code, agent_id, agent_id and f"t{number}"),
            )
    return found


def test_letters_are_listed_page_by_page(settings: Settings) -> None:
    """Newest first, with what can be done about each."""
    [first] = ask(settings, f"{LETTERS}?limit=2")
    shown = first.json()
    assert [letter["position"] for letter in shown["letters"]] == [f"{TOPIC}:7:2", f"{TOPIC}:7:1"]
    assert [letter["can_redrive"] for letter in shown["letters"]] == [False, True]
    [second] = ask(settings, f"{LETTERS}?limit=2&cursor={shown['cursor']}")
    assert [letter["position"] for letter in second.json()["letters"]] == [f"{TOPIC}:7:0"]
    assert second.json()["cursor"] is None


def test_letters_of_other_agents_are_nobodys_business(settings: Settings) -> None:
    """Neither listed, nor counted, nor shown; those of no known agent are for who may reach all."""
    key = {"scopes": frozenset({Scope.OPS_READ, Scope.TASKS_READ}), "agents": ("billing-1", "mail-*")}
    paths = (LETTERS, f"{LETTERS}/groups", f"{LETTERS}?agent_id=billing-2", f"{LETTERS}/{TOPIC}:7:1")
    listed, grouped, other, shown = ask(settings, *paths, f"{LETTERS}/{TOPIC}:7:2", key=key)[:4]
    assert [letter["agent_id"] for letter in listed.json()["letters"]] == ["billing-1"]
    assert [(group["cause_id"], group["count"]) for group in grouped.json()["groups"]] == [("handler_failed", 1)]
    assert other.json()["letters"] == []
    read_problem(shown, 404)
    [everything] = ask(settings, f"{LETTERS}/groups", key=key | {"agents": ("*",)})
    assert [group["count"] for group in everything.json()["groups"]] == [2, 1]


def test_what_cannot_be_asked_is_named(settings: Settings) -> None:
    """A cursor of nobody's, a position in another topic, a parameter that there is none."""
    paths = ("?cursor=x", "/mabos.buried.requests:7:1", "/7", "?colour=red", "?redriven=maybe", "/groups?limit=3")
    answers = ask(settings, *(f"{LETTERS}{path}" for path in paths))
    names = [fields_of(read_problem(answer, 422)) for answer in answers]
    assert names == [["cursor"], ["position"], ["position"], ["colour"], ["redriven"], ["limit"]]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "body"),
        ({"positions": [f"{TOPIC}:7:1"], "cause_id": "x"}, "body"),
        ({"cause_id": "x", "payload": {}}, "body"),
        ({"positions": [f"{TOPIC}:7:1", f"{TOPIC}:7:0"], "payload": {}}, "body"),
        ({"positions": ["mabos.buried.requests:7:1"]}, "positions"),
        ({"cause": "x"}, "cause"),
        ({"positions": [f"{TOPIC}:7:1"], "payload": [1]}, "payload"),
    ],
)
def test_a_redrive_says_which_letters_it_is_for(settings: Settings, body: dict[str, Any], field: str) -> None:
    """Positions, or what must fit; another payload for one letter only."""
    answer = Door(settings=settings).ask("post", f"{LETTERS}/redrives", json=body)
    assert fields_of(read_problem(answer, 422))[0] == field


@pytest.mark.parametrize("plan_id", ["x", "0191f0c2-6c3a-7b0e-9d63-6f2c0b1a9f11"])
def test_a_plan_that_nobody_made_is_not_there(settings: Settings, plan_id: str) -> None:
    """Neither to be seen nor to be applied."""
    door = Door(settings=settings)
    for method, path in (("get", plan_id), ("post", f"{plan_id}/apply")):
        read_problem(door.ask(method, f"{LETTERS}/redrives/{path}"), 404)


def test_what_a_task_was_asked_is_for_readers_of_tasks(settings: Settings) -> None:
    """To watch operations is not to read payloads."""
    key = {"scopes": frozenset({Scope.OPS_READ}), "agents": ("*",)}
    read_problem(ask(settings, f"{LETTERS}/{TOPIC}:7:1", key=key)[0], 403)
