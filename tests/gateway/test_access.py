"""Nobody gets past the guard unknown; routes say what else they require."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import Depends, FastAPI
from structlog.testing import capture_logs

from mabos.gateway.access import Access, AccessGuard, needs
from mabos.gateway.apikeys import ApiKey, Secret, hash_secret, make_secret
from mabos.gateway.keybook import REFRESH_S, KeyBook
from mabos.gateway.principals import Principal, Scope
from mabos.gateway.problems import add_problem_handlers
from mabos.gateway.rates import Rates
from mabos.kafka.settings import Settings
from mabos.schemas.errors import MabosError
from tests.gateway.fakes import Door
from tests.gateway.shape import read_problem


def key_of(secret: Secret, *scopes: Scope, **changes: Any) -> ApiKey:
    made = {
        "id": secret.id,
        "name": "test",
        "secret_sha256": hash_secret(secret.text),
        "scopes": frozenset(scopes),
        "agents": ("billing-*",),
    }
    return ApiKey(**(made | changes))


class Shelf:
    """A database of keys that can be away; tells how often it was read."""

    def __init__(self, *keys: ApiKey) -> None:
        self.keys, self.reads, self.is_away = list(keys), 0, False

    def read(self) -> Sequence[ApiKey]:
        self.reads += 1
        if self.is_away:
            raise MabosError("the database is away")
        return list(self.keys)


class Site:
    """A guarded application with two routes, a body that was never read, and a clock."""

    def __init__(self, shelf: Shelf | None, *, per_s: float = 1000.0) -> None:
        self.now_s, self.bodies = 100.0, 0
        app = FastAPI()
        add_problem_handlers(app)

        @app.get("/healthz")
        async def health() -> str:
            return "ok"

        @app.get("/api/tasks")
        async def read(principal: Principal = Depends(needs(Scope.TASKS_READ))) -> str:  # noqa: B008
            return principal.name

        @app.post("/api/tasks")
        async def write(body: dict[str, str], principal: Principal = Depends(needs(Scope.TASKS_WRITE))) -> str:  # noqa: B008
            self.bodies += 1
            principal.require_agent(body["agent_id"])
            return principal.name

        book = None if shelf is None else KeyBook(shelf.read, clock_s=lambda: self.now_s)
        access = None if book is None else Access(book, None)
        self.app = AccessGuard(app, access, Rates(per_s), clock_s=lambda: self.now_s)

    def ask(self, *requests: tuple[str, str, dict[str, Any]]) -> list[httpx.Response]:
        async def run() -> list[httpx.Response]:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                return [await client.request(method, path, **options) for method, path, options in requests]

        return asyncio.run(run())

    def get(self, path: str = "/api/tasks", **headers: str) -> httpx.Response:
        return self.ask(("GET", path, {"headers": headers}))[0]


def bearer(text: str) -> str:
    return f"Bearer {text}"


def test_an_open_gateway_takes_everybody() -> None:
    """As one on loopback is."""
    site = Site(None)
    assert site.get().json() == "local"


@pytest.mark.parametrize(
    "sent", [None, "", "Basic YTpi", "Bearer", "Bearer ", "Bearer junk", "bearer mabos_000000000000_" + "x" * 43]
)
def test_whoever_does_not_say_who_he_is_gets_401(sent: str | None) -> None:
    """With the way to do it; what needs no key is answered all the same."""
    site = Site(Shelf())
    answer = site.get(**({} if sent is None else {"authorization": sent}))
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert answer.headers["content-type"] == "application/problem+json"
    assert site.get("/healthz").json() == "ok"
    assert site.get("/api/none").status_code == 401, "unknown paths tell nobody which there are"


def test_a_key_says_who_asks_and_what_he_may() -> None:
    """Scopes by route, agents by request."""
    secret, text = make_secret()
    site = Site(Shelf(key_of(secret, Scope.TASKS_WRITE)))
    headers = {"authorization": bearer(text)}
    got, mine, foreign = site.ask(
        ("GET", "/api/tasks", {"headers": headers}),
        ("POST", "/api/tasks", {"headers": headers, "json": {"agent_id": "billing-1"}}),
        ("POST", "/api/tasks", {"headers": headers, "json": {"agent_id": "mail-1"}}),
    )
    assert (got.status_code, got.json()["detail"]) == (403, f"key:{secret.id} lacks the scope tasks:read")
    assert (mine.status_code, mine.json()) == (200, f"key:{secret.id}")
    assert foreign.status_code == 403
    assert "billing-*" in foreign.json()["detail"]


def test_the_body_of_a_stranger_is_not_read() -> None:
    """Nor is its path looked for."""
    site = Site(Shelf())
    [answer] = site.ask(("POST", "/api/tasks", {"content": b"{" * 1_000_000}))
    assert (answer.status_code, site.bodies) == (401, 0)


def test_two_credentials_are_none() -> None:
    """It would be anybody's guess which one counts."""
    secret, text = make_secret()
    site = Site(Shelf(key_of(secret, Scope.TASKS_READ)))
    twice = [("authorization", bearer(text)), ("authorization", bearer(text))]
    assert site.ask(("GET", "/api/tasks", {"headers": twice}))[0].status_code == 401


def test_a_key_opens_no_more_once_it_is_revoked_or_expired() -> None:
    """A gateway that runs hears of it within some seconds."""
    secret, text = make_secret()
    shelf = Shelf(key_of(secret, Scope.TASKS_READ))
    site = Site(shelf)
    assert site.get(authorization=bearer(text)).status_code == 200
    shelf.keys = [key_of(secret, Scope.TASKS_READ, revoked_at=datetime.now(UTC))]
    site.now_s += REFRESH_S + 0.1
    assert site.get(authorization=bearer(text)).status_code == 401
    shelf.keys = [key_of(secret, Scope.TASKS_READ, expires_at=datetime.now(UTC) - timedelta(seconds=1))]
    site.now_s += REFRESH_S + 0.1
    assert site.get(authorization=bearer(text)).status_code == 401


def test_guessing_does_not_reach_the_database() -> None:
    """Once a second at most, whatever is asked; and a key that was just made is known within that time."""
    shelf = Shelf()
    site = Site(shelf)
    for _ in range(50):
        assert site.get(authorization=bearer(make_secret()[1])).status_code == 401
    assert shelf.reads == 1
    secret, text = make_secret()
    shelf.keys.append(key_of(secret, Scope.TASKS_READ))
    site.now_s += 1.1
    assert site.get(authorization=bearer(text)).status_code == 200


def test_known_keys_open_while_the_database_is_away() -> None:
    """And before any was read, it is said that it may go better later."""
    secret, text = make_secret()
    shelf = Shelf(key_of(secret, Scope.TASKS_READ))
    site = Site(shelf)
    shelf.is_away = True
    answer = site.get(authorization=bearer(text))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    shelf.is_away = False
    site.now_s += 1.1
    assert site.get(authorization=bearer(text)).status_code == 200
    shelf.is_away = True
    site.now_s += 3600
    assert site.get(authorization=bearer(text)).status_code == 200


def test_who_asks_too_often_is_told_when_to_come_back() -> None:
    """Others are not held up by that."""
    (one, first), (other, second) = make_secret(), make_secret()
    site = Site(Shelf(key_of(one, Scope.TASKS_READ, rate_per_s=1.0), key_of(other, Scope.TASKS_READ)))
    answers = [site.get(authorization=bearer(first)) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].headers["retry-after"] == "1"
    assert site.get(authorization=bearer(second)).status_code == 200
    site.now_s += 1.0
    assert site.get(authorization=bearer(first)).status_code == 200


TASK = {"task_id": "t", "agent_id": "mail", "payload": {}}
ROUTES: dict[tuple[str, str], tuple[Scope | None, dict[str, Any]]] = {
    ("post", "/api/tasks"): (Scope.TASKS_WRITE, {"json": TASK}),
    ("post", "/api/tasks/batch"): (Scope.TASKS_WRITE, {"json": [TASK]}),
    ("post", "/api/tasks/{task_id}/cancel"): (Scope.TASKS_CANCEL, {"json": {"agent_id": "mail"}}),
    ("get", "/api/tasks/{task_id}/events"): (Scope.TASKS_READ, {"params": {"agent_id": "mail"}}),
    ("get", "/api/events"): (Scope.TASKS_READ, {"params": {"agent_id": "mail"}}),
    ("get", "/api/tasks"): (Scope.TASKS_READ, {}),
    ("get", "/api/tasks/{task_id}"): (Scope.TASKS_READ, {}),
    ("get", "/api/tasks/{task_id}/records"): (Scope.TASKS_READ, {}),
    ("get", "/api/agents"): (Scope.OPS_READ, {}),
    ("get", "/api/stats"): (
        Scope.OPS_READ,
        {"params": dict.fromkeys(("since", "until"), "2030-01-01T00:00:00Z")},
    ),
    ("get", "/api/workers"): (Scope.OPS_READ, {}),
    ("get", "/api/topics"): (Scope.OPS_READ, {}),
    ("get", "/api/dead-letters"): (Scope.OPS_READ, {}),
    ("get", "/api/dead-letters/groups"): (Scope.OPS_READ, {}),
    ("get", "/api/dead-letters/{position}"): (Scope.OPS_READ, {}),
    ("post", "/api/replays"): (Scope.REPLAY_RUN, {"json": {"kind": "inspect", "agent_id": "mail"}}),
    ("get", "/api/replays"): (Scope.REPLAY_RUN, {}),
    ("get", "/api/replays/{replay_id}"): (Scope.REPLAY_RUN, {}),
    ("post", "/api/replays/{replay_id}/apply"): (Scope.REPLAY_RUN, {}),
    ("post", "/api/replays/{replay_id}/stop"): (Scope.REPLAY_RUN, {}),
    ("post", "/api/dead-letters/redrives"): (Scope.OPS_WRITE, {"json": {"cause_id": "x"}}),
    ("get", "/api/dead-letters/redrives/{plan_id}"): (Scope.OPS_READ, {}),
    ("post", "/api/dead-letters/redrives/{plan_id}/apply"): (Scope.OPS_WRITE, {}),
    ("get", "/metrics"): (Scope.OPS_READ, {}),
    ("get", "/healthz"): (None, {}),
    ("get", "/readyz"): (None, {}),
}
"""Each route, what it requires, and a request for an agent that the caller may not reach."""


WHO_ASKS = ("get", "/api/me")
"""The route that every known caller may ask, whatever its scopes."""

AGENT_BOUND = re.compile("mail")


def guarded_door(*scopes: Scope, **changes: Any) -> tuple[Door, dict[str, str]]:
    secret, text = make_secret()
    shelf = Shelf(key_of(secret, *scopes, **changes))
    return Door(access=Access(KeyBook(shelf.read), None)), {"authorization": bearer(text)}


def test_every_route_says_what_it_requires() -> None:
    """A route that is new and has no rule here fails this test; what is guarded says so in the description."""
    paths = guarded_door()[0].app.openapi()["paths"]
    found = {(method, path.replace(":path", "")) for path, methods in paths.items() for method in methods}
    assert found == {*ROUTES, WHO_ASKS}
    for (method, path), (scope, _) in ROUTES.items():
        operation = paths[path][method]
        assert operation.get("security") == (None if scope is None else [{"bearer": []}])
        assert ("401" in operation["responses"]) is (scope is not None)


@pytest.mark.parametrize("route", [route for route, (scope, _) in ROUTES.items() if scope is not None])
def test_every_guarded_route_refuses_strangers_other_scopes_and_other_agents(route: tuple[str, str]) -> None:
    """401, 403, and of an agent that is none of the caller's 403 again, or as the item's problem in a batch."""
    method, path = route[0], route[1].replace("{task_id}", "t").replace("{replay_id}", str(UUID(int=7)))
    scope, request = ROUTES[route]
    assert scope is not None
    door, _ = guarded_door()
    read_problem(door.ask(method, path, **request), 401)
    door, headers = guarded_door(*(set(Scope) - {scope}), agents=("*",))
    read_problem(door.ask(method, path, headers=headers, **request), 403)
    if not AGENT_BOUND.search(str(request)):  # a list leaves others out: tests of the view see to that
        return
    door, headers = guarded_door(*Scope)
    answer = door.ask(method, path, headers=headers, **request)
    if path.endswith("batch"):
        [item] = answer.json()
        assert item["problem"]["status"] == 403
    else:
        read_problem(answer, 403)
    assert door.producer.sent == []


def test_who_is_refused_is_counted_under_the_route() -> None:
    """401, 403 and 429 stand in metrics and log as what was asked for; paths of nobody's stay one."""
    secret, text = make_secret()
    key = key_of(secret, Scope.OPS_READ, agents=("*",), rate_per_s=0.001)
    door = Door(access=Access(KeyBook(Shelf(key).read), None))
    known = {"authorization": bearer(text)}
    with capture_logs() as lines:
        door.ask("POST", "/api/tasks/a%2Fb/cancel", json={})
        door.ask("PUT", "/api/tasks/batch")
        door.ask("GET", "/api/nothing/7")
        assert door.ask("POST", "/api/tasks", json=TASK, headers=known).status_code == 403
        assert door.ask("GET", "/api/dead-letters", headers=known).status_code == 429
    told = [(line["method"], line["route"], line["status"]) for line in lines if line["event"] == "request"]
    assert told == [
        ("POST", "/api/tasks/{task_id}/cancel", 401),
        ("PUT", "/api/tasks/batch", 401),
        ("GET", "none", 401),
        ("POST", "/api/tasks", 403),
        ("GET", "/api/dead-letters", 429),
    ]
    counted = door.app.metrics.registry.get_sample_value
    for method, route, status in told:
        labels = {"method": method, "route": route, "status": str(status)}
        assert counted("mabos_gateway_requests_total", labels) == 1


def test_any_known_caller_is_told_who_it_is() -> None:
    """Its name and what it may do; strangers are not told anything; an open gateway takes everybody for one caller."""
    door, headers = guarded_door(Scope.TASKS_READ, agents=("mail-*",))
    read_problem(door.ask(*WHO_ASKS), 401)
    told = door.ask(*WHO_ASKS, headers=headers).json()
    assert told["name"].startswith("key:")
    assert (told["scopes"], told["agents"]) == (["tasks:read"], ["mail-*"])
    told = Door().ask(*WHO_ASKS).json()
    assert (told["name"], told["agents"], len(told["scopes"])) == ("local", ["*"], len(Scope))


def test_to_wait_for_an_outcome_is_to_read_it() -> None:
    """A key that may only write does not get results by the way."""
    door, headers = guarded_door(Scope.TASKS_WRITE, agents=("mail",))
    assert door.ask("POST", "/api/tasks", json=TASK, headers=headers).status_code == 202
    read_problem(door.ask("POST", "/api/tasks", json=TASK, headers=headers | {"prefer": "wait=1"}), 403)


def test_each_task_of_a_batch_counts() -> None:
    """Items beyond the caller's rate wait for their turn, and are published all the same."""
    door, headers = guarded_door(Scope.TASKS_WRITE, agents=("mail",), rate_per_s=20.0)
    begun_s = time.monotonic()
    items = [{**TASK, "task_id": str(number)} for number in range(50)]
    answer = door.ask("POST", "/api/tasks/batch", json=items, headers=headers)
    assert [item["number"] for item in answer.json()] == list(range(1, 51))
    assert time.monotonic() - begun_s > 0.5 - 0.05, "41 at once, 10 more at 20 a second"


def test_answers_of_the_api_are_safe_to_open_in_a_browser() -> None:
    """Whatever stands in them, nothing runs."""
    answer = Door(settings=Settings(max_payload_bytes=4096)).post("{}")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
