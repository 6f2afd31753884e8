"""``Idempotency-Key`` of a batch, before a real database: the same tasks, whatever goes wrong, at whichever gateway."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import httpx
import psycopg
import pytest
from pydantic import SecretStr

from mabos.gateway import batchkeys
from mabos.kafka.settings import Settings
from mabos.producers import PublishFailed
from mabos.streams.local_database import LocalDatabase
from tests.gateway.fakes import Door
from tests.gateway.shape import fields_of, read_problem

TASKS = [{"agent_id": f"a{number}", "payload": {"n": number}} for number in range(3)]
MIXED: list[Any] = [TASKS[0], {"agent_id": ""}, TASKS[1] | {"task_id": "mine"}, TASKS[2]]

Ask = Callable[..., Awaitable[httpx.Response]]


@pytest.fixture
def settings(database: LocalDatabase, request: pytest.FixtureRequest) -> Settings:
    """Those of a queue whose keys nobody has used."""
    queue = request.node.originalname.replace("_", "-")[:100].strip("-")
    return Settings(database_url=SecretStr(database.url), queue=queue)


def ask_all(work: Callable[..., Awaitable[list[httpx.Response]]], *doors: Door) -> list[httpx.Response]:
    """What gateways that run in one loop answer; ``work`` gets a function for each that sends it a batch."""

    async def run() -> list[httpx.Response]:
        async with AsyncExitStack() as stack, asyncio.timeout(30):
            asks: list[Ask] = []
            for door in doors:
                await stack.enter_async_context(door.app.router.lifespan_context(door.app))
                transport = httpx.ASGITransport(door.app, raise_app_exceptions=False)
                client = httpx.AsyncClient(transport=transport, base_url="http://gateway")
                asks.append(asking(await stack.enter_async_context(client)))
            return await work(*asks)

    return asyncio.run(run())


def asking(client: httpx.AsyncClient) -> Ask:
    async def ask(items: object, key: str = "k", kind: str = "application/json") -> httpx.Response:
        content = items if isinstance(items, str) else json.dumps(items)
        headers = {"content-type": kind, "idempotency-key": key}
        return await client.post("/api/tasks/batch", content=content, headers=headers)

    return ask


def test_the_same_batch_is_the_same_tasks_at_any_gateway(settings: Settings) -> None:
    """Each item gets the answer that it had; each task stands in the log once; what is refused is refused again."""
    one, two = Door(settings=settings), Door(settings=settings)

    async def work(ask: Ask, ask_two: Ask) -> list[httpx.Response]:
        return [await ask(MIXED), await ask(MIXED), await ask_two(json.dumps(MIXED, indent=2))]

    first, *others = ask_all(work, one, two)
    assert [item.get("position") is not None for item in first.json()] == [True, False, True, True]
    assert first.json()[2]["task_id"] == "mine"
    assert "idempotent-replayed" not in first.headers
    for other in others:
        assert (other.status_code, other.json()) == (200, first.json())
        assert other.headers["idempotent-replayed"] == "true"
    assert len(one.producer.sent) == 3
    assert two.producer.sent == []


@pytest.mark.parametrize("other", [TASKS[:2], TASKS[::-1], [*TASKS[:2], TASKS[2] | {"task_id": "t"}]])
def test_another_batch_with_the_key_is_a_conflict(settings: Settings, other: list[Any]) -> None:
    """409, and nothing of it is published; nor is it a task's key."""
    door, key = Door(settings=settings), json.dumps(other)

    async def work(ask: Ask) -> list[httpx.Response]:
        return [await ask(TASKS, key), await ask(other, key), await ask(TASKS, key)]

    first, conflict, again = ask_all(work, door)
    assert "Idempotency-Key" in read_problem(conflict, 409)["detail"]
    assert again.json() == first.json()
    assert len(door.producer.sent) == 3


def test_items_that_failed_are_published_again_and_no_others(settings: Settings) -> None:
    """Kafka did not acknowledge some: the next with the key publishes those, at once, under the names they had."""
    door = Door(settings=settings)

    async def work(ask: Ask) -> list[httpx.Response]:
        door.producer.fail_with = PublishFailed("not acknowledged", may_be_stored=True)
        failed = await ask(TASKS)
        door.producer.fail_with = None
        return [failed, await ask(TASKS), await ask(TASKS)]

    failed, published, replayed = ask_all(work, door)
    names = [item["task_id"] for item in failed.json()]
    assert [item["problem"]["status"] for item in failed.json()] == [503] * 3
    assert [item["task_id"] for item in published.json()] == names
    assert all(item["position"] for item in published.json())
    assert "idempotent-replayed" not in published.headers
    assert replayed.json() == published.json()
    assert [sent.task_id for sent in door.producer.sent] == names * 2


def test_a_batch_that_takes_long_is_nobody_elses(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its lease is renewed: another with the key waits for its answer. Both know of what is stored."""
    monkeypatch.setattr(batchkeys, "_RENEW_S", 0.01)
    door, other = Door(settings=settings), Door(settings=settings)
    door.producer.hold = True
    lease = "SELECT leased_until FROM mabos_gateway.claims WHERE queue = %s"

    async def work(ask: Ask, ask_other: Ask) -> list[httpx.Response]:
        first = asyncio.ensure_future(ask(TASKS))
        seen: set[object] = set()
        async with await psycopg.AsyncConnection.connect(
            settings.database_url.get_secret_value(), autocommit=True
        ) as connection:
            while len(seen) < 3 or len(door.producer.sent) < len(TASKS):
                with_lease = await connection.execute(lease, (settings.queue,)) if door.producer.sent else None
                seen |= set(await with_lease.fetchall()) if with_lease else set()
                await asyncio.sleep(0.005)
        second = asyncio.ensure_future(ask_other(TASKS))
        door.producer.acknowledge_all()
        return [await first, await second]

    first, second = ask_all(work, door, other)
    assert first.json() == second.json()
    assert (len(door.producer.sent), other.producer.sent) == (3, [])


def test_a_key_of_lines_is_refused_by_name(settings: Settings) -> None:
    """They are published before all of them are known; nothing is, and it is said what to do instead."""
    door = Door(settings=settings)

    async def work(ask: Ask) -> list[httpx.Response]:
        return [await ask(json.dumps(TASKS[0]) + "\n", kind="application/x-ndjson"), await ask(TASKS, key="")]

    lines, empty = ask_all(work, door)
    assert fields_of(problem := read_problem(lines, 400)) == ["Idempotency-Key"]
    assert "give each line a task_id" in problem["detail"]
    assert fields_of(read_problem(empty, 422)) == ["Idempotency-Key"]
    assert door.producer.sent == []
