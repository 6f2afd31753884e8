"""ResponseFeed: tails the responses, and wakes whoever waits for one.

Any process hears of any task. It starts at the end of the log as it is when :meth:`ResponseFeed.start` returns: what is
published after that cannot be missed.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Generator
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
from mabos.schemas.errors import MabosError
from mabos.schemas.events import TaskResponse
from mabos.schemas.fields import check_id
from mabos.schemas.registry import SchemaRegistry

_FIRST_ANSWER_S = 5.0

Listener = Callable[[TaskResponse, Position], None]


class Waiter:
    """Waits for the outcome of one task. Wait with :meth:`result` in a thread, or ``await`` it on an event loop."""

    __slots__ = ("_done", "_error", "_future", "_outcome", "_settling", "agent_id", "task_id")

    def __init__(self, agent_id: str, task_id: str) -> None:
        self.agent_id, self.task_id = agent_id, task_id
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

    def _take(self) -> TaskResponse | None:
        if self._error is not None:
            raise self._error
        return self._outcome


class ResponseFeed:
    """Tails the responses of a queue.

    Args:
        settings: Where Kafka is.
        registry: Where writer schemas are looked up.
    """

    def __init__(self, settings: Settings, registry: SchemaRegistry) -> None:
        self._settings, self._topic = settings, Queue(name=settings.queue).responses
        self._codec = Codec.for_topic(RESPONSE, self._topic, registry)
        self._tail = Tail(settings, self._topic, name="mabos-feed", take=self._take, on_end=self._end)
        self._waiters: dict[bytes, list[Waiter]] = {}  # by record key, so that others' records need no decoding
        self._listeners: list[Listener] = []
        self._lock = threading.Lock()
        self._broken: FeedStopped | None = None

    def start(self) -> None:
        """Take the log's present end as the beginning, and start to read.

        Raises:
            BrokerUnavailable: No broker answers.
            TopicsDiffer: The topic does not exist.
        """
        self._tail.start(Cluster(self._settings, timeout_s=_FIRST_ANSWER_S).end_offsets(self._topic))

    def expect(self, agent_id: str, task_id: str) -> Waiter:
        """Register a waiter for a task. Do it before the task is published, or its response may be missed.

        Raises:
            InvalidTask: An id is refused.
            FeedStopped: The feed was stopped, or broke.
        """
        check_id("agent_id", agent_id)
        check_id("task_id", task_id)
        waiter = Waiter(agent_id, task_id)
        with self._lock:
            if self._broken is not None or self._tail.is_stopping:
                raise self._broken or FeedStopped("the response feed is stopped")
            self._waiters.setdefault(agent_id.encode(), []).append(waiter)
        return waiter

    def forget(self, waiter: Waiter) -> None:
        """Nobody waits any more; forgetting twice does nothing."""
        with self._lock:
            self._remove(waiter)

    def listen(self, listener: Listener) -> None:
        """Call a function with every response and its position, on the feed's thread; it must not block."""
        self._listeners = [*self._listeners, listener]

    def stop(self) -> None:
        """Stop reading; who still waits gets FeedStopped."""
        self._tail.stop()

    def _end(self, cause: Exception | None) -> None:
        with self._lock:
            if cause is not None:
                self._broken = FeedStopped(f"the response feed broke: {cause}")
            waiting = [waiter for waiters in self._waiters.values() for waiter in waiters]
            self._waiters.clear()
        for waiter in waiting:
            waiter.settle(None, self._broken or FeedStopped("the response feed was stopped"))

    def _take(self, message: Message, position: Position) -> None:
        if not self._listeners and message.key() not in self._waiters:
            return
        response = self._codec.decode(message.value())
        for listener in self._listeners:
            listener(response, position)
        if response.status.is_terminal:
            self._settle(response)

    def _settle(self, response: TaskResponse) -> None:
        with self._lock:
            waiters = self._waiters.get(response.agent_id.encode(), ())
            answered = [waiter for waiter in waiters if waiter.task_id == response.task_id]
            for waiter in answered:
                self._remove(waiter)
        for waiter in answered:
            waiter.settle(response)

    def _remove(self, waiter: Waiter) -> None:
        key = waiter.agent_id.encode()
        waiters = self._waiters.get(key)
        if waiters is not None and waiter in waiters:
            waiters.remove(waiter)
            if not waiters:
                del self._waiters[key]


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
