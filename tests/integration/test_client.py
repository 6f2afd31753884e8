"""Calls that wait for an outcome, on the real broker."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from mabos.consumers import AgentGroup, AsyncTaskClient, CallTimeout, FeedStopped, ResponseFeed, Task, TaskClient
from mabos.kafka.clients import open_registry
from mabos.kafka.errors import BrokerUnavailable, TopicsDiffer
from mabos.kafka.position import Position
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from mabos.producers import PublishFailed
from mabos.schemas import InvalidTask, Status, TaskResponse
from tests.support.nowhere import closed_port
from tests.support.registries import FakeRegistry
from tests.support.road import read_topic, running
from tests.support.waiting import eventually


def echo_group(settings: Settings) -> AgentGroup:
    agents = AgentGroup(f"client-{settings.queue}")

    @agents.on_task_request()
    async def echo(task: Task) -> dict[str, Any]:
        if "pause_s" in task.payload:
            await asyncio.sleep(task.payload["pause_s"])
        return {"n": task.payload["n"], "agent": task.agent_id}

    return agents


def test_no_response_is_missed_however_fast_it_comes(settings: Settings) -> None:
    """Five hundred calls in a row, each answered at once: the wait begins before the task is sent."""
    with running(echo_group(settings), settings), TaskClient(settings) as client:
        for number in range(500):
            response = client.call(agent_id="a", payload={"n": number}, timeout_s=20)
            assert response.result == {"n": number, "agent": "a"}


def test_threads_and_clients_each_get_their_own(settings: Settings) -> None:
    """Two clients and eight threads call the same agent at once."""
    with running(echo_group(settings), settings), TaskClient(settings) as one, TaskClient(settings) as two:

        def call(number: int) -> dict[str, Any]:
            return (one if number % 2 else two).call(agent_id="a", payload={"n": number}, timeout_s=30).result

        with ThreadPoolExecutor(8) as pool:
            results = list(pool.map(call, range(200)))
        assert [result["n"] for result in results] == list(range(200))
        assert one._feed._waiters == two._feed._waiters == {}


def test_a_call_that_is_too_short_is_told_and_leaves_nothing(settings: Settings) -> None:
    """The task goes on; its name is in the error, and asking again under that name gives its outcome."""
    with running(echo_group(settings), settings), TaskClient(settings) as client:
        start_s = time.monotonic()
        with pytest.raises(CallTimeout, match=r"had no outcome within 0\.3 s: it goes on") as caught:
            client.call(agent_id="a", payload={"n": 1, "pause_s": 1.5}, timeout_s=0.3)
        assert time.monotonic() - start_s < 1.4
        assert client._feed._waiters == {}
        waiter = client._feed.expect("a", caught.value.task_id)
        outcome = waiter.result(20)
    assert outcome is not None
    assert outcome.status is Status.COMPLETED


@pytest.mark.parametrize(
    ("wrong", "field"), [({"agent_id": ""}, "agent_id"), ({"task_id": "\n"}, "task_id"), ({"payload": [1]}, "payload")]
)
def test_what_is_refused_leaves_nothing_waiting(settings: Settings, wrong: dict[str, Any], field: str) -> None:
    """Nothing is sent, and nobody waits for it."""
    with TaskClient(settings) as client:
        with pytest.raises(InvalidTask) as caught:
            client.call(**({"agent_id": "a", "payload": {}} | wrong))
        assert caught.value.field == field
        assert client._feed._waiters == {}
    assert read_topic(settings, Queue(name=settings.queue).requests) == []


def test_a_cancelled_call_leaves_nothing_waiting(settings: Settings) -> None:
    """Nor does one whose time is over."""

    async def call_and_cancel() -> None:
        async with AsyncTaskClient(settings) as client:
            calls = [asyncio.create_task(client.call(agent_id="a", payload={})) for _ in range(20)]
            while len(client._feed._waiters.get(b"a", ())) < 20:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)
            for call in calls:
                call.cancel()
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
            assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes)
            assert client._feed._waiters == {}
            with pytest.raises(CallTimeout):
                await client.call(agent_id="a", payload={}, timeout_s=0.1)
            assert client._feed._waiters == {}

    asyncio.run(call_and_cancel())


def test_a_stop_ends_the_wait(settings: Settings) -> None:
    """Who still waits in another thread is told, instead of waiting for its timeout."""
    client = TaskClient(settings)
    errors: list[BaseException] = []

    def call() -> None:
        try:
            client.call(agent_id="a", payload={}, timeout_s=60)
        except FeedStopped as error:
            errors.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    eventually(lambda: client._feed._waiters)
    client.stop()
    thread.join(20)
    assert [str(error) for error in errors] == ["the response feed was stopped"]


def test_a_task_that_cannot_be_published_ends_the_call(settings: Settings) -> None:
    """With the reason, and not only when its time is over."""
    elsewhere = settings.model_copy(update={"publish_timeout_s": 2.0})
    with TaskClient(elsewhere) as client:
        client._producer._builder._topic = "mabos.missing.requests"
        with pytest.raises(PublishFailed, match=r"mabos topics apply|no broker acknowledged"):
            client.call(agent_id="a", payload={}, timeout_s=60)
        assert client._feed._waiters == {}


def test_a_client_says_what_is_missing(settings: Settings) -> None:
    """The broker, or the topics; and leaves no thread behind."""
    registry = FakeRegistry().as_registry
    threads = threading.active_count()
    with pytest.raises(TopicsDiffer, match="run `mabos topics apply`"):
        TaskClient(settings.model_copy(update={"queue": "missing"}), registry)
    with closed_port() as address, pytest.raises(BrokerUnavailable, match="start one with `mabos up`"):
        AsyncTaskClient(Settings(bootstrap_servers=address), registry)
    eventually(lambda: threading.active_count() <= threads)


def test_a_feed_hears_of_all_agents_from_its_start_on(settings: Settings) -> None:
    """Nothing from before its start, everything after it, with positions that are dense in each partition."""
    with running(echo_group(settings), settings), TaskClient(settings) as client:
        client.call(agent_id="before", payload={"n": 0})
        heard: list[tuple[TaskResponse, Position]] = []
        feed = ResponseFeed(settings, open_registry(settings))
        feed.listen(lambda response, position: heard.append((response, position)))
        feed.start()
        for number in range(50):
            client.call(agent_id=f"a{number % 9}", payload={"n": number})
        eventually(lambda: len(heard) == 50)
        feed.stop()
    assert {response.agent_id for response, _ in heard} == {f"a{n}" for n in range(9)}
    assert len({position for _, position in heard}) == 50


def test_a_listeners_error_is_told_to_who_waits(settings: Settings) -> None:
    """The feed ends, and says that it broke instead of leaving people waiting."""
    with running(echo_group(settings), settings), TaskClient(settings) as client:

        def fail(response: TaskResponse, position: Position) -> None:
            raise ValueError("in a listener")

        client._feed.listen(fail)
        with pytest.raises(FeedStopped, match="the response feed broke: in a listener"):
            client.call(agent_id="a", payload={"n": 1}, timeout_s=30)
        with pytest.raises(FeedStopped, match="broke"):
            client.call(agent_id="a", payload={"n": 1}, timeout_s=30)
