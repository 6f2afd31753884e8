"""Nobody gets past the guard unknown; routes say what else they require."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import Depends, FastAPI

from mabos.gateway.access import Access, AccessGuard, needs
from mabos.gateway.apikeys import ApiKey, Secret, hash_secret, make_secret
from mabos.gateway.errors import Refused
from mabos.gateway.keybook import REFRESH_S, KeyBook
from mabos.gateway.principals import Principal, Scope
from mabos.gateway.problems import add_problem_handlers
from mabos.gateway.rates import Rates
from mabos.schemas.errors import MabosError


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

        self.description = app.openapi()
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


def test_the_description_says_that_routes_want_a_bearer() -> None:
    """So generated clients send it."""
    paths = Site(None).description["paths"]
    assert paths["/api/tasks"]["get"]["security"] == [{"HTTPBearer": []}]
    assert "security" not in paths["/healthz"]["get"]


def test_a_principal_without_the_scope_is_refused_where_it_counts() -> None:
    """The dependency is the only place that looks."""
    with pytest.raises(Refused):
        Principal(name="x", scopes=frozenset()).require(Scope.OPS_WRITE)
