"""The gateway outlives a broker that freezes, a database that goes, and a gateway beside it that is killed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from mabos.consumers import AgentGroup, Task
from mabos.gateway import create_app
from mabos.kafka.clients import open_registry
from mabos.kafka.local_broker import LocalBroker
from mabos.kafka.settings import Settings
from mabos.streams.database import connect, ensure_view, live_schema
from mabos.streams.local_database import LocalDatabase
from tests.gateway.shape import fields_of, read_problem
from tests.gateway.sockets import serve
from tests.support.gateways import gateway_process
from tests.support.road import read_responses, running
from tests.support.waiting import eventually

PUBLISH_TIMEOUT_S = 3.0
TASK = {"agent_id": "a", "payload": {"action": "test"}}


@pytest.fixture
def roads(settings: Settings, database: LocalDatabase) -> Settings:
    """A queue of the test's own, on a broker that may be frozen, with a database."""
    changes = {"database_url": SecretStr(database.url), "publish_timeout_s": PUBLISH_TIMEOUT_S}
    return settings.model_copy(update=changes)


@contextmanager
def gateway(settings: Settings) -> Iterator[httpx.Client]:
    with (
        serve(create_app(settings)) as served,
        httpx.Client(base_url=f"http://127.0.0.1:{served.port}", timeout=60) as client,
    ):
        yield client


@contextmanager
def frozen(broker: LocalBroker) -> Iterator[None]:
    broker.pause()
    try:
        yield
    finally:
        broker.resume()


@contextmanager
def answering(settings: Settings) -> Iterator[None]:
    """A worker that answers whatever is asked."""
    agents = AgentGroup("door")

    @agents.on_task_request()
    def answer(_: Task) -> dict[str, str]:
        return {}

    with running(agents, settings):
        yield


def test_a_broker_that_freezes_in_mid_request_is_a_503_in_time(roads: Settings, broker: LocalBroker) -> None:
    """Tasks in hand are answered within the time limit, each with its name and that it may be stored; then it goes on.

    Sent again with their keys they are the same tasks, and each has one outcome. The worker comes after the freeze: one
    that the broker took for dead meanwhile may answer twice, as at-least-once says.
    """
    keys = [f"key-{number}" for number in range(20)]
    with gateway(roads) as client:
        assert client.post("/api/tasks", json=TASK).status_code == 202
        answers: dict[str, httpx.Response] = {}
        begun_s = time.monotonic()
        with frozen(broker):

            def post(key: str) -> None:
                headers = {"idempotency-key": key}
                answers[key] = httpx.post(f"{client.base_url}/api/tasks", json=TASK, headers=headers, timeout=60)

            threads = [threading.Thread(target=post, args=(key,)) for key in keys]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            took_s = time.monotonic() - begun_s
            assert client.get("/healthz").status_code == 200
            assert fields_of(read_problem(client.get("/readyz"), 503)) == ["kafka"]
        problems = {key: read_problem(answer, 503) for key, answer in answers.items()}
        assert all(problem["may_be_stored"] for problem in problems.values())
        assert took_s < PUBLISH_TIMEOUT_S + 20, "the time limit, and what a busy machine takes"
        eventually(lambda: client.get("/readyz").status_code == 200, timeout_s=60)
        for key, problem in problems.items():
            answer = client.post("/api/tasks", json=TASK, headers={"idempotency-key": key})
            assert answer.json()["task_id"] == problem["task_id"]
        with answering(roads):
            last = client.post("/api/tasks", json=TASK, headers={"prefer": "wait=60"})
            assert last.status_code == 200, "tasks of one agent are done in order: so is all before it"
    outcomes = [response.task_id for response in read_responses(roads, open_registry(roads))]
    wanted = {problem["task_id"] for problem in problems.values()}
    assert sorted(task for task in outcomes if task in wanted) == sorted(wanted)


def test_a_gateway_killed_with_a_task_in_hand_leaves_one_task(
    roads: Settings, broker: LocalBroker, tmp_path: Path
) -> None:
    """Whoever sends the request again, to another gateway, asks for the same task, and it has one outcome."""
    headers = {"idempotency-key": "once"}
    with gateway_process(roads, tmp_path) as (process, url):
        with frozen(broker):
            lost = threading.Thread(target=_post_in_vain, args=(url, headers))
            lost.start()
            eventually(lambda: claimed(roads))
            process.kill()
            lost.join()
        [task_id] = claimed(roads)
        with gateway(roads) as client:
            answer = client.post("/api/tasks", json=TASK, headers=headers)
            assert (answer.status_code, answer.json()["task_id"]) == (202, task_id)
            with answering(roads):
                assert client.post("/api/tasks", json=TASK, headers={"prefer": "wait=60"}).status_code == 200
    outcomes = [response.task_id for response in read_responses(roads, open_registry(roads))]
    assert outcomes.count(task_id) == 1
    assert len(outcomes) == 2


def test_without_the_database_tasks_go_their_way(roads: Settings, tmp_path: Path) -> None:
    """What needs only Kafka is done; what needs the database is a 503 that says so; with it back, all works again."""
    with LocalDatabase(tmp_path) as own:
        settings = roads.model_copy(update={"database_url": SecretStr(own.url)})
        ensure_view(settings, live_schema(settings.queue))
        with gateway(settings) as client, answering(settings):
            key = {"idempotency-key": "k"}
            first = client.post("/api/tasks", json=TASK, headers=key)
            assert client.get("/readyz").status_code == client.get("/api/tasks").status_code == 200
            own.stop()
            assert client.post("/api/tasks", json=TASK, headers={"prefer": "wait=60"}).status_code == 200
            assert client.post("/api/tasks/batch", json=[TASK]).json()[0]["position"]
            assert "tasks are taken" in read_problem(client.get("/api/tasks"), 503)["detail"]
            refused = client.post("/api/tasks", json=TASK, headers=key)
            assert "those without it are" in read_problem(refused, 503)["detail"]
            problem = eventually(lambda: client.get("/readyz").json().get("errors"))
            assert [error["field"] for error in problem] == ["database"]
            assert client.get("/healthz").status_code == 200
            own.start()
            assert client.post("/api/tasks", json=TASK, headers=key).json() == first.json()
            assert client.get("/api/tasks").status_code == 200
            eventually(lambda: client.get("/readyz").status_code == 200)


def claimed(settings: Settings) -> list[str]:
    """The tasks that keys stand for."""
    with connect(settings, "mabos_gateway", autocommit=True) as connection:
        found = connection.execute("SELECT to_regclass('claims') IS NOT NULL").fetchone()
        if not found or not found[0]:
            return []
        rows = connection.execute("SELECT task_id FROM claims WHERE queue = %s", (settings.queue,)).fetchall()
    return [task_id for (task_id,) in rows]


def _post_in_vain(url: str, headers: dict[str, str]) -> None:
    with pytest.raises(httpx.TransportError):
        httpx.post(f"{url}/api/tasks", json=TASK, headers=headers, timeout=60)
