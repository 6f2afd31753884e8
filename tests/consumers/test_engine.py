"""The engine: lanes and handlers on one event loop, answers to a publisher with no Kafka behind it."""

from __future__ import annotations

import asyncio
import random
import sys
import threading
from collections import defaultdict
from collections.abc import Awaitable
from typing import Any

import pytest
from confluent_kafka import KafkaError

from mabos.consumers import AgentGroup, RetryPolicy, Task
from mabos.schemas.events import Status
from tests.support.engines import rig, rig_of
from tests.support.jobs import FakePublisher, make_message, make_raw_message
from tests.support.waiting import eventually

UNKNOWN_SCHEMA = b"\x00\x00\x00\x00\x63abc"


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

    messages = [make_message(f"a{dice.randrange(20)}", offset=n) for n in range(600)]
    with rig(handler, concurrency=8) as it:
        for start in range(0, 600, 50):
            it.submit(*messages[start : start + 50])
        it.wait_until_done()
    for agent, offsets in begun.items():
        assert offsets == [message.offset() for message in messages if message.key() == agent.encode()]
    assert [status for _, status in it.answered] == [Status.COMPLETED] * 600


def test_concurrency_bounds_what_is_in_hand() -> None:
    """No more handlers run at a time, and as many do."""
    now, most = 0, 0
    gate, lock = threading.Event(), threading.Lock()

    def handler(task: Task) -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        gate.wait()
        with lock:
            now -= 1

    with rig(handler, concurrency=5) as it:
        it.submit(*[make_message(f"a{n}", offset=n) for n in range(50)])
        eventually(lambda: now == 5)
        gate.set()
        it.wait_until_done()
    assert most == 5


def test_answers_are_in_a_hurry_only_when_no_more_tasks_are_there() -> None:
    """A small batch a task costs the broker more than the task costs the worker."""
    with rig(lambda _: {}, concurrency=1) as it:
        it.engine.expect(is_more=True)
        for offset in range(3):  # what is done of one is seen to its end before the next one begins
            it.ask("a", offset)
            it.wait_until_done()
        assert it.publisher.hurries == 0
        it.engine.expect(is_more=False)
        eventually(lambda: it.publisher.hurries == 1)


def where(names: list[str]) -> AgentGroup:
    """Handlers that tell in which thread they run."""
    agents = AgentGroup("g")

    @agents.on_task_request("plain")
    def plain(task: Task) -> None:
        names.append(threading.current_thread().name)

    @agents.on_task_request("async")
    async def in_the_loop(task: Task) -> None:
        names.append(threading.current_thread().name)

    return agents


@pytest.mark.parametrize(("concurrency", "plain"), [(1, "mabos-engine"), (2, "mabos-handler-1")])
def test_a_plain_handler_runs_in_a_thread_unless_only_one_runs_at_a_time(concurrency: int, plain: str) -> None:
    """It may block, and the loop must not wait for it; with a concurrency of 1 nothing else waits, so it runs here."""
    names: list[str] = []
    with rig_of(where(names), concurrency=concurrency) as it:
        it.ask("a", 0, action="plain")
        it.ask("a", 1, action="async")
        it.wait_until_done()
    assert names == [plain, "mabos-engine"]


def test_with_a_concurrency_of_1_lanes_take_turns() -> None:
    """A hot agent does not starve its neighbours, and each agent's tasks stay in order."""
    order: list[str] = []
    with rig(lambda task: order.append(task.task_id), concurrency=1) as it:
        it.submit(*[make_message("hot", offset=n) for n in range(4)], *[make_message("b", offset=n) for n in (4, 5)])
        it.wait_until_done()
    assert order == ["t-0-0", "t-0-4", "t-0-1", "t-0-5", "t-0-2", "t-0-3"]


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_retry_holds_only_its_own_lane(concurrency: int) -> None:
    """While a failed task waits for its next attempt, its agent waits and all others go on."""
    order: list[str] = []

    async def handler(task: Task) -> None:
        order.append(task.task_id)
        if task.agent_id == "sick" and task.attempt == 1 and task.position.offset == 0:
            raise ValueError("at first")

    with rig(handler, concurrency=concurrency, retry=RetryPolicy(max_attempts=2, backoff_s=0.5)) as it:
        it.submit(make_message("sick", offset=0), make_message("sick", offset=1))
        it.submit(*[make_message("well", offset=n) for n in range(2, 20)])
        it.wait_until_done()
    assert order == ["t-0-0", *[f"t-0-{n}" for n in range(2, 20)], "t-0-0", "t-0-1"]


def test_a_task_given_up_is_answered_and_buried() -> None:
    """Done means both are with the broker."""

    async def handler(task: Task) -> None:
        raise ValueError("no luck")

    publisher = FakePublisher(hold=True)
    with rig(handler, publisher=publisher) as it:
        it.ask("a", 0)
        eventually(lambda: len(publisher.waiting) == 2)
        publisher.report(count=1)
        it.delivery.settle()
        assert it.tenures[0].offsets.unfinished == 1
        publisher.report(count=1)
        it.wait_until_done()
        assert [(place.offset, place.metadata) for place in it.consumer.commits][-1] == (1, "mabos:1:1:open")
    assert it.answered == [("t-0-0", Status.FAILED)]
    assert [letter.value for letter in publisher.letters()] == [make_message(offset=0).value()]


def test_a_late_report_after_the_stop_disturbs_nothing() -> None:
    """Whoever takes a report that comes in after the engine has gone goes on."""
    publisher = FakePublisher(hold=True)
    with rig(lambda task: None, publisher=publisher) as it:
        it.ask("a", 0)
        eventually(lambda: len(publisher.waiting) == 1)
    assert len(it.outbox) == 1
    publisher.report()
    assert (len(it.outbox), it.failures) == (0, [])


def test_a_response_that_the_broker_finds_too_large_becomes_a_failure() -> None:
    """The task is answered all the same."""
    publisher = FakePublisher(hold=True)
    with rig(lambda task: {"x": "y" * 1000}, publisher=publisher) as it:
        it.ask("a", 0)
        eventually(lambda: len(publisher.waiting) == 1)
        publisher.report(KafkaError.MSG_SIZE_TOO_LARGE)
        it.delivery.settle()
        publisher.report()
        it.wait_until_done()
    assert it.answered == [("t-0-0", Status.COMPLETED), ("t-0-0", Status.FAILED)]


def test_a_dead_letter_that_the_broker_finds_too_large_is_cut() -> None:
    """The task is answered, and its letter keeps cause and origin."""

    async def handler(task: Task) -> None:
        raise ValueError("no luck")

    publisher = FakePublisher(hold=True)
    with rig(handler, publisher=publisher) as it:
        it.ask("a", 0)
        eventually(lambda: len(publisher.waiting) == 2)
        publisher.report(KafkaError.MSG_SIZE_TOO_LARGE, count=1)
        it.delivery.settle()
        publisher.report()
        it.wait_until_done()
    assert [letter.value is None for letter in publisher.letters()] == [False, True]
    assert it.failures == []


def test_a_record_that_is_no_task_is_buried_and_passed() -> None:
    """Raw, with the cause; it is done only when the letter is stored, and its neighbours go on."""
    publisher = FakePublisher(hold=True)
    with rig(lambda task: None, publisher=publisher) as it:
        it.submit(make_raw_message(b"a", b"junk", offset=0, partition=0), make_message("a", offset=1))
        eventually(lambda: len(publisher.waiting) == 2)
        it.delivery.settle()
        assert it.tenures[0].offsets.unfinished == 2
        publisher.report()
        it.wait_until_done()
    [letter] = publisher.letters()
    assert (letter.key, letter.value) == (b"a", b"junk")
    assert dict(letter.headers or ())["mabos-error-code"] == b"bad_magic"
    assert it.answered == [("t-0-1", Status.COMPLETED)]


def test_while_the_registry_is_away_only_the_lane_that_needs_it_waits() -> None:
    """The record may be good; the agent's next task must not overtake it, and all other agents go on."""
    with rig(lambda task: None) as it:
        it.registry.is_away = True
        it.submit(make_raw_message(b"a", UNKNOWN_SCHEMA, offset=0, partition=0), make_message("a", offset=1))
        it.submit(make_message("b", offset=2), make_message("b", offset=3))
        it.wait_for(lambda: len(it.answered) == 2)
        assert it.answered == [("t-0-2", Status.COMPLETED), ("t-0-3", Status.COMPLETED)]
        it.registry.is_away = False
        it.wait_until_done()
    assert it.answered[2:] == [("t-0-1", Status.COMPLETED)]
    assert len(it.publisher.letters()) == 1


def test_an_unknown_action_waits_and_is_then_rejected() -> None:
    """Its agent's next task waits with it; an agent that asks for what is known does not."""
    agents = AgentGroup("g", unknown_action_grace_s=0.05)
    agents.on_task_request("known")(lambda task: {})
    with rig_of(agents) as it:
        it.ask("a", 0, action="new")
        it.ask("a", 1, action="known")
        it.ask("b", 2, action="known")
        it.wait_until_done()
    assert it.answered[0] == ("t-0-2", Status.COMPLETED)
    assert it.answered[1:] == [("t-0-0", Status.REJECTED), ("t-0-1", Status.COMPLETED)]


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_task_that_was_sent_twice_is_answered_once(concurrency: int) -> None:
    """Although the second copy came while the first was in hand, and before its response was acknowledged."""
    runs: list[str] = []
    gate = threading.Event()

    def handler(task: Task) -> None:
        runs.append(task.task_id)
        gate.wait(10)

    publisher = FakePublisher(hold=True)
    with rig(handler, concurrency=concurrency, publisher=publisher) as it:
        it.submit(make_message("a", offset=0, task_id="twice"))
        eventually(lambda: runs)
        it.submit(make_message("a", offset=1, task_id="twice"), make_message("a", offset=2, task_id="other"))
        gate.set()
        eventually(lambda: len(publisher.waiting) == 2)
        it.delivery.settle()
        assert it.tenures[0].offsets.committable == 0, "nothing is acknowledged yet"
        publisher.report()
        it.wait_until_done()
        it.submit(make_message("a", offset=3, task_id="twice"))
        it.wait_until_done()
    assert runs == ["twice", "other"]
    assert it.answered == [("twice", Status.COMPLETED), ("other", Status.COMPLETED)]


def test_the_same_name_with_another_agent_is_another_task() -> None:
    """A task is named by its agent and its task_id."""
    with rig(lambda task: None) as it:
        it.submit(make_message("a", offset=0, task_id="t"), make_message("b", offset=1, task_id="t"))
        it.wait_until_done()
    assert len(it.answered) == 2


def leave(task: Task) -> None:
    sys.exit(3)


def interrupt(task: Task) -> None:
    raise KeyboardInterrupt


def generator_exit(task: Task) -> None:
    raise GeneratorExit


def stop_iteration(task: Task) -> Any:
    return next(iter([]))


@pytest.mark.parametrize("raise_it", [leave, interrupt, generator_exit, stop_iteration])
@pytest.mark.parametrize(("kind", "concurrency"), [("plain", 1), ("plain", 2), ("async", 2), ("awaitable", 2)])
def test_whatever_a_handler_raises_the_worker_goes_on(raise_it: Any, kind: str, concurrency: int) -> None:
    """The task is answered as failed, and the next one runs: here, in a thread and on the loop."""

    async def in_the_loop(task: Task) -> None:
        if task.position.offset == 0:
            raise_it(task)

    def plain(task: Task) -> None:
        if task.position.offset == 0:
            raise_it(task)

    def awaitable(task: Task) -> Awaitable[None]:
        return in_the_loop(task)

    with rig({"plain": plain, "async": in_the_loop, "awaitable": awaitable}[kind], concurrency=concurrency) as it:
        it.ask("a", 0, 1)
        it.wait_until_done()
    assert it.answered == [("t-0-0", Status.FAILED), ("t-0-1", Status.COMPLETED)]
    assert it.failures == []


def test_exits_do_not_end_the_loop() -> None:
    """Neither a handler's own, nor that of a task that it began."""

    async def exit_here() -> None:
        sys.exit(5)

    async def handler(task: Task) -> None:
        if task.agent_id == "own":
            sys.exit(4)
        if task.agent_id == "child":
            await asyncio.create_task(exit_here())

    with rig(handler) as it:
        it.submit(make_message("own", offset=0), make_message("child", offset=1), make_message("none", offset=2))
        it.wait_until_done()
    statuses = {response.agent_id: response.status for response in it.publisher.responses()}
    assert statuses == {"own": Status.FAILED, "child": Status.FAILED, "none": Status.COMPLETED}


@pytest.mark.parametrize("concurrency", [1, 3])
def test_an_awaitable_of_a_plain_handler_is_awaited_on_the_loop(concurrency: int) -> None:
    """Behind a decorator that is not async, many of them wait at a time as far as the concurrency goes."""
    now, most = 0, 0

    async def wait(task: Task) -> dict[str, int]:
        nonlocal now, most
        now, most = now + 1, max(most, now + 1)
        await asyncio.sleep(0.02)
        now -= 1
        return {"n": task.position.offset}

    def plain(task: Task) -> Awaitable[dict[str, int]]:
        return wait(task)

    with rig(plain, concurrency=concurrency) as it:
        it.submit(*[make_message(f"a{n}", offset=n) for n in range(6)])
        it.wait_until_done()
    assert sorted(response.result["n"] for response in it.publisher.responses()) == list(range(6))
    assert most == concurrency


def test_stopping_begins_nothing_new() -> None:
    """The next task of an agent is not begun because the one before was cancelled."""
    begun: list[str] = []

    async def handler(task: Task) -> None:
        begun.append(task.task_id)
        await asyncio.Event().wait()

    with rig(handler) as it:
        it.ask("a", 0, 1)
        eventually(lambda: begun)
    assert begun == ["t-0-0"]
    assert it.answered == []


def test_an_error_of_ours_fails_the_worker() -> None:
    """A task that nobody would ever answer is not passed over in silence."""
    with rig(lambda task: {}) as it:
        it.engine._answers = None  # type: ignore[assignment]  # the bug
        it.ask("a", 0)
        eventually(lambda: it.failures)
    assert "a task cannot be answered" in str(it.failures[0])


def test_nothing_is_kept_of_what_is_done() -> None:
    """Thousands of agents that came once leave nothing behind."""

    async def handler(task: Task) -> None:
        if task.position.offset % 10 == 0 and task.attempt == 1:
            raise ValueError("once")

    with rig(handler, retry=RetryPolicy(max_attempts=2, backoff_s=0)) as it:
        for batch in range(10):
            it.submit(*[make_message(f"a{n}", offset=n) for n in range(batch * 500, batch * 500 + 500)])
        it.wait_until_done()
        eventually(lambda: not it.engine.in_hand)
        assert not it.engine.lanes._waiting
        assert not it.engine._comebacks._waiting
        assert not it.engine._comebacks.ready
    assert len(set(it.answered)) == 5000
    assert (it.tenures[0].held_bytes, it.tenures[0].offsets.ahead) == (0, 0)
