"""ResponseFeed: tails the responses, and wakes whoever waits for one.

Any process hears of any task. It starts at the end of the log as it is when :meth:`ResponseFeed.start` returns: what is
published after that cannot be missed.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from typing import Any

from confluent_kafka import Message

from mabos.consumers.errors import FeedStopped
from mabos.consumers.tail import Tail
from mabos.kafka.admin import Cluster
from mabos.kafka.position import Position
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from mabos.schemas.codec import RESPONSE, Codec
from mabos.schemas.errors import DecodeError, MabosError
from mabos.schemas.events import TaskResponse
from mabos.schemas.fields import check_id
from mabos.schemas.registry import SchemaRegistry

_FIRST_ANSWER_S = 5.0

Listener = Callable[[TaskResponse, Position], None]
OnEnd = Callable[[FeedStopped], None]


class Waiter:
    """Waits for the outcome of one task. Wait with :meth:`result` in a thread, or ``await`` it on an event loop."""

    __slots__ = ("_done", "_error", "_future", "_outcome", "_settling", "agent_id", "position", "task_id")

    def __init__(self, agent_id: str, task_id: str) -> None:
        self.agent_id, self.task_id = agent_id, task_id
        self.position: Position | None = None
        """Where the outcome stands in the log, once it is here."""
        self._done = threading.Event()
        self._settling = threading.Lock()
        self._outcome: TaskResponse | None = None
        self._error: MabosError | None = None
        self._future: asyncio.Future[None] | None = None

    def result(self, timeout_s: float | None = None) -> TaskResponse | None:
        """The first terminal response, or None if there is none within ``timeout_s``.

        Raises:
            FeedStopped: The feed ended before.
            PublishFailed: The task could not be published.
        """
        return self._take() if self._done.wait(timeout_s) else None

    def __await__(self) -> Generator[Any, None, TaskResponse]:
        """As :meth:`result`, without blocking the event loop; bound it with ``asyncio.timeout``.

        One coroutine at a time may wait.
        """
        self._future = asyncio.get_running_loop().create_future()
        if not self._done.is_set():  # else it was settled between the two, and may have missed the future
            yield from self._future
        outcome = self._take()
        assert outcome is not None  # noqa: S101 - settled without an error
        return outcome

    def settle(self, outcome: TaskResponse | None, error: MabosError | None = None) -> None:
        """The wait is over, if it was not before; called by the feed's thread, or by whoever knows of a failure."""
        with self._settling:
            if self._done.is_set():
                return
            self._outcome, self._error = outcome, error
            self._done.set()
        future = self._future
        if future is not None:
            with suppress(RuntimeError):  # the loop is closed: nobody waits there any more
                future.get_loop().call_soon_threadsafe(_resolve, future)

    def take(self, response: TaskResponse, position: Position) -> bool:
        """Hear a response of the task; whether it was the last that is wanted. Called by the feed's thread."""
        if response.status.is_terminal:
            self.position = position
            self.settle(response)
        return response.status.is_terminal

    def end(self, error: FeedStopped) -> None:
        """The feed ended; called by its thread."""
        self.settle(None, error)

    def _take(self) -> TaskResponse | None:
        if self._error is not None:
            raise self._error
        return self._outcome


class Follower:
    """Hears every response of one task, from :meth:`ResponseFeed.follow` to :meth:`ResponseFeed.forget`."""

    __slots__ = ("_listener", "_on_end", "agent_id", "task_id")

    def __init__(self, agent_id: str, task_id: str, listener: Listener, on_end: OnEnd) -> None:
        self.agent_id, self.task_id, self._listener, self._on_end = agent_id, task_id, listener, on_end

    def take(self, response: TaskResponse, position: Position) -> bool:
        """Hear a response of the task; more may come. Called by the feed's thread."""
        self._listener(response, position)
        return False

    def end(self, error: FeedStopped) -> None:
        """The feed ended; called by its thread."""
        self._on_end(error)


class ResponseFeed:
    """Tails the responses of a queue.

    Any number may wait: a response costs two look-ups, and one of an agent that nobody waits for is not even decoded.

    Args:
        settings: Where Kafka is.
        registry: Where writer schemas are looked up.
    """

    def __init__(self, settings: Settings, registry: SchemaRegistry) -> None:
        self._settings, self._topic = settings, Queue(name=settings.queue).responses
        self._codec = Codec.for_topic(RESPONSE, self._topic, registry)
        self._tail = Tail(settings, self._topic, name="mabos-feed", take=self._take, on_end=self._end)
        # by record key, so that others' records need no decoding, then by task
        self._waiters: dict[bytes, dict[str, list[Waiter | Follower]]] = {}
        self._reached: dict[int, int] = {}
        self._listeners: list[tuple[Listener, OnEnd | None]] = []
        self._lock = threading.Lock()
        self._broken: FeedStopped | None = None

    def start(self) -> None:
        """Take the log's present end as the beginning, and start to read.

        Raises:
            BrokerUnavailable: No broker answers.
            TopicsDiffer: The topic does not exist.
        """
        self._reached = Cluster(self._settings, timeout_s=_FIRST_ANSWER_S).end_offsets(self._topic)
        self._tail.start(dict(self._reached))

    @property
    def topic(self) -> str:
        """The topic that is read."""
        return self._topic

    @property
    def is_ended(self) -> bool:
        """Whether it was stopped, or broke: it tells nothing more."""
        return self._broken is not None or self._tail.is_stopping

    @property
    def reached(self) -> Mapping[int, int]:
        """By partition, the offset before which every response was told to who was registered then; it grows."""
        return self._reached

    def expect(self, agent_id: str, task_id: str) -> Waiter:
        """Register a waiter for a task. Do it before the task is published, or its response may be missed.

        Raises:
            InvalidTask: An id is refused.
            FeedStopped: The feed was stopped, or broke.
        """
        waiter = Waiter(agent_id, task_id)
        self._register(waiter)
        return waiter

    def follow(self, agent_id: str, task_id: str, listener: Listener, on_end: OnEnd) -> Follower:
        """Have every response of a task told from now on, until :meth:`forget`.

        A response is told if its offset is at or above :attr:`reached` as that is after this call; one below may be
        told too, so who also reads the log leaves that out.

        Args:
            agent_id: The task's agent.
            task_id: The task.
            listener: Called on the feed's thread; it must not block.
            on_end: Called once, on the feed's thread, if the feed stops or breaks meanwhile.

        Raises:
            InvalidTask: An id is refused.
            FeedStopped: The feed was stopped, or broke.
        """
        follower = Follower(agent_id, task_id, listener, on_end)
        self._register(follower)
        return follower

    def forget(self, waiter: Waiter | Follower) -> None:
        """Nobody waits any more; forgetting twice does nothing."""
        with self._lock:
            self._remove(waiter)

    def listen(self, listener: Listener, on_end: OnEnd | None = None) -> None:
        """Call a function with every response and its position, on the feed's thread; it must not block.

        Args:
            listener: The function.
            on_end: Called once, on the feed's thread, if the feed stops or breaks meanwhile.
        """
        with self._lock:
            self._listeners = [*self._listeners, (listener, on_end)]

    def unlisten(self, listener: Listener) -> None:
        """Call it no more; one call may still be under way."""
        with self._lock:
            self._listeners = [known for known in self._listeners if known[0] != listener]

    def lag_records(self) -> int:
        """How many responses there are that it has not read yet, as far as the broker last told."""
        return self._tail.lag_records

    def stop(self) -> None:
        """Stop reading; who still waits gets FeedStopped."""
        self._tail.stop()

    def _register(self, waiter: Waiter | Follower) -> None:
        check_id("agent_id", waiter.agent_id)
        check_id("task_id", waiter.task_id)
        with self._lock:
            if self.is_ended:
                raise self._broken or FeedStopped("the response feed is stopped")
            self._waiters.setdefault(waiter.agent_id.encode(), {}).setdefault(waiter.task_id, []).append(waiter)

    def _end(self, cause: Exception | None) -> None:
        with self._lock:
            if cause is not None:
                self._broken = FeedStopped(f"the response feed broke: {cause}")
            waiting = [
                waiter for by_task in self._waiters.values() for waiters in by_task.values() for waiter in waiters
            ]
            self._waiters.clear()
            listeners, self._listeners = self._listeners, []
        error = self._broken or FeedStopped("the response feed was stopped")
        for waiter in waiting:
            waiter.end(error)
        for _, on_end in listeners:
            if on_end is not None:
                on_end(error)

    def _take(self, message: Message, position: Position) -> None:
        if self._listeners or message.key() in self._waiters:
            try:
                response = self._codec.decode(message.value())
            except DecodeError:
                self._reached[position.partition] = position.offset + 1  # passed, and never told
                raise
            # before anyone is looked up: who registers meanwhile, and then reads the log up to it, misses nothing
            self._reached[position.partition] = position.offset + 1
            self._tell(response, position)
        else:
            self._reached[position.partition] = position.offset + 1
            if message.key() in self._waiters:  # somebody came in between, and may have seen the mark as it was before
                self._tell(self._codec.decode(message.value()), position)

    def _tell(self, response: TaskResponse, position: Position) -> None:
        for listener, _ in self._listeners:
            listener(response, position)
        with self._lock:
            waiters = [*self._waiters.get(response.agent_id.encode(), {}).get(response.task_id, ())]
        for waiter in waiters:
            if waiter.take(response, position):
                self.forget(waiter)

    def _remove(self, waiter: Waiter | Follower) -> None:
        key = waiter.agent_id.encode()
        by_task = self._waiters.get(key, {})
        waiters = by_task.get(waiter.task_id, [])
        if waiter in waiters:
            waiters.remove(waiter)
            if not waiters:
                del by_task[waiter.task_id]
            if not by_task:
                del self._waiters[key]


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
