"""Agents that ask each other, on the real broker."""

from __future__ import annotations

import asyncio
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mabos.consumers import AgentGroup, AskRefused, RetryPolicy, Task, TaskClient, WorkerLimits
from mabos.consumers.lineage import Parent, read_asked_by, read_parent
from mabos.kafka.admin import Cluster
from mabos.kafka.clients import open_registry
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from mabos.producers import TaskProducer
from mabos.schemas import REQUEST, Codec, Status, TaskRequest
from tests.support.road import RunningWorker, Stored, read_responses, read_topic, running
from tests.support.waiting import eventually

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def asking_group(settings: Settings) -> AgentGroup:
    agents = AgentGroup(f"asking-{settings.queue}")

    @agents.on_task_request("double")
    async def double(task: Task) -> dict[str, Any]:
        return {"n": task.payload["n"] * 2}

    @agents.on_task_request("ask")
    async def ask(task: Task) -> dict[str, Any]:
        numbers = range(task.payload["count"])
        answers = await asyncio.gather(*(task.ask(f"helper-{n}", {"action": "double", "n": n}) for n in numbers))
        return {"answers": [answer.result["n"] for answer in answers]}

    @agents.on_task_request("ask plainly")
    def ask_plainly(task: Task) -> dict[str, Any]:
        answer = task.ask("helper-7", {"action": "double", "n": 7}).result(20)
        return {"answers": [answer.result["n"]]}

    @agents.on_task_request("ask through")
    async def ask_through(task: Task) -> dict[str, Any]:
        """Ask the first agent on the way, which shall ask the next; tell what came of it."""
        first, *rest = task.payload["way"]
        try:
            answer = await task.ask(first, {"action": "ask through" if rest else "double", "n": 1, "way": rest})
        except AskRefused as error:
            return {"refused": str(error)}
        return answer.result

    @agents.on_task_request("send")
    async def send(task: Task) -> dict[str, Any]:
        own = await task.send(task.agent_id, {"action": "double", "n": 1}, task_id="to itself")
        other = await task.send("helper-1", {"action": "double", "n": 1}, task_id="to another")
        return {"sent": [str(own), str(other)]}

    return agents


def read_requests(settings: Settings) -> dict[str, list[tuple[TaskRequest, Stored]]]:
    """All requests of a queue with their records, by agent."""
    topic = Queue(name=settings.queue).requests
    codec = Codec.for_topic(REQUEST, topic, open_registry(settings))
    found: dict[str, list[tuple[TaskRequest, Stored]]] = {}
    for stored in read_topic(settings, topic):
        request = codec.decode(stored.value)
        found.setdefault(request.agent_id, []).append((request, stored))
    return found


def headers_of(stored: Stored) -> list[tuple[str, bytes]]:
    return [(name, value or b"") for name, value in stored.headers]


def test_an_agent_uses_what_others_answer(settings: Settings) -> None:
    """In async handlers and in plain ones, many at a time; what no answer can come for is refused."""
    with running(asking_group(settings), settings), TaskClient(settings) as client:

        def call(action: str, **payload: Any) -> dict[str, Any]:
            response = client.call(agent_id="a", payload={"action": action, **payload}, timeout_s=30)
            assert response.status is Status.COMPLETED, response.error
            return response.result

        assert call("ask", count=30) == {"answers": [n * 2 for n in range(30)]}
        assert call("ask plainly") == {"answers": [14]}
        assert call("ask through", way=["b", "c", "d"]) == {"n": 2}
        assert call("ask through", way=["a"])["refused"].startswith("agent a cannot be asked: it does one task")
        for way in (["b", "a"], ["b", "c", "b"]):
            refused = call("ask through", way=way)["refused"]
            assert refused.startswith(f"agent {way[-1]} cannot be asked: it waits for this very task")
        assert len(call("send")["sent"]) == 2
        last = client.call(agent_id="a", payload={"action": "double", "n": 4}, timeout_s=30)
        assert last.result == {"n": 8}


def test_the_log_tells_where_a_task_came_from(settings: Settings) -> None:
    """Parent, who waits, trace and deadline stand on what an agent asks for and sends."""
    deadline = (datetime.now(UTC) + timedelta(minutes=5)).replace(microsecond=0)
    with running(asking_group(settings), settings), TaskProducer(settings) as producer:

        def send(agent_id: str, task_id: str, payload: dict[str, Any]) -> None:
            producer.send_task_request(
                agent_id=agent_id,
                task_id=task_id,
                payload=payload,
                deadline=deadline,
                headers={"traceparent": TRACE, "mabos-asked-by": "not ours"},
            )

        send("a", "1", {"action": "ask through", "way": ["b", "c"]})
        send("s", "2", {"action": "send"})
        requests = eventually(lambda: (found := read_requests(settings)).keys() >= {"c", "helper-1"} and found)
    assert all(request.deadline == deadline for made in requests.values() for request, _ in made)
    assert all(stored.header["traceparent"] == TRACE.encode() for made in requests.values() for _, stored in made)
    (to_b, from_a), (_, from_b) = requests["b"][0], requests["c"][0]
    assert read_parent(headers_of(from_a)) == Parent(agent_id="a", task_id="1")
    assert read_asked_by(headers_of(from_a)) == ("a",)
    assert read_parent(headers_of(from_b)) == Parent(agent_id="b", task_id=to_b.task_id)
    assert read_asked_by(headers_of(from_b)) == ("a", "b")
    (_, given), (_, to_itself) = requests["s"]
    assert read_parent(headers_of(given)) is None
    for stored in (to_itself, requests["helper-1"][0][1]):
        assert read_parent(headers_of(stored)) == Parent(agent_id="s", task_id="2")
        assert read_asked_by(headers_of(stored)) == ()


@pytest.mark.parametrize(("kind", "concurrency"), [("async", 64), ("plain", 64), ("plain", 1)])
def test_a_worker_that_stops_does_not_wait_for_an_answer(settings: Settings, kind: str, concurrency: int) -> None:
    """It ends within its grace, leaves no thread that waits on, and answers nothing that another worker shall do."""
    agents = AgentGroup(f"asking-{settings.queue}")
    ended = threading.Event()

    async def ask(task: Task) -> None:
        try:
            await task.ask("nobody", {"action": "wait"})
        finally:
            ended.set()

    def ask_plainly(task: Task) -> None:
        try:
            task.ask("nobody", {"action": "wait"}).result()
        finally:
            ended.set()

    once = RetryPolicy(max_attempts=1)
    agents.on_task_request("ask", retry=once)(ask if kind == "async" else ask_plainly)

    @agents.on_task_request("wait")
    async def wait(task: Task) -> None:
        await asyncio.get_running_loop().create_future()

    worker = RunningWorker(agents, settings, limits=WorkerLimits(grace_s=0.5, concurrency=concurrency))
    worker.wait_until_assigned()
    with TaskProducer(settings) as producer:
        producer.send_task_request(agent_id="a", payload={"action": "ask"}).result(20)
        topic = Queue(name=settings.queue).requests
        eventually(lambda: sum(Cluster(settings).end_offsets(topic).values()) == 2)
    start_s = time.monotonic()
    worker.stop()
    assert time.monotonic() - start_s < 15
    assert worker.error is None
    assert ended.wait(10)
    assert read_responses(settings, open_registry(settings)) == []
