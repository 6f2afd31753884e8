"""``Idempotency-Key``, before a real database: one task for a key, whatever goes wrong, whichever gateway is asked."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from pydantic import SecretStr

from mabos.gateway.access import Access
from mabos.gateway.apikeys import ApiKey, hash_secret, make_secret
from mabos.gateway.claimstore import Claimant, ClaimStore
from mabos.gateway.idempotency import fingerprint
from mabos.gateway.keybook import KeyBook
from mabos.gateway.models import NewTask
from mabos.gateway.principals import ALL_SCOPES
from mabos.kafka.settings import Settings
from mabos.producers import PublishFailed, PublishQueueFull
from mabos.streams.errors import DatabaseUnavailable
from mabos.streams.local_database import LocalDatabase
from tests.gateway.fakes import Door
from tests.gateway.shape import fields_of, read_problem

TASK = {"agent_id": "a", "payload": {"action": "test", "n": 1}}
OTHER = {"agent_id": "a", "payload": {"action": "test", "n": 2}}

Ask = Callable[..., Awaitable[httpx.Response]]


@pytest.fixture
def settings(database: LocalDatabase, request: pytest.FixtureRequest) -> Settings:
    """Those of a queue whose keys nobody has used."""
    queue = request.node.originalname.replace("_", "-")[:100].strip("-")
    return Settings(database_url=SecretStr(database.url), max_payload_bytes=4096, queue=queue)


@asynccontextmanager
async def opened(*doors: Door) -> AsyncIterator[list[Ask]]:
    """Gateways that run in this loop: for each, what asks it to publish a task under a key."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(asyncio.timeout(30))
        asks: list[Ask] = []
        for door in doors:
            await stack.enter_async_context(door.app.router.lifespan_context(door.app))
            transport = httpx.ASGITransport(door.app, raise_app_exceptions=False)
            client = await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://gateway"))
            asks.append(_asking(client))
        yield asks


def _asking(client: httpx.AsyncClient) -> Ask:
    async def ask(key: str | None, task: dict[str, Any] | str = TASK, **headers: str) -> httpx.Response:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        sent |= {"content-type": "application/json"} | ({} if key is None else {"idempotency-key": key})
        content = task if isinstance(task, str) else json.dumps(task)
        return await client.post("/api/tasks", content=content, headers=sent)

    return ask


async def until(holds: Callable[[], object]) -> None:
    """Wait until something holds in this loop."""
    while not holds():  # noqa: ASYNC110 - fakes tell nobody
        await asyncio.sleep(0.005)


def change(database: LocalDatabase, statement: str) -> None:
    """Change what the database holds."""
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute(statement)  # type: ignore[call-overload]  # a test's own text


def test_the_same_request_gets_the_same_answer_from_any_gateway(settings: Settings) -> None:
    """Task, position and answer; it says that it is a repetition; one record stands in the log."""
    one, two = Door(settings=settings), Door(settings=settings)

    async def run() -> list[httpx.Response]:
        async with opened(one, two) as (ask, ask_two):
            spaced = '{ "payload": {"n": 1, "action": "test"},\n "agent_id": "a", "type": "TaskRequest"}'
            return [await ask("k"), await ask("k"), await ask_two("k"), await ask_two("k", spaced)]

    first, *others = asyncio.run(run())
    assert "idempotent-replayed" not in first.headers
    for other in others:
        assert (other.status_code, other.json(), other.headers["location"]) == (
            202,
            first.json(),
            first.headers["location"],
        )
        assert other.headers["idempotent-replayed"] == "true"
    assert len(one.producer.sent) == 1
    assert two.producer.sent == []


@pytest.mark.parametrize("changed", [OTHER, TASK | {"task_id": "t"}, TASK | {"agent_id": "b"}])
def test_another_request_with_the_key_is_a_conflict(settings: Settings, changed: dict[str, Any]) -> None:
    """409, and nothing is published; the key stands for its first task still."""
    door = Door(settings=settings)
    key = f"k {sorted(changed)} {changed['agent_id']}"

    async def run() -> list[httpx.Response]:
        async with opened(door) as [ask]:
            return [await ask(key), await ask(key, changed), await ask(key)]

    first, conflict, again = asyncio.run(run())
    assert "Idempotency-Key" in read_problem(conflict, 409)["detail"]
    assert again.json() == first.json()
    assert len(door.producer.sent) == 1


def test_the_keys_of_callers_are_their_own(settings: Settings) -> None:
    """Two callers may use one key for two tasks."""
    made = [make_secret() for _ in range(2)]
    keys = [
        ApiKey(id=secret.id, name="", secret_sha256=hash_secret(secret.text), scopes=ALL_SCOPES, agents=("*",))
        for secret, _ in made
    ]
    door = Door(settings=settings, access=Access(KeyBook(lambda: keys), None))

    async def run() -> list[httpx.Response]:
        async with opened(door) as [ask]:
            return [
                await ask("k", task, authorization=f"Bearer {text}")
                for task, (_, text) in zip((TASK, OTHER), made, strict=True)
            ]

    assert [answer.status_code for answer in asyncio.run(run())] == [202, 202]
    assert len(door.producer.sent) == 2


@pytest.mark.parametrize("key", ["", "x" * 256, "ä", "a\tb", "\x7f"])
def test_a_key_that_is_none_is_refused(settings: Settings, key: str) -> None:
    """422 by name, and nothing is published."""
    door = Door(settings=settings)
    headers = [(b"content-type", b"application/json"), (b"idempotency-key", key.encode())]
    problem = read_problem(door.ask("POST", "/api/tasks", content=json.dumps(TASK), headers=headers), 422)
    assert fields_of(problem) == ["Idempotency-Key"]
    assert door.producer.sent == []


def test_two_keys_are_refused(settings: Settings) -> None:
    """Which of them would count nobody could say."""
    headers = [("content-type", "application/json"), ("idempotency-key", "a"), ("idempotency-key", "b")]
    answer = Door(settings=settings).ask("POST", "/api/tasks", content=json.dumps(TASK), headers=headers)
    assert fields_of(read_problem(answer, 422)) == ["Idempotency-Key"]


def test_what_is_refused_claims_nothing(settings: Settings) -> None:
    """Neither a field that is wrong, nor a payload that is too large, nor a full queue; the key is free after each."""
    door = Door(settings=settings)

    async def run() -> None:
        async with opened(door) as [ask]:
            read_problem(await ask("k", {"agent_id": "", "payload": {}}), 422)
            read_problem(await ask("k", {"agent_id": "a", "payload": {"text": "x" * 5000}}), 422)
            door.producer.refuse_with = PublishQueueFull("the queue is full")
            read_problem(await ask("k", OTHER), 503)
            door.producer.refuse_with = None
            assert (await ask("k")).status_code == 202

    asyncio.run(run())


def test_a_publish_in_doubt_is_done_again_under_the_same_name(settings: Settings, database: LocalDatabase) -> None:
    """Kafka did not acknowledge: the next with the key publishes the same task, at once, and that is its position."""
    door = Door(settings=settings)
    held = "SELECT count(*) FROM mabos_gateway.claims WHERE queue = %s AND leased_until >= now()"

    async def run() -> list[httpx.Response]:
        async with opened(door) as [ask]:
            door.producer.fail_with = PublishFailed("not acknowledged", may_be_stored=True)
            failed = await ask("k")
            with psycopg.connect(database.url) as connection:
                assert connection.execute(held, (settings.queue,)).fetchone() == (0,)
            door.producer.fail_with = None
            return [failed, await ask("k", OTHER), await ask("k"), await ask("k")]

    failed, conflict, published, replayed = asyncio.run(run())
    problem = read_problem(failed, 503)
    read_problem(conflict, 409)
    assert published.status_code == 202
    assert published.json()["task_id"] == problem["task_id"]
    assert "idempotent-replayed" not in published.headers
    assert replayed.json() == published.json()
    assert [sent.task_id for sent in door.producer.sent] == [problem["task_id"]] * 2


def test_a_gateway_that_is_killed_leaves_its_claim_to_another(settings: Settings, database: LocalDatabase) -> None:
    """When its lease is over, another publishes the task under the same name."""
    killed, other = Door(settings=settings), Door(settings=settings)
    killed.producer.hold = True

    async def run() -> httpx.Response:
        async with opened(killed, other) as (ask, ask_other):
            lost = asyncio.ensure_future(ask("k"))
            await until(lambda: killed.producer.sent)
            lost.cancel()
            waiting = asyncio.ensure_future(ask_other("k"))
            await asyncio.sleep(0)
            change(database, "UPDATE mabos_gateway.claims SET leased_until = now() - interval '1 s'")
            return await waiting

    answer = asyncio.run(run())
    assert answer.status_code == 202
    assert [sent.task_id for sent in other.producer.sent] == [killed.producer.sent[0].task_id]


def test_requests_that_race_are_one_task(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many at once, at two gateways, one publishes; the others wait for it, and all have one answer."""
    monkeypatch.setattr("mabos.gateway.claimstore.LEASE", timedelta(minutes=1))  # on a busy machine 5 s may be short
    doors = Door(settings=settings), Door(settings=settings)
    for door in doors:
        door.producer.hold = True

    async def run() -> list[httpx.Response]:
        async with opened(*doors) as asks:
            asking = [asyncio.ensure_future(asks[number % 2]("k")) for number in range(20)]
            await until(lambda: any(door.producer.sent for door in doors))
            for door in doors:
                door.producer.acknowledge_all()
            return await asyncio.gather(*asking)

    answers = asyncio.run(run())
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.text for answer in answers}) == 1
    assert sum("idempotent-replayed" in answer.headers for answer in answers) == 19
    assert sum(len(door.producer.sent) for door in doors) == 1


def test_waiting_finds_the_outcome_of_a_task_that_was_published_before(settings: Settings) -> None:
    """A repetition gets the outcome, be it past or to come, and from a gateway that has not seen the task."""
    door, other = Door(settings=settings), Door(settings=settings)
    other.log = door.log
    other.__post_init__()

    async def run() -> list[httpx.Response]:
        async with opened(door, other) as (ask, ask_other):
            task_id = (await ask("k")).json()["task_id"]
            coming = asyncio.ensure_future(ask("k", prefer="wait=30"))
            await until(lambda: door.app.waiting.waiters)
            door.log.respond(task_id, "a")
            return [await coming, await ask("k", prefer="wait=30"), await ask_other("k", prefer="wait=30")]

    answers = asyncio.run(run())
    for answer in answers:
        assert (answer.status_code, answer.json()["status"]) == (200, "completed")
        assert answer.headers["idempotent-replayed"] == "true"
    assert len({answer.text for answer in answers}) == 1
    assert len(door.producer.sent) == 1
    assert other.producer.sent == []


def test_a_key_stands_for_its_task_for_a_day(settings: Settings, database: LocalDatabase) -> None:
    """Then it is free again, and claims of old are deleted by and by."""
    door = Door(settings=settings)

    async def run() -> None:
        async with opened(door) as [ask]:
            await ask("k")
            await ask("old")
            change(database, "UPDATE mabos_gateway.claims SET claimed_at = now() - interval '24 h 1 s'")
            assert (await ask("k", OTHER)).status_code == 202

    asyncio.run(run())
    fresh = Door(settings=settings)

    async def sweep() -> None:
        async with opened(fresh) as [ask]:
            await ask("new")
            with psycopg.connect(database.url, autocommit=True) as connection:
                query = "SELECT key FROM mabos_gateway.claims WHERE queue = %s ORDER BY key"
                await until(lambda: connection.execute(query, (settings.queue,)).fetchall() == [("k",), ("new",)])

    asyncio.run(asyncio.wait_for(sweep(), 10))


def test_without_the_database_requests_without_a_key_are_taken(tmp_path: Path) -> None:
    """One with a key is 503, which says so; nothing of it is published."""
    door = Door(settings=Settings(database_url=SecretStr(f"postgresql:///mabos?host={tmp_path}")))

    async def run() -> list[httpx.Response]:
        async with opened(door) as [ask]:
            return [await ask("k"), await ask(None)]

    refused, taken = asyncio.run(run())
    assert "those without it are" in read_problem(refused, 503)["detail"]
    assert refused.headers["retry-after"] == "2"
    assert taken.status_code == 202
    assert len(door.producer.sent) == 1


def test_a_task_that_is_stored_is_accepted_though_the_database_goes(
    settings: Settings, database: LocalDatabase
) -> None:
    """What is stored is stored; and with the tables back, the key works again."""
    door = Door(settings=settings)
    door.producer.hold = True

    async def run() -> list[httpx.Response]:
        async with opened(door) as [ask]:
            asking = asyncio.ensure_future(ask("k"))
            await until(lambda: door.producer.sent)
            change(database, "DROP SCHEMA IF EXISTS mabos_gateway CASCADE")
            door.producer.acknowledge_all()
            answer = await asking
            door.producer.hold = False
            change(database, "DROP SCHEMA IF EXISTS mabos_gateway CASCADE")
            return [answer, await ask("k2"), await ask("k2")]

    stored, first, second = asyncio.run(run())
    assert stored.status_code == 202
    assert first.json() == second.json()


def test_a_database_that_does_not_answer_holds_nobody_up() -> None:
    """A call ends in its time, though nothing comes from the other side, and so does the next."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://x@127.0.0.1:{silent.getsockname()[1]}/x"
        store = ClaimStore(Settings(database_url=SecretStr(url)), connections=1, timeout_s=0.2)

        async def run() -> None:
            for _ in range(2):
                with pytest.raises(DatabaseUnavailable, match=r"within 0\.2 s"):
                    await store.take(Claimant(caller="c", key="k"), b"", "t")
            silent.close()
            await store.close()

        asyncio.run(run())


def test_what_keys_stood_for_is_counted(settings: Settings) -> None:
    """The first of each, repetitions and conflicts, for whoever watches the gateway."""
    door = Door(settings=settings)

    async def run() -> None:
        async with opened(door) as [ask]:
            for task in (TASK, TASK, TASK, OTHER):
                await ask("k", task)

    asyncio.run(run())
    text = door.ask("GET", "/metrics").text
    for outcome, count in (("first", 1), ("replayed", 2), ("conflict", 1), ("unavailable", 0)):
        assert f'mabos_gateway_keyed_requests_total{{outcome="{outcome}"}} {count}.0' in text


def test_what_two_requests_have_in_common() -> None:
    """The task as validated: the same moment in another zone, members in another order; a number keeps its digits."""
    payload = {"a": 2**63, "b": [1.5, None, "ä"]}
    one = NewTask.model_validate({"agent_id": "a", "payload": payload, "deadline": "2030-01-01T00:00:00Z"})
    two = NewTask.model_validate(
        {"payload": dict(reversed(payload.items())), "agent_id": "a", "deadline": "2030-01-01T02:00:00+02:00"}
    )
    other = NewTask.model_validate(
        {"agent_id": "a", "payload": payload | {"a": 2**63 + 1}, "deadline": "2030-01-01T00:00:00Z"}
    )
    assert fingerprint(one) == fingerprint(two)
    assert fingerprint(one) != fingerprint(other)
