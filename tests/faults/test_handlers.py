"""Handlers that misbehave in every way there is end as documented, and others do not feel it."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from confluent_kafka import Producer

from mabos.consumers import AgentGroup, RetryPolicy, Task, WorkerLimits
from mabos.kafka.clients import librdkafka_config
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from mabos.producers import TaskProducer
from mabos.schemas import Status
from tests.support.judge import audit, find_neighbours, read_answers, wait_until_committed
from tests.support.road import read_topic, running
from tests.support.scale import IS_FULL

HEALTHY = 50


def misbehave(payload: dict[str, Any]) -> Any:
    """What a payload asks for."""
    match payload.get("do"):
        case "raise":
            raise OSError("the disk is gone")
        case "exit":
            sys.exit(4)
        case "interrupt":
            raise KeyboardInterrupt
        case "no json":
            return {"set": {1, 2}}
        case "no object":
            return [1, 2]
        case "10 MB":
            return {"text": "x" * 10_000_000}
    return {"n": payload.get("n")}


WRONGS = ["raise", "exit", "interrupt", "no json", "no object", "10 MB"]
WAYS = [
    ("async", "at-least-once"),
    ("plain, one at a time", "exactly-once"),
    ("plain, one at a time", "at-least-once"),
    ("plain in threads", "at-least-once"),
    ("plain in threads", "exactly-once"),
    ("async", "exactly-once"),
]
CODES = dict.fromkeys(WRONGS[:3], "handler_failed") | dict.fromkeys(WRONGS[3:], "bad_result")


@pytest.mark.parametrize(("kind", "delivery"), WAYS if IS_FULL else WAYS[:2])
def test_whatever_handlers_do_each_task_is_answered(settings: Settings, kind: str, delivery: Any) -> None:
    """Beside records that are no tasks, all in one partition: failed with its code, timed out, or completed."""
    agents = AgentGroup(f"wrongs-{settings.queue}", retry=RetryPolicy(max_attempts=2, backoff_s=0.01))

    @agents.on_task_request("hang")
    async def hang(task: Task) -> None:
        await asyncio.Event().wait()

    @agents.on_task_request("swallow")
    async def swallow(task: Task) -> dict[str, Any]:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return {"swallowed": True}
        return {}

    if kind == "async":

        @agents.on_task_request()
        async def work(task: Task) -> Any:
            return misbehave(task.payload)
    else:

        @agents.on_task_request()
        def work_plainly(task: Task) -> Any:
            return misbehave(task.payload)

    queue = Queue(name=settings.queue)
    names = find_neighbours(settings, 3)
    with TaskProducer(settings) as producer:
        partition = producer.send_task_request(agent_id=names[0], payload={}, task_id="first").result(30).partition
        raw = Producer(librdkafka_config(settings, "producer"))
        for key, value in ((None, b"no event"), (names[0].encode(), None), (b"", b"\x00\x00\x00\x00\x00")):
            raw.produce(queue.requests, value, key=key, partition=partition)
        assert raw.flush(30) == 0
        for number, wrong in enumerate(WRONGS):
            producer.send_task_request(agent_id=names[number % 2], payload={"do": wrong}, task_id=wrong)
            for twin in range(HEALTHY):
                producer.send_task_request(agent_id=names[twin % 2], payload={"n": twin}, task_id=f"{wrong}-{twin}")
    limits = WorkerLimits(concurrency=1 if kind == "plain, one at a time" else 8, delivery=delivery)
    with running(agents, settings, limits=limits), TaskProducer(settings) as producer:
        for action in ("hang", "swallow"):
            soon = datetime.now(UTC) + timedelta(seconds=3)
            producer.send_task_request(agent_id=names[2], payload={"action": action}, task_id=action, deadline=soon)
        assert producer.flush(30) == 0
        wait_until_committed(settings, agents.name, timeout_s=60)
    report = audit(settings)
    assert report.holds, report
    assert report.superseded == 0
    answers = {answer.task_id: answer for answer in read_answers(settings) if answer.status.is_terminal}
    codes = {task: answers[task].error.code for task in WRONGS}  # type: ignore[union-attr]  # it shows
    assert codes == CODES
    assert answers["hang"].status is Status.TIMED_OUT
    assert answers["swallow"].status in (Status.TIMED_OUT, Status.EXPIRED)
    assert report.outcomes[Status.FAILED] == len(WRONGS)
    assert report.outcomes[Status.COMPLETED] == report.requests - len(WRONGS) - 2
    letters = [letter.header.get("mabos-task-id") for letter in read_topic(settings, queue.dead_letters)]
    assert letters.count(None) == 3
    assert sorted(letter.decode() for letter in letters if letter) == sorted(WRONGS)
