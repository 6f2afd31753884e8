"""The response feed and its waiters, without a broker."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from typing import Any, cast

import pytest
from confluent_kafka import Message

from mabos.consumers import FeedStopped
from mabos.consumers.responses import ResponseFeed, Waiter
from mabos.kafka.position import Position
from mabos.kafka.settings import Settings
from mabos.schemas.codec import RESPONSE, Codec
from mabos.schemas.errors import InvalidTask, RegistryUnavailable
from mabos.schemas.events import Status, TaskResponse
from tests.support.registries import FakeRegistry


def response(task_id: str = "t", agent_id: str = "a", status: Status = Status.COMPLETED) -> TaskResponse:
    return TaskResponse(task_id=task_id, agent_id=agent_id, status=status)


@dataclass
class Read:
    """A record as the feed reads it."""

    event: TaskResponse
    at: int = 0
    schema_id: int = 1

    def error(self) -> None:
        return None

    def key(self) -> bytes:
        return self.event.agent_id.encode()

    def value(self) -> bytes:
        return Codec(RESPONSE, self.schema_id, cast(Any, None)).encode(self.event)

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self.at


@pytest.fixture
def registry() -> FakeRegistry:
    return FakeRegistry()


@pytest.fixture
def feed(registry: FakeRegistry) -> ResponseFeed:
    return ResponseFeed(Settings(bootstrap_servers="127.0.0.1:1"), registry.as_registry)


def take(feed: ResponseFeed, event: TaskResponse, **options: int) -> None:
    feed._tail._take(cast(Message, Read(event, **options)))


def test_a_waiter_gets_the_first_terminal_response(feed: ResponseFeed) -> None:
    """Progress does not end the wait, and a second outcome does not change the first."""
    waiter = feed.expect("a", "t")
    take(feed, response(status=Status.IN_PROGRESS))
    assert waiter.result(0) is None
    take(feed, response(status=Status.FAILED))
    take(feed, response())
    outcome = waiter.result(0)
    assert outcome is not None
    assert outcome.status is Status.FAILED


def test_a_waiter_hears_of_no_other_task(feed: ResponseFeed) -> None:
    """Neither of its agent's, nor of another agent's task of the same name."""
    waiter = feed.expect("a", "t")
    take(feed, response(task_id="other"))
    take(feed, response(agent_id="b"))
    assert waiter.result(0) is None


def test_two_who_wait_for_one_task_both_hear(feed: ResponseFeed) -> None:
    """A task asked twice under one name has one outcome, for all who ask."""
    waiters = [feed.expect("a", "t") for _ in range(2)]
    take(feed, response())
    assert [waiter.result(0) for waiter in waiters] == [response(), response()]


def test_forgotten_and_settled_waiters_leave_nothing(feed: ResponseFeed) -> None:
    """A feed that runs for a year does not fill the memory."""
    settled, forgotten = feed.expect("a", "1"), feed.expect("b", "2")
    take(feed, response(task_id="1"))
    for waiter in (forgotten, forgotten, settled):
        feed.forget(waiter)
    assert feed._waiters == {}


def test_listeners_hear_everything(feed: ResponseFeed) -> None:
    """Every response with its position, terminal or not, whether somebody waits or not."""
    heard: list[tuple[str, str]] = []
    feed.listen(lambda event, position: heard.append((event.task_id, str(position))))
    take(feed, response(task_id="1", status=Status.IN_PROGRESS), at=4)
    take(feed, response(task_id="2"), at=5)
    assert heard == [("1", "mabos.tasks.responses:0:4"), ("2", "mabos.tasks.responses:0:5")]


def test_others_records_are_not_even_decoded(feed: ResponseFeed, registry: FakeRegistry) -> None:
    """A feed that waits for one agent reads past all others at no cost."""
    feed.expect("a", "t")
    take(feed, response(agent_id="b"), schema_id=77)
    assert registry.asked == []


def test_a_response_that_cannot_be_decoded_is_passed(feed: ResponseFeed, registry: FakeRegistry) -> None:
    """What a foreign writer did wrong does not end the feed."""
    waiter = feed.expect("a", "t")
    take(feed, response(), schema_id=77)
    take(feed, response())
    assert registry.asked == [77]
    assert waiter.result(0) is not None


@pytest.mark.parametrize("agent_id", ["", "a\n", "\ud800", "x" * 256, 5, None], ids=repr)
def test_an_id_that_the_contract_refuses_is_refused_by_name(feed: ResponseFeed, agent_id: Any) -> None:
    """And nothing is registered."""
    with pytest.raises(InvalidTask, match=r"^agent_id: "):
        feed.expect(agent_id, "t")
    with pytest.raises(InvalidTask, match=r"^task_id: "):
        feed.expect("a", agent_id)
    assert feed._waiters == {}


def test_a_stopped_feed_takes_no_waiters(feed: ResponseFeed) -> None:
    """Nobody waits for what cannot come; stopping one that never started is fine."""
    feed.stop()
    with pytest.raises(FeedStopped, match="is stopped"):
        feed.expect("a", "t")


def test_the_first_settlement_counts() -> None:
    """A failure that is known twice, or an outcome after it, changes nothing."""
    waiter = Waiter("a", "t")
    waiter.settle(None, FeedStopped("first"))
    waiter.settle(response())
    with pytest.raises(FeedStopped, match="first"):
        waiter.result(0)


def test_an_outcome_from_another_thread_wakes_the_loop() -> None:
    """However the two race: a thousand times, none waits for ever."""

    async def wait_all() -> None:
        for number in range(1000):
            waiter = Waiter("a", str(number))
            thread = threading.Thread(target=waiter.settle, args=(response(str(number)),))
            thread.start()
            if number % 3:
                await asyncio.sleep(0)
            async with asyncio.timeout(30):
                assert (await waiter).task_id == str(number)
            thread.join()

    asyncio.run(wait_all())


def test_an_outcome_for_a_loop_that_is_gone_disturbs_nothing() -> None:
    """The feed's thread goes on when a caller's loop was closed while it waited."""
    waiter = Waiter("a", "t")

    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await waiter

    asyncio.run(give_up())
    waiter.settle(response())
    assert waiter.result(0) == response()


def test_a_cancelled_wait_can_be_taken_up_again() -> None:
    """On another loop, too."""
    waiter = Waiter("a", "t")

    async def wait(timeout_s: float) -> TaskResponse:
        async with asyncio.timeout(timeout_s):
            return await waiter

    with pytest.raises(TimeoutError):
        asyncio.run(wait(0.001))
    thread = threading.Timer(0.01, waiter.settle, args=(response(),))
    thread.start()
    assert asyncio.run(wait(30)) == response()
    thread.join()


def test_a_follower_hears_every_response_of_its_task(feed: ResponseFeed) -> None:
    """Progress, outcome and what comes after it, with positions, until it is forgotten."""
    heard: list[str] = []
    follower = feed.follow("a", "t", lambda event, position: heard.append(f"{event.status} {position.offset}"), print)
    take(feed, response(status=Status.IN_PROGRESS), at=3)
    take(feed, response(task_id="other"), at=4)
    take(feed, response(agent_id="b"), at=5)
    take(feed, response(), at=6)
    take(feed, response(status=Status.FAILED), at=7)
    feed.forget(follower)
    take(feed, response(), at=8)
    assert heard == ["in_progress 3", "completed 6", "failed 7"]
    assert feed._waiters == {}


def test_how_far_it_has_read_is_told(feed: ResponseFeed, registry: FakeRegistry) -> None:
    """Whether or not somebody waits, and past what cannot be decoded, but not past what cannot be decoded yet."""
    take(feed, response(agent_id="b"), at=4)
    assert dict(feed.reached) == {0: 5}
    feed.expect("a", "t")
    take(feed, response(), at=5)
    assert dict(feed.reached) == {0: 6}
    feed.expect("a", "t")
    take(feed, response(), at=6, schema_id=77)
    assert dict(feed.reached) == {0: 7}
    registry.is_away = True
    with pytest.raises(RegistryUnavailable):
        feed._take(cast(Message, Read(response(), 7, 78)), Position("mabos.tasks.responses", 0, 7))
    assert dict(feed.reached) == {0: 7}


@pytest.mark.parametrize("moment", ["before the mark", "after the mark"])
def test_who_registers_while_a_record_is_read_misses_nothing(feed: ResponseFeed, moment: str) -> None:
    """At whatever moment: a response is told, or lies below the mark that is seen after registering."""

    class Marks(dict[int, int]):
        def __setitem__(self, partition: int, offset: int) -> None:
            if moment == "before the mark":
                register()
            super().__setitem__(partition, offset)
            if moment == "after the mark":
                register()

    def register() -> None:
        feed.follow("a", "t", lambda _, position: heard.append(position.offset), print)
        seen.append(feed.reached.get(0, 0))

    heard: list[int] = []
    seen: list[int] = []
    feed._reached = Marks()
    take(feed, response(), at=9)
    assert heard == [9] or seen == [10]


def test_followers_and_listeners_hear_that_the_feed_ends(feed: ResponseFeed) -> None:
    """Each once, with the reason; one that is gone does not."""
    ended: list[str] = []

    def listen(event: TaskResponse, position: object) -> None:
        """Hears nothing."""

    feed.follow("a", "t", listen, lambda error: ended.append(f"follower: {error}"))
    feed.forget(feed.follow("a", "t", listen, lambda error: ended.append("forgotten")))
    feed.listen(listen, lambda error: ended.append(f"listener: {error}"))
    feed.listen(print, lambda error: ended.append("unlistened"))
    feed.unlisten(print)
    feed._end(RuntimeError("broke"))
    assert ended == ["follower: the response feed broke: broke", "listener: the response feed broke: broke"]
    with pytest.raises(FeedStopped, match="broke: broke"):
        feed.follow("a", "t", listen, print)
    assert feed.is_ended
