"""The engine: lanes and handlers on one event loop, answers to a publisher with no Kafka behind it."""

from __future__ import annotations

import asyncio
import random
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from confluent_kafka import KafkaError

from mabos.consumers import AgentGroup, RetryPolicy, Task
from mabos.consumers import engine as engine_module
from mabos.consumers.attempts import Attempts
from mabos.consumers.engine import Engine
from mabos.consumers.errors import WorkerFailed
from mabos.consumers.jobs import Job
from mabos.consumers.outbox import Outbox
from mabos.schemas.events import Status
from tests.support.jobs import FakePublisher, make_answers, make_job
from tests.support.waiting import eventually


class Rig:
    """An engine, its publisher, and what it told."""

    def __init__(self, agents: AgentGroup, publisher: FakePublisher, concurrency: int) -> None:
        self.publisher = publisher
        self.done: list[Job] = []
        self.failures: list[WorkerFailed] = []
        self.outbox = Outbox(publisher.as_publisher, on_failure=self.failures.append)
        self.engine = Engine(
            Attempts(agents, topic="requests", max_result_bytes=100_000),
            make_answers(),
            self.outbox,
            concurrency=concurrency,
            on_done=self.done.append,
            on_failure=self.failures.append,
        )

    def wait_for_done(self, count: int) -> None:
        eventually(lambda: len(self.done) >= count)


@contextmanager
def rig(
    function: Callable[[Task], Any],
    *,
    concurrency: int = 64,
    retry: RetryPolicy | None = None,
    publisher: FakePublisher | None = None,
) -> Iterator[Rig]:
    agents = AgentGroup("g", retry=retry or RetryPolicy(max_attempts=1))
    agents.on_task_request()(function)
    made = Rig(agents, publisher or FakePublisher(), concurrency)
    made.engine.start()
    try:
        yield made
    finally:
        made.engine.stop()


def positions(jobs: list[Job]) -> set[tuple[int, int]]:
    return {(job.partition, job.offset) for job in jobs}


def test_tasks_of_an_agent_run_one_at_a_time_and_in_order() -> None:
    """Whatever each one takes, and although agents finish in any order."""
    running: set[str] = set()
    begun: dict[str, list[int]] = defaultdict(list)
    dice = random.Random(7)  # noqa: S311 - dice, no secret
    pauses = [dice.random() / 200 for _ in range(600)]

    async def handler(task: Task) -> None:
        assert task.agent_id not in running, "two at a time"
        running.add(task.agent_id)
        begun[task.agent_id].append(task.position.offset)
        await asyncio.sleep(pauses[task.position.offset])
        running.remove(task.agent_id)

    jobs = [make_job(f"a{dice.randrange(20)}", offset=n, partition=0) for n in range(600)]
    with rig(handler, concurrency=8) as it:
        for start in range(0, 600, 50):
            it.engine.submit(jobs[start : start + 50])
        it.wait_for_done(600)
    assert positions(it.done) == positions(jobs)
    for agent, offsets in begun.items():
        assert offsets == [job.offset for job in jobs if job.request.agent_id == agent]
    assert [r.status for r in it.publisher.responses()] == [Status.COMPLETED] * 600


def test_concurrency_bounds_what_is_in_hand() -> None:
    """No more handlers run at a time, and as many do."""
    now, most = 0, 0
    gate = threading.Event()

    def handler(task: Task) -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        gate.wait()
        with lock:
            now -= 1

    lock = threading.Lock()
    with rig(handler, concurrency=5) as it:
        it.engine.submit([make_job(f"a{n}", offset=n) for n in range(50)])
        eventually(lambda: now == 5)
        gate.set()
        it.wait_for_done(50)
    assert most == 5


def test_a_retry_holds_only_its_own_lane() -> None:
    """While a failed task waits for its next attempt, its agent waits and all others go on."""
    order: list[str] = []

    async def handler(task: Task) -> None:
        order.append(task.task_id)
        if task.agent_id == "sick" and task.attempt == 1 and task.position.offset == 0:
            raise ValueError("at first")

    with rig(handler, concurrency=1, retry=RetryPolicy(max_attempts=2, backoff_s=1.0)) as it:
        it.engine.submit([make_job("sick", offset=0), make_job("sick", offset=1)])
        it.engine.submit([make_job("well", offset=n) for n in range(2, 20)])
        it.wait_for_done(20)
    assert order == ["t-0-0", *[f"t-0-{n}" for n in range(2, 20)], "t-0-0", "t-0-1"]


def test_a_task_given_up_is_answered_and_buried() -> None:
    """Done means both are with the broker."""

    async def handler(task: Task) -> None:
        raise ValueError("no luck")

    publisher = FakePublisher(hold=True)
    with rig(handler, publisher=publisher) as it:
        it.engine.submit([make_job()])
        eventually(lambda: len(publisher.waiting) == 2)
        publisher.report(count=1)
        assert it.done == []
        publisher.report(count=1)
        it.wait_for_done(1)
    assert [response.status for response in publisher.responses()] == [Status.FAILED]
    assert [letter.value for letter in publisher.letters()] == [it.done[0].value]


def test_an_answer_that_was_not_acknowledged_is_sent_again() -> None:
    """The task is not done meanwhile, and the handler does not run again."""
    runs = []
    publisher = FakePublisher(hold=True)
    with rig(lambda task: runs.append(task.task_id), publisher=publisher) as it:
        it.engine.submit([make_job()])
        eventually(lambda: len(publisher.waiting) == 1)
        publisher.report(KafkaError._MSG_TIMED_OUT)
        assert it.done == []
        it.outbox.resend()
        publisher.report()
    assert (len(it.done), len(runs), len(publisher.responses())) == (1, 1, 2)


def test_a_late_report_after_the_stop_disturbs_nothing() -> None:
    """The publisher's thread is not taken along when reports come in after the engine has gone."""
    publisher = FakePublisher(hold=True)
    with rig(lambda task: None, publisher=publisher) as it:
        it.engine.submit([make_job()])
        eventually(lambda: len(publisher.waiting) == 1)
    publisher.report(KafkaError._MSG_TIMED_OUT)
    assert len(it.outbox) == 1


def test_a_response_that_the_broker_finds_too_large_becomes_a_failure() -> None:
    """The task is answered all the same."""
    publisher = FakePublisher(hold=True)
    with rig(lambda task: {"x": "y"}, publisher=publisher) as it:
        it.engine.submit([make_job()])
        eventually(lambda: len(publisher.waiting) == 1)
        publisher.report(KafkaError.MSG_SIZE_TOO_LARGE)
        it.outbox.resend()
        publisher.report()
    assert [response.status for response in publisher.responses()] == [Status.COMPLETED, Status.FAILED]
    assert len(it.done) == 1


def test_a_dead_letter_that_the_broker_finds_too_large_is_cut() -> None:
    """The task is answered, and its letter keeps cause and origin."""

    async def handler(task: Task) -> None:
        raise ValueError("no luck")

    publisher = FakePublisher(hold=True)
    with rig(handler, publisher=publisher) as it:
        it.engine.submit([make_job()])
        eventually(lambda: len(publisher.waiting) == 2)
        publisher.report(KafkaError.MSG_SIZE_TOO_LARGE, count=1)
        it.outbox.resend()
        publisher.report()
        it.wait_for_done(1)
    assert [letter.value is None for letter in publisher.letters()] == [False, True]
    assert it.failures == []


def test_drop_returns_what_no_handler_has_in_hand() -> None:
    """Waiting tasks and those that wait for another attempt; never again run, and their lanes are free."""
    begun: list[str] = []
    gate = asyncio.Event()

    async def handler(task: Task) -> None:
        begun.append(task.task_id)
        if task.agent_id == "slow":
            await gate.wait()
        if task.agent_id == "sick":
            raise ValueError("always")

    with rig(handler, retry=RetryPolicy(max_attempts=9, backoff_s=60, max_backoff_s=60)) as it:
        it.engine.submit([make_job("slow", offset=0), make_job("slow", offset=1), make_job("sick", offset=2)])
        it.engine.submit([make_job("sick", offset=3), make_job("other", offset=0, partition=1)])
        eventually(lambda: begun == ["t-0-0", "t-0-2", "t-1-0"])
        it.wait_for_done(1)
        dropped = it.engine.drop({0})
        assert sorted(job.offset for job in dropped) == [1, 2, 3]
        it.engine._loop.call_soon_threadsafe(gate.set)
        it.wait_for_done(2)
        assert it.engine.drop({0, 1}) == []
        it.engine.submit([make_job("sick", offset=4), make_job("slow", offset=5)])
        it.wait_for_done(3)
        assert sorted(job.offset for job in it.engine.drop({0})) == [4]
    assert positions(it.done) == {(1, 0), (0, 0), (0, 5)}
    assert not it.engine._lanes._waiting
    assert not it.engine._pauses


def test_what_was_handed_back_comes_after_all_that_was_begun() -> None:
    """Tasks before one that was begun stay: committed is the lowest unfinished one, and all above would run again."""
    gates = {name: asyncio.Event() for name in ("slow", "quick")}

    async def handler(task: Task) -> None:
        if task.agent_id == "sick":
            raise ValueError("always")
        await gates[task.agent_id].wait()

    with rig(handler, retry=RetryPolicy(max_attempts=9, backoff_s=60, max_backoff_s=60)) as it:
        it.engine.submit([make_job("slow", offset=0), make_job("slow", offset=1), make_job("quick", offset=2)])
        it.engine.submit([make_job("sick", offset=3), make_job("slow", offset=4), make_job("slow", partition=1)])
        eventually(lambda: it.engine._pauses)
        assert sorted(job.offset for job in it.engine.hand_back({0})) == [3, 4], "the last one begun waits for a retry"
        assert it.engine.hand_back({0}) == []
        for gate in gates.values():
            it.engine._loop.call_soon_threadsafe(gate.set)
        it.wait_for_done(4)
    assert positions(it.done) == {(0, 0), (0, 1), (0, 2), (1, 0)}


def test_a_partition_that_comes_back_is_handed_back_anew() -> None:
    """What was begun there in an earlier life does not count."""
    gate = asyncio.Event()

    async def handler(task: Task) -> None:
        if task.position.offset == 5:
            await gate.wait()

    with rig(handler, concurrency=1) as it:
        it.engine.submit([make_job(offset=9)])
        it.wait_for_done(1)
        it.engine.drop({0})
        it.engine.submit([make_job(offset=5), make_job(offset=6)])
        assert [job.offset for job in it.engine.hand_back({0})] == [6]
        it.engine._loop.call_soon_threadsafe(gate.set)
        it.wait_for_done(2)


def test_cancel_ends_async_handlers_without_an_answer() -> None:
    """Only those of the partitions named; their agents' lanes are free afterwards."""
    cancelled: list[str] = []
    begun: list[str] = []

    async def handler(task: Task) -> None:
        begun.append(task.task_id)
        if task.payload.get("wait"):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.append(task.task_id)
                raise

    with rig(handler) as it:
        it.engine.submit([make_job("a", {"wait": 1}, partition=0), make_job("b", {"wait": 1}, partition=1)])
        eventually(lambda: len(begun) == 2)
        it.engine.cancel({0})
        assert cancelled == ["t-0-0"]
        it.engine.submit([make_job("a", {}, partition=0, offset=1)])
        it.wait_for_done(1)
    assert positions(it.done) == {(0, 1)}
    assert cancelled == ["t-0-0", "t-1-0"]


def test_a_handler_that_turns_its_cancellation_into_a_failure_is_not_retried() -> None:
    """Its partition has another owner, who makes the next attempt."""
    begun: list[int] = []

    async def handler(task: Task) -> None:
        begun.append(task.attempt)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ValueError("broken off") from None

    with rig(handler, retry=RetryPolicy(backoff_s=0)) as it:
        it.engine.submit([make_job()])
        eventually(lambda: begun)
        it.engine.cancel({0})
        assert it.engine.drop({0}) == []
    assert begun == [1]
    assert it.publisher.sent == []


def test_a_handler_that_ignores_its_cancellation_does_not_block_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is left behind after a while."""
    monkeypatch.setattr(engine_module, "_CANCEL_TIMEOUT_S", 0.05)
    begun = threading.Event()
    stop = False

    async def handler(task: Task) -> None:
        begun.set()
        while not stop:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                continue

    with rig(handler) as it:
        it.engine.submit([make_job()])
        assert begun.wait(10)
        it.engine.cancel({0})
        stop = True
        it.engine.cancel({0})


def test_exits_do_not_end_the_loop() -> None:
    """Neither a handler's own, nor that of a task that it began."""

    async def leave() -> None:
        sys.exit(5)

    async def handler(task: Task) -> dict[str, Any]:
        if task.payload.get("how") == "own":
            sys.exit(4)
        if task.payload.get("how") == "child":
            await asyncio.create_task(leave())
        return {}

    with rig(handler) as it:
        it.engine.submit([make_job(how, {"how": how}, offset=n) for n, how in enumerate(["own", "child", "none"])])
        it.wait_for_done(3)
    statuses = {response.agent_id: response.status for response in it.publisher.responses()}
    assert statuses == {"own": Status.FAILED, "child": Status.FAILED, "none": Status.COMPLETED}


def test_stopping_begins_nothing_new() -> None:
    """The next task of an agent is not begun because the one before was cancelled."""
    begun: list[str] = []

    async def handler(task: Task) -> None:
        begun.append(task.task_id)
        await asyncio.Event().wait()

    with rig(handler) as it:
        it.engine.submit([make_job(offset=0), make_job(offset=1)])
        eventually(lambda: begun)
    assert begun == ["t-0-0"]
    assert it.done == []


def test_an_error_of_ours_fails_the_worker() -> None:
    """A task that nobody would ever answer is not passed over in silence."""
    job = make_job()
    with rig(lambda task: {}) as it:
        it.engine._answers = None  # type: ignore[assignment]  # the bug
        it.engine.submit([job])
        eventually(lambda: it.failures)
    assert "a task cannot be answered" in str(it.failures[0])


def test_nothing_is_kept_of_what_is_done() -> None:
    """Tens of thousands of agents that came once leave nothing behind."""

    async def handler(task: Task) -> None:
        if task.position.offset % 10 == 0 and task.attempt == 1:
            raise ValueError("once")

    with rig(handler, retry=RetryPolicy(max_attempts=2, backoff_s=0)) as it:
        for batch in range(20):
            it.engine.submit([make_job(f"a{n}", offset=n) for n in range(batch * 500, batch * 500 + 500)])
        it.wait_for_done(10_000)
        eventually(lambda: not it.engine._in_hand)
        assert not it.engine._lanes._waiting
        assert not it.engine._pauses
        assert not it.engine._again
    assert len(positions(it.done)) == 10_000
