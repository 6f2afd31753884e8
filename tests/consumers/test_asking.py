"""Asking and sending from inside a handler, without a broker."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError
from structlog.testing import capture_logs

from mabos.consumers import AskRefused, CallTimeout, FeedStopped, Question, ResponseFeed
from mabos.consumers.asking import Asker
from mabos.consumers.calls import Caller
from mabos.consumers.responses import Waiter
from mabos.kafka.position import Position
from mabos.kafka.settings import Settings
from mabos.producers import ProducerStopped, PublishFailed, PublishQueueFull, TaskProducer
from mabos.producers.publisher import OnDelivery, Record
from mabos.schemas import InvalidTask, Status, TaskRequest, TaskResponse
from tests.support.jobs import REQUESTS, FakePublisher
from tests.support.registries import FakeRegistry
from tests.support.waiting import eventually

PARENT = TaskRequest(task_id="t", agent_id="a", payload_json="{}")
FAR = datetime(2999, 1, 1, tzinfo=UTC)


@dataclass
class Publisher(FakePublisher):
    """Waits for room as the real one does, and keeps count."""

    waited_s: list[float | None] = field(default_factory=list)

    def publish(self, record: Record, on_delivery: OnDelivery, queue_full_timeout_s: float | None = None) -> None:
        if not self.try_publish(record, on_delivery):
            self.waited_s.append(queue_full_timeout_s)
            raise PublishQueueFull("full, says the fake")

    async def publish_async(self, record: Record, on_delivery: OnDelivery) -> None:
        self.publish(record, on_delivery)

    def stop(self, timeout_s: float | None = None) -> None:
        if self.waiting:
            raise PublishFailed(f"{len(self.waiting)} records left after {timeout_s} s", may_be_stored=True)

    def requests(self) -> list[TaskRequest]:
        return [REQUESTS.decode(record.value) for record in self.sent]


@dataclass
class FakeFeed:
    """Knows who waits; answers when told."""

    waiting: list[Waiter] = field(default_factory=list)
    is_stopped: bool = False

    def expect(self, agent_id: str, task_id: str) -> Waiter:
        waiter = Waiter(agent_id, task_id)
        self.waiting.append(waiter)
        return waiter

    def forget(self, waiter: Waiter) -> None:
        if waiter in self.waiting:
            self.waiting.remove(waiter)

    def answer(self) -> None:
        for waiter in list(self.waiting):
            waiter.settle(TaskResponse(task_id=waiter.task_id, agent_id=waiter.agent_id, status=Status.COMPLETED))

    def stop(self) -> None:
        self.is_stopped = True
        for waiter in self.waiting:
            waiter.settle(None, FeedStopped("says the fake"))


class Road:
    """An asker whose producer and feed are fakes, opened as slowly as a test wants."""

    def __init__(self) -> None:
        self.publisher, self.feed = Publisher(), FakeFeed()
        registry = FakeRegistry().as_registry
        self.producer = TaskProducer(Settings(bootstrap_servers="127.0.0.1:1"), registry)
        self.producer.stop(0)
        self.producer._publisher = cast(Any, self.publisher)
        self.gate = threading.Event()
        self.errors: list[Exception] = []
        self.openings = 0
        road = self

        class GatedAsker(Asker):
            def _make_caller(self) -> Caller:
                road.openings += 1
                assert road.gate.wait(30)
                if road.errors:
                    raise road.errors.pop()
                self._feed = cast(ResponseFeed, road.feed)
                return Caller(road.producer, self._feed)

        self.asker = GatedAsker(Settings(), registry)
        self.asker._producer = self.producer

    def ask(self, agent_id: str = "b", payload: Any = None, **options: Any) -> Question:
        parent, headers = options.pop("parent", PARENT), options.pop("headers", [])
        return self.asker.ask(parent, headers, agent_id=agent_id, payload=payload or {"n": 1}, **options)


@pytest.fixture
def road() -> Iterator[Road]:
    made = Road()
    made.gate.set()
    yield made
    assert made.feed.waiting == []


async def ask_and_answer(road: Road, question: Question) -> TaskResponse:
    asking = asyncio.ensure_future(question)
    while not road.feed.waiting and not asking.done():  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0.001)
    road.feed.answer()
    return await asking


def test_a_question_is_answered_in_both_ways(road: Road) -> None:
    """Awaited, and in a thread; what is sent tells its parent and who waits."""
    response = asyncio.run(ask_and_answer(road, road.ask(task_id="1")))
    assert (response.agent_id, response.task_id) == ("b", "1")
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(road.ask(task_id="2").result)
        eventually(lambda: road.feed.waiting)
        road.feed.answer()
        assert asking.result(10).task_id == "2"
    assert [request.task_id for request in road.publisher.requests()] == ["1", "2"]
    for record in road.publisher.sent:
        assert record.headers == [("mabos-parent", b'{"agent_id":"a","task_id":"t"}'), ("mabos-asked-by", b'["a"]')]


def test_a_question_is_sent_when_somebody_waits(road: Road) -> None:
    """Who forgets to wait is told, as Python tells of a coroutine; nobody waits twice."""
    question = road.ask()
    assert road.publisher.sent == []
    with pytest.raises(CallTimeout, match=r"had no outcome within 0\.01 s: it goes on"):
        question.result(0.01)
    with pytest.raises(RuntimeError, match="can be waited for once"):
        question.result()
    with pytest.warns(RuntimeWarning, match="agent b was never asked: wait for the question, or use send"):
        road.ask()
    assert len(road.publisher.sent) == 1


def test_several_are_asked_at_a_time(road: Road) -> None:
    """With asyncio.gather, as it is for coroutines."""

    async def ask_all() -> list[TaskResponse]:
        asking = asyncio.gather(*(road.ask(f"b{number}") for number in range(50)))
        while len(road.feed.waiting) < 50:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.001)
        road.feed.answer()
        return await asking

    assert [response.agent_id for response in asyncio.run(ask_all())] == [f"b{number}" for number in range(50)]


def test_whatever_ends_a_wait_leaves_nothing_waiting(road: Road) -> None:
    """Time, cancellation, a refused payload, a failure to publish, a stop: the fixture looks."""

    async def end_in_all_ways() -> None:
        with pytest.raises(CallTimeout) as caught:
            await road.ask(timeout_s=0.01)
        assert caught.value.is_sent
        asking = asyncio.ensure_future(road.ask())
        while not road.feed.waiting:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.001)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert road.feed.waiting == []
        with pytest.raises(InvalidTask, match=r"^payload: "):
            await road.ask(payload=[1])
        road.publisher.hold = True
        asking = asyncio.ensure_future(road.ask())
        while not road.publisher.waiting:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.001)
        road.publisher.report(KafkaError._MSG_TIMED_OUT)
        with pytest.raises(PublishFailed, match="no broker acknowledged"):
            await asking

    asyncio.run(end_in_all_ways())
    road.publisher.hold = False
    with pytest.raises(InvalidTask, match=r"^payload: "):
        road.ask(payload=[1]).result()
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(road.ask().result)
        eventually(lambda: road.feed.waiting)
        road.asker.stop()
        with pytest.raises(FeedStopped):
            asking.result(10)


def test_a_slow_opening_does_not_hold_up_the_loop(road: Road) -> None:
    """All who ask meanwhile share it, threads too; one who is cancelled takes it from nobody else."""
    road.gate.clear()

    async def ask_all() -> None:
        asking = [asyncio.ensure_future(road.ask(f"b{number}")) for number in range(20)]
        ticks = 0
        while ticks < 100:
            await asyncio.sleep(0)
            ticks += 1
        assert not any(question.done() for question in asking)
        with pytest.raises(CallTimeout, match=r"could not be sent within 0\.01 s") as caught:
            await road.ask(timeout_s=0.01)
        assert not caught.value.is_sent
        asking.pop().cancel()
        await asyncio.sleep(0)
        road.gate.set()
        while len(road.feed.waiting) < 20:  # noqa: ASYNC110 - nobody tells; one of them in the thread
            await asyncio.sleep(0.001)
        road.feed.answer()
        assert all(response.status is Status.COMPLETED for response in await asyncio.gather(*asking))

    with ThreadPoolExecutor(1) as pool:
        in_thread = pool.submit(road.ask("in a thread").result)
        with pytest.raises(CallTimeout, match="could not be sent"):
            road.ask().result(0.01)
        asyncio.run(ask_all())
        assert in_thread.result(10).agent_id == "in a thread"
    assert road.openings == 1


def test_a_failed_opening_is_told_to_all_and_tried_again(road: Road) -> None:
    """A broker that is away now may be there for the next attempt."""
    road.gate.clear()
    road.errors.append(ConnectionError("no broker, says the fake"))

    async def ask_all() -> list[Any]:
        asking = [asyncio.ensure_future(road.ask()) for _ in range(3)]
        await asyncio.sleep(0)
        road.gate.set()
        return await asyncio.gather(*asking, return_exceptions=True)

    assert [str(error) for error in asyncio.run(ask_all())] == ["no broker, says the fake"] * 3
    assert asyncio.run(ask_and_answer(road, road.ask())).status is Status.COMPLETED
    assert road.openings == 2


def test_a_stopped_asker_takes_nothing(road: Road) -> None:
    """A handler that was left behind hears of it; stopping what was never used is fine, and so is stopping twice."""
    with pytest.raises(CallTimeout):
        road.ask(timeout_s=0.01).result()
    for _ in range(2):
        road.asker.stop()
    assert road.feed.is_stopped
    with pytest.raises(FeedStopped, match="the worker is stopping"):
        road.ask().result()
    with pytest.raises(ProducerStopped, match="the worker is stopping"):
        road.asker.send(PARENT, [], agent_id="b", payload={})
    Asker(Settings(), FakeRegistry().as_registry).stop()


def test_a_stop_while_the_feed_opens_ends_the_feed() -> None:
    """Nothing is left that nobody would stop."""
    starting, gate, stopped = threading.Event(), threading.Event(), threading.Event()

    class SlowFeed:
        def start(self) -> None:
            starting.set()
            assert gate.wait(30)

        def stop(self) -> None:
            stopped.set()

    asker = Asker(Settings(bootstrap_servers="127.0.0.1:1"), FakeRegistry().as_registry)
    asker._make_feed = lambda: cast(ResponseFeed, SlowFeed())  # type: ignore[method-assign]
    opening: Future[Caller] = asker.open()
    assert starting.wait(10)
    asker.stop()
    gate.set()
    with pytest.raises(FeedStopped, match="the worker is stopping"):
        opening.result(10)
    assert stopped.is_set()


def test_nothing_is_opened_before_it_is_needed() -> None:
    """A worker whose handlers ask nobody has neither producer nor feed."""
    threads = threading.active_count()
    asker = Asker(Settings(bootstrap_servers="127.0.0.1:1"), FakeRegistry().as_registry)
    question = asker.ask(PARENT, [], agent_id="b", payload={})
    assert threading.active_count() == threads
    asker.stop()
    with pytest.raises(FeedStopped):
        question.result()
    assert threading.active_count() == threads


def test_who_could_never_answer_is_refused_before_anything_is_sent(road: Road) -> None:
    """Oneself, and whoever waits for this task; sending to them is fine, and says of nobody that they wait."""
    headers = [("mabos-asked-by", b'["x","y"]')]
    for agent_id in ("a", "x", "y"):
        with pytest.raises(AskRefused):
            road.ask(agent_id, headers=headers)
        road.asker.send(PARENT, headers, agent_id=agent_id, payload={})
    assert [request.agent_id for request in road.publisher.requests()] == ["a", "x", "y"]
    assert all(record.headers is not None and len(record.headers) == 1 for record in road.publisher.sent)
    asyncio.run(ask_and_answer(road, road.ask("z", headers=headers)))
    assert dict(road.publisher.sent[-1].headers or ())["mabos-asked-by"] == b'["x","y","a"]'


@pytest.mark.parametrize(
    ("given", "inherited", "wanted"),
    [
        (None, None, None),
        (None, FAR, FAR),
        (FAR, None, FAR),
        (FAR, FAR + timedelta(1), FAR),
        (FAR + timedelta(1), FAR, FAR),
        (FAR + timedelta(microseconds=10), FAR, FAR),
    ],
)
def test_a_child_has_the_earlier_deadline(
    road: Road, given: datetime | None, inherited: datetime | None, wanted: datetime | None
) -> None:
    """That of the task in hand, unless an earlier one is given."""
    inherited_ms = None if inherited is None else round(inherited.timestamp() * 1000)
    parent = TaskRequest(task_id="t", agent_id="a", payload_json="{}", deadline_ms=inherited_ms)
    road.asker.send(parent, [], agent_id="b", payload={}, deadline=given)
    asyncio.run(ask_and_answer(road, road.ask(parent=parent, deadline=given)))
    assert [request.deadline for request in road.publisher.requests()] == [wanted, wanted]
    for refused in (road.ask, lambda **options: road.asker.send(PARENT, [], agent_id="b", payload={}, **options)):
        with pytest.raises(InvalidTask, match=r"^deadline: has no time zone"):
            refused(deadline=datetime(2999, 1, 1))  # noqa: DTZ001 - that is what is wrong with it


def test_a_wait_ends_a_moment_after_the_deadline(road: Road) -> None:
    """A plain handler cannot be stopped from outside; and what is long of no use is not even sent."""
    start_s = time.monotonic()
    with pytest.raises(CallTimeout):
        road.ask(deadline=datetime.now(UTC) - timedelta(seconds=0.9)).result()
    assert time.monotonic() - start_s < 10
    assert len(road.publisher.sent) == 1
    with pytest.raises(CallTimeout, match="could not be sent within 0 s"):
        road.ask(deadline=datetime.now(UTC) - timedelta(minutes=1)).result()
    assert len(road.publisher.sent) == 1


def test_a_full_queue_is_waited_for_in_threads_only(road: Road) -> None:
    """On an event loop a send that finds no room fails at once, and the attempt's retry is the wait."""
    road.publisher.room = 0

    async def send_on_loop() -> None:
        with pytest.raises(PublishQueueFull):
            road.asker.send(PARENT, [], agent_id="b", payload={})

    asyncio.run(send_on_loop())
    with pytest.raises(PublishQueueFull):
        road.asker.send(PARENT, [], agent_id="b", payload={})
    assert road.publisher.waited_s == [0.0, None]


def test_a_receipt_comes_at_once(road: Road) -> None:
    """In a plain handler and in an async one; it gives the position."""

    async def send() -> Position:
        return await road.asker.send(PARENT, [], agent_id="b", payload={}, task_id="1")

    assert asyncio.run(send()).offset == 0
    assert road.asker.send(PARENT, [], agent_id="b", payload={}).result(0).offset == 1


def test_what_is_not_acknowledged_at_the_stop_is_told(road: Road) -> None:
    """In the log: the worker's own end does not fail for it."""
    road.publisher.hold = True
    road.asker.send(PARENT, [], agent_id="b", payload={})
    with capture_logs() as logs:
        road.asker.stop(0.5)
    assert [entry["cause"] for entry in logs] == ["1 records left after 0.5 s"]
