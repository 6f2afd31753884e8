"""A receipt per task, without a broker: reports are given by hand."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator

import pytest
from confluent_kafka import KafkaError, Message

from mabos.kafka.position import Position
from mabos.kafka.settings import Settings
from mabos.producers import Publisher, PublishFailed, Receipt, RecordTooLarge
from mabos.producers.receipts import explain_failure
from tests.support.waiting import eventually

MESSAGE = Message(topic="topic", partition=3, offset=17)
LOST = KafkaError(KafkaError._MSG_TIMED_OUT, "timed out")


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    made = Publisher(Settings(bootstrap_servers="127.0.0.1:1"), client_id="test")
    yield made
    made.stop()


def deliver(receipt: Receipt, publisher: Publisher, error: KafkaError | None = None) -> None:
    """Do what the reports thread does with a batch of one."""
    receipt.on_delivery(error, MESSAGE)
    publisher._notify()


def test_a_receipt_gives_the_position(publisher: Publisher) -> None:
    """As the broker reported it; again and again."""
    receipt = Receipt("t", publisher)
    assert not receipt.is_done
    deliver(receipt, publisher)
    assert receipt.is_done
    for _ in range(2):
        assert receipt.result(0) == Position("topic", 3, 17)


def test_a_receipt_raises_what_went_wrong(publisher: Publisher) -> None:
    """In a thread and on a loop."""
    receipt = Receipt("t", publisher)
    deliver(receipt, publisher, LOST)
    with pytest.raises(PublishFailed, match="may or may not be stored"):
        receipt.result(0)

    async def wait() -> Position:
        return await receipt

    with pytest.raises(PublishFailed, match="may or may not be stored"):
        asyncio.run(wait())


def test_a_wait_that_is_too_short_is_told(publisher: Publisher) -> None:
    """The record is still on its way, and its result can be asked for later."""
    receipt = Receipt("t", publisher)
    with pytest.raises(TimeoutError, match=r"task t was not acknowledged within 0\.01 s, it is still on its way"):
        receipt.result(0.01)
    deliver(receipt, publisher)
    assert receipt.result(0).offset == 17


def test_many_threads_wait_for_one_receipt(publisher: Publisher) -> None:
    """All are woken."""
    receipt, found = Receipt("t", publisher), []
    threads = [threading.Thread(target=lambda: found.append(receipt.result(30))) for _ in range(8)]
    for thread in threads:
        thread.start()
    deliver(receipt, publisher)
    for thread in threads:
        thread.join(30)
    assert found == [Position("topic", 3, 17)] * 8


def test_a_report_is_never_missed_by_a_loop(publisher: Publisher) -> None:
    """However a report and the wait for it race."""

    async def wait_all() -> None:
        for _ in range(1000):
            receipt = Receipt("t", publisher)
            thread = threading.Thread(target=deliver, args=(receipt, publisher))
            thread.start()
            async with asyncio.timeout(30):
                assert (await receipt).partition == 3
            thread.join()

    asyncio.run(wait_all())


def test_a_report_between_the_look_and_the_wait_is_not_missed(publisher: Publisher) -> None:
    """Nobody waits for a report that came before there was anybody to wake."""

    async def wait() -> Position:
        receipt, loop = Receipt("t", publisher), asyncio.get_running_loop()
        create_future = loop.create_future

        def deliver_then_create() -> asyncio.Future[None]:
            deliver(receipt, publisher)
            return create_future()

        loop.create_future = deliver_then_create  # type: ignore[method-assign]  # the moment that counts
        try:
            coroutine = _wait(receipt)
            with pytest.raises(StopIteration) as ended:
                coroutine.send(None)
        finally:
            loop.create_future = create_future  # type: ignore[method-assign]
        return Position(*ended.value.value)

    assert asyncio.run(wait()).offset == 17


def test_two_loops_wait_for_one_receipt(publisher: Publisher) -> None:
    """Each is woken on its own, also where both begin to wait at the same moment."""
    for _ in range(200):
        receipt, found = Receipt("t", publisher), []
        start = threading.Barrier(3)

        def run_loop(receipt: Receipt, found: list[Position], start: threading.Barrier) -> None:
            async def wait() -> Position:
                async with asyncio.timeout(30):
                    return await receipt

            start.wait()
            found.append(asyncio.run(wait()))

        threads = [threading.Thread(target=run_loop, args=(receipt, found, start)) for _ in range(2)]
        for thread in threads:
            thread.start()
        start.wait()
        deliver(receipt, publisher)
        for thread in threads:
            thread.join(30)
        assert len(found) == 2


def test_a_cancelled_wait_can_be_taken_up_again(publisher: Publisher) -> None:
    """A receipt outlives who waits for it."""
    receipt = Receipt("t", publisher)

    async def wait_twice() -> Position:
        first = asyncio.ensure_future(_wait(receipt))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        assert first.cancelled()
        second = asyncio.ensure_future(_wait(receipt))
        await asyncio.sleep(0)
        await asyncio.to_thread(deliver, receipt, publisher)
        async with asyncio.timeout(30):
            return await second

    assert asyncio.run(wait_twice()).offset == 17


async def _wait(receipt: Receipt) -> Position:
    return await receipt


def test_a_loop_that_is_gone_does_not_keep_others_from_waking(publisher: Publisher) -> None:
    """The reports thread goes on, and tells the loops that are there."""
    gone, there = Receipt("gone", publisher), Receipt("there", publisher)

    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await gone

    asyncio.run(give_up())

    async def wait() -> Position:
        waiting = asyncio.ensure_future(_wait(there))
        await asyncio.sleep(0)
        gone.on_delivery(None, MESSAGE)
        there.on_delivery(None, MESSAGE)
        await asyncio.to_thread(publisher._notify)
        async with asyncio.timeout(30):
            return await waiting

    assert asyncio.run(wait()).offset == 17


@pytest.mark.parametrize("before", [True, False])
def test_a_failure_is_told_to_who_asked_for_it(publisher: Publisher, before: bool) -> None:
    """Whether it is known already, or comes later; a success is not told."""
    receipt, told = Receipt("t", publisher), list[PublishFailed]()
    steps: list[Callable[[], None]] = [
        lambda: deliver(receipt, publisher, LOST),
        lambda: receipt.on_failure(told.append),
    ]
    for step in steps if before else reversed(steps):
        step()
    assert [error.may_be_stored for error in told] == [True]
    good = Receipt("t", publisher)
    good.on_failure(told.append)
    deliver(good, publisher)
    assert len(told) == 1


@pytest.mark.parametrize(
    ("code", "kind", "may_be_stored", "hint"),
    [
        (KafkaError.UNKNOWN_TOPIC_OR_PART, PublishFailed, False, "topic requests does not exist: run `mabos topics"),
        (KafkaError._UNKNOWN_TOPIC, PublishFailed, False, "topic requests does not exist: run `mabos topics apply`"),
        (KafkaError._MSG_TIMED_OUT, PublishFailed, True, "sending it again with the same task_id is safe"),
        (KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND, PublishFailed, True, "may or may not be stored"),
        (KafkaError.MSG_SIZE_TOO_LARGE, RecordTooLarge, False, "larger than topic requests takes"),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, PublishFailed, False, "the record was not stored"),
    ],
)
def test_a_failure_says_what_is_known(code: int, kind: type, may_be_stored: bool, hint: str) -> None:
    """Whether the record may be stored all the same, and what to do."""
    failure = explain_failure(KafkaError(code), "requests")
    assert type(failure) is kind
    assert failure.may_be_stored is may_be_stored
    assert hint in str(failure)


def test_waiting_leaves_no_threads_behind(publisher: Publisher) -> None:
    """A publisher has one thread of ours, and it ends with the stop."""
    name = "test-reports"
    assert [thread.name for thread in threading.enumerate()].count(name) == 1
    publisher.stop()
    eventually(lambda: name not in [thread.name for thread in threading.enumerate()])
