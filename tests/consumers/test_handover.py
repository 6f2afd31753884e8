"""The engine when partitions go, and when tasks are cancelled."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from mabos.consumers import RetryPolicy, Task
from mabos.consumers import engine as engine_module
from mabos.consumers.ledger import Ledger
from mabos.schemas.events import Status
from tests.support.engines import Gates, Rig, rig
from tests.support.jobs import FakePublisher, make_message
from tests.support.waiting import eventually

STUBBORN = RetryPolicy(max_attempts=9, backoff_s=60, max_backoff_s=60)


def release(it: Rig, partition: int = 0) -> None:
    it.engine.release([it.tenures[partition]])


# Partitions that go in order.


@pytest.mark.parametrize("kind", ["plain", "in_the_loop"])
def test_what_is_in_hand_of_a_released_partition_finishes_and_nothing_else_begins(kind: str) -> None:
    """What waits in its lane and what waits for another attempt is dropped and counted; other partitions go on."""
    gates = Gates("slow")
    with rig(getattr(gates, kind), retry=STUBBORN) as it:
        it.submit(make_message("slow", offset=0), make_message("slow", offset=1), make_message("sick", offset=2))
        it.submit(make_message("sick", offset=3), make_message("other", offset=0, partition=1))
        it.wait_for(lambda: sorted(gates.begun) == ["t-0-0", "t-0-2", "t-1-0"] and it.engine._comebacks._waiting)
        release(it)
        it.wait_for(lambda: it.tenures[0].dropped == 3)
        gates.open()
        it.wait_until_done()
        it.submit(make_message("other", offset=1, partition=1))
        it.wait_until_done()
    assert sorted(gates.begun) == ["t-0-0", "t-0-2", "t-1-0", "t-1-1"]
    assert sorted(it.answered) == [(task, Status.COMPLETED) for task in ("t-0-0", "t-1-0", "t-1-1")]
    assert it.tenures[0].offsets.committable == 1


def test_an_attempt_that_fails_after_the_release_is_the_last_one() -> None:
    """The next owner makes the next attempt."""
    gate = threading.Event()

    def handler(task: Task) -> None:
        gate.wait(10)
        raise ValueError("no luck")

    with rig(handler, retry=STUBBORN) as it:
        it.ask("a", 0, 1)
        eventually(lambda: it.engine.in_hand)
        release(it)
        gate.set()
        it.wait_for(lambda: it.tenures[0].dropped == 2)
        it.wait_until_done()
    assert it.publisher.sent == []


def test_a_release_in_the_midst_of_a_long_handler_of_the_only_lane_counts() -> None:
    """With a concurrency of 1 the engine's thread is busy then: it hears of the release when the handler ends."""
    gates = Gates("slow")
    with rig(gates.plain, concurrency=1) as it:
        it.submit(*[make_message("slow", offset=n) for n in range(3)], make_message("b", offset=3))
        eventually(lambda: gates.begun)
        release(it)
        gates.open()
        it.wait_for(lambda: it.tenures[0].dropped == 3)
        it.wait_until_done()
    assert it.answered == [("t-0-0", Status.COMPLETED)]


def test_a_suspect_that_waits_for_its_mark_is_dropped() -> None:
    """Whether its mark comes or not, it does not begin any more."""
    gates, publisher = Gates(), FakePublisher(hold=True)
    ledger = Ledger(10)
    ledger.suspect(1)
    with rig(gates.plain, publisher=publisher) as it:
        it.open(0, ledger=ledger)
        it.ask("a", 0)
        eventually(lambda: publisher.waiting)
        release(it)
        it.wait_for(lambda: it.tenures[0].dropped == 1)
        publisher.report()
        it.wait_until_done()
    assert gates.begun == []


def test_a_task_that_waits_for_a_place_is_dropped_although_none_is_free() -> None:
    """A task of another partition may hold the last place for long: the release must not wait for it."""
    gates = Gates("slow")
    with rig(gates.in_the_loop, concurrency=1, retry=RetryPolicy(max_attempts=9, backoff_s=0.02)) as it:
        it.ask("sick", 0)
        it.wait_for(lambda: it.engine._comebacks._waiting)
        it.ask("slow", 0, partition=1)
        it.wait_for(lambda: "t-1-0" in gates.begun)
        it.wait_for(lambda: not it.engine._comebacks._waiting)
        release(it)
        it.wait_for(lambda: it.tenures[0].dropped == 1, timeout_s=1.0)
        gates.open()
        it.wait_until_done()


# Partitions that are gone.


def test_async_handlers_of_a_partition_that_is_gone_are_cancelled_without_an_answer() -> None:
    """Only those of the partitions named; their agents' lanes are free afterwards."""
    cancelled: list[str] = []

    async def handler(task: Task) -> None:
        if task.payload.get("wait"):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.append(task.task_id)
                raise

    with rig(handler) as it:
        it.ask("a", 0, partition=0, wait=1)
        it.ask("b", 0, partition=1, wait=1)
        eventually(lambda: len(it.engine.in_hand) == 2)
        it.close(0)
        eventually(lambda: cancelled)
        it.open(0)
        it.ask("a", 0, partition=0)
        it.wait_for(lambda: it.answered)
    assert it.answered == [("t-0-0", Status.COMPLETED)]
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
        it.ask("a", 0)
        eventually(lambda: begun)
        it.close(0)
        eventually(lambda: not it.engine.in_hand)
    assert begun == [1]
    assert it.publisher.sent == []


@pytest.mark.parametrize("concurrency", [1, 4])
def test_no_two_handlers_of_an_agent_overlap_when_its_partition_comes_back(concurrency: int) -> None:
    """A plain handler cannot be cut off: its lane stays taken until it ends, and nothing is sent for it."""
    gates = Gates("a")
    with rig(gates.plain, concurrency=concurrency) as it:
        it.ask("a", 0, 1)
        eventually(lambda: gates.begun)
        it.close(0)
        it.open(0)
        it.ask("a", 0, 1)
        it.ask("b", 2)
        if concurrency > 1:
            it.wait_for(lambda: it.answered)
            assert it.answered == [("t-0-2", Status.COMPLETED)], "its neighbour does not wait"
        assert gates.begun[0] == "t-0-0"
        assert gates.begun.count("t-0-0") == 1
        gates.open()
        it.wait_until_done()
    assert gates.begun.count("t-0-0") == 2
    assert [task for task in gates.ended if task != "t-0-2"] == ["t-0-0", "t-0-0", "t-0-1"]
    assert sorted(it.answered) == [(f"t-0-{n}", Status.COMPLETED) for n in range(3)]


def test_a_plain_handler_of_a_partition_that_is_gone_can_see_it() -> None:
    """It has no use to go on."""
    seen = threading.Event()

    def handler(task: Task) -> None:
        while not task.cancelled:
            time.sleep(0.001)
        seen.set()
        task.check_cancelled()

    with rig(handler) as it:
        it.ask("a", 0)
        eventually(lambda: it.engine.in_hand)
        it.close(0)
        assert seen.wait(10)
        eventually(lambda: not it.engine.in_hand)
    assert it.publisher.sent == []


def test_progress_of_a_task_whose_partition_is_gone_is_not_published() -> None:
    """Another worker speaks for it."""
    gate, done = threading.Event(), threading.Event()

    def handler(task: Task) -> None:
        task.progress({"percent": 1})
        gate.wait(10)
        task.progress({"percent": 2})
        done.set()

    with rig(handler) as it:
        it.ask("a", 0)
        eventually(lambda: it.answered)
        it.close(0)
        gate.set()
        assert done.wait(10)
    assert it.answered == [("t-0-0", Status.IN_PROGRESS)]


def test_a_handler_that_ignores_its_cancellation_does_not_block_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is left behind after a while."""
    monkeypatch.setattr(engine_module, "_STOP_TIMEOUT_S", 0.05)
    stop = False

    async def handler(task: Task) -> None:
        while not stop:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                continue

    with rig(handler) as it:
        it.ask("a", 0)
        eventually(lambda: it.engine.in_hand)
        it.close(0)
        stop = True
        it.engine.cancel("a", "t-0-0", "again")


# Tasks that are cancelled.


def test_an_async_task_in_hand_is_cancelled_and_answered() -> None:
    """With the reason, and no dead letter; the agent's next task goes on."""

    async def handler(task: Task) -> None:
        if task.position.offset == 0:
            await asyncio.Event().wait()

    with rig(handler, retry=STUBBORN) as it:
        it.ask("a", 0, 1)
        eventually(lambda: it.engine.in_hand)
        it.engine.cancel("a", "t-0-0", "changed my mind")
        it.wait_until_done()
    first, second = it.publisher.responses()
    assert first.error is not None
    assert (first.status, first.error.message, second.status) == (
        Status.CANCELLED,
        "changed my mind",
        Status.COMPLETED,
    )
    assert it.publisher.letters() == []


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_plain_task_in_hand_sees_that_it_is_cancelled(concurrency: int) -> None:
    """It looks between two steps of its work, and is answered cancelled if it lets that pass."""

    def handler(task: Task) -> None:
        while True:
            task.check_cancelled()
            time.sleep(0.001)

    with rig(handler, concurrency=concurrency) as it:
        it.ask("a", 0)
        eventually(lambda: it.engine.in_hand)
        it.engine.cancel("a", "another", "not this one")
        it.engine.cancel("b", "t-0-0", "not this one")
        it.engine.cancel("a", "t-0-0", "stop")
        it.wait_until_done()
    assert it.answered == [("t-0-0", Status.CANCELLED)]


def test_a_task_that_waits_is_cancelled_without_running() -> None:
    """Whoever heard of it knows it when its turn comes, also between two attempts."""
    gates = Gates("slow")
    with rig(gates.plain, retry=RetryPolicy(max_attempts=9, backoff_s=0.02)) as it:
        it.submit(make_message("slow", offset=0), make_message("slow", offset=1), make_message("sick", offset=2))
        it.cancels.add("slow", "t-0-1", "not wanted")
        it.cancels.add("sick", "t-0-2", "not wanted")
        gates.open()
        it.wait_until_done()
    assert "t-0-1" not in gates.begun
    statuses = dict(it.answered)
    assert (statuses["t-0-1"], statuses["t-0-2"]) == (Status.CANCELLED, Status.CANCELLED)
