"""Web pages of other origins: none may ask, unless the settings name theirs."""

from __future__ import annotations

import pytest

from mabos.gateway.access import Access
from mabos.gateway.apikeys import ApiKey, hash_secret, make_secret
from mabos.gateway.cors import METHODS
from mabos.gateway.keybook import KeyBook
from mabos.gateway.principals import Scope
from mabos.kafka.settings import Settings
from tests.gateway.fakes import Door
from tests.gateway.shape import read_problem

ORIGIN, OTHER = "https://console.example.com", "https://evil.example"
ASKS = {"access-control-request-method": "POST", "access-control-request-headers": "authorization, idempotency-key"}
TASK = {"agent_id": "a", "payload": {}}


def door_for(*origins: str) -> tuple[Door, str]:
    """A gateway that knows one caller, who may ask once in a long while; and that caller's key."""
    secret, text = make_secret()
    key = ApiKey(
        id=secret.id,
        name="",
        secret_sha256=hash_secret(secret.text),
        scopes=frozenset({Scope.TASKS_WRITE}),
        agents=("*",),
        rate_per_s=0.001,
    )
    settings = Settings(gateway_cors_origins=",".join(origins))
    return Door(settings=settings, access=Access(KeyBook(lambda: [key]), None)), f"Bearer {text}"


def test_a_page_of_a_named_origin_may_ask_and_read_what_it_needs() -> None:
    """Its origin is in the answer, with the headers that it may read, and without credentials of the browser's own."""
    door, key = door_for("https://first.example", ORIGIN)
    answer = door.ask("POST", "/api/tasks", json=TASK, headers={"origin": ORIGIN, "authorization": key})
    assert answer.status_code == 202
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert "access-control-allow-credentials" not in answer.headers
    assert "origin" in answer.headers["vary"].lower()
    shown = {name.strip() for name in answer.headers["access-control-expose-headers"].split(",")}
    assert shown >= {"Location", "Retry-After", "Idempotent-Replayed"}


def test_a_preflight_needs_no_key_and_does_not_count() -> None:
    """Browsers send it without one; ten of them leave the caller its one request."""
    door, key = door_for(ORIGIN)
    for _ in range(10):
        answer = door.ask("OPTIONS", "/api/tasks", headers={"origin": ORIGIN} | ASKS)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert door.ask("POST", "/api/tasks", json=TASK, headers={"authorization": key}).status_code == 202


def test_a_page_may_read_why_it_was_refused() -> None:
    """401, 429 and 422 are told as other answers are."""
    door, key = door_for(ORIGIN)
    answers = [
        door.ask("POST", "/api/tasks", json=TASK, headers={"origin": ORIGIN}),
        door.ask("POST", "/api/tasks", json={}, headers={"origin": ORIGIN, "authorization": key}),
        door.ask("POST", "/api/tasks", json=TASK, headers={"origin": ORIGIN, "authorization": key}),
    ]
    for answer, status in zip(answers, (401, 422, 429), strict=True):
        read_problem(answer, status)
        assert answer.headers["access-control-allow-origin"] == ORIGIN


@pytest.mark.parametrize(
    "origin", [OTHER, "null", ORIGIN + ":8443", "http://console.example.com", ORIGIN + ".evil.example"]
)
@pytest.mark.parametrize("origins", [(), (ORIGIN,)])
def test_a_page_of_another_origin_is_not_let_in(origins: tuple[str, ...], origin: str) -> None:
    """Neither its preflight nor its request finds its origin in the answer."""
    door, key = door_for(*origins)
    preflight = door.ask("OPTIONS", "/api/tasks", headers={"origin": origin} | ASKS)
    assert preflight.status_code >= 400
    asked = door.ask("POST", "/api/tasks", json=TASK, headers={"origin": origin, "authorization": key})
    for answer in (preflight, asked):
        assert "access-control-allow-origin" not in answer.headers


def test_every_method_of_the_api_is_let_in() -> None:
    """A route with another method would be out of reach for pages."""
    paths = door_for(ORIGIN)[0].app.openapi()["paths"].values()
    assert {method.upper() for path in paths for method in path} <= set(METHODS)
