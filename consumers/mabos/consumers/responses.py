"""ResponseFeed: tails the responses, and wakes whoever waits for one.

It reads every partition by assignment, without a consumer group, so any process hears of any task and there is nothing
to rebalance. It starts at the end of the log as it is when :meth:`ResponseFeed.start` returns: what is published after
that cannot be missed.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Generator
from contextlib import suppress
from typing import Any

import structlog
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from mabos.consumers.errors import FeedStopped
from mabos.consumers.holds import Holds
from mabos.kafka.admin import Cluster
from mabos.kafka.clients import librdkafka_config
from mabos.kafka.position import Position
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from mabos.schemas.codec import RESPONSE, Codec
from mabos.schemas.errors import DecodeError, MabosError, RegistryUnavailable
from mabos.schemas.events import TaskResponse, check_id
from mabos.schemas.registry import SchemaRegistry

log = structlog.stdlib.get_logger("mabos.feed")

_BATCH_RECORDS = 500
_POLL_S = 0.2
_HOLD_S = 2.0
_CLOSE_TIMEOUT_S = 10.0
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
        self._consumer = Consumer(librdkafka_config(settings, "reader", client_id="mabos-feed"))
        self._holds = Holds(_HOLD_S)
        self._waiters: dict[bytes, list[Waiter]] = {}  # by record key, so that others' records need no decoding
        self._listeners: list[Listener] = []
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._ended = threading.Event()
        self._broken: MabosError | None = None
        self._thread = threading.Thread(target=self._run, name="mabos-feed", daemon=True)

    def start(self) -> None:
        """Take the log's present end as the beginning, and start to read.

        Raises:
            BrokerUnavailable: No broker answers.
            TopicsDiffer: The topic does not exist.
        """
        ends = Cluster(self._settings, timeout_s=_FIRST_ANSWER_S).end_offsets(self._topic)
        self._consumer.assign([TopicPartition(self._topic, partition, offset) for partition, offset in ends.items()])
        self._thread.start()

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
            if self._stopping.is_set() or self._broken is not None:
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
        self._stopping.set()
        if self._thread.is_alive():
            self._ended.wait()
            self._thread.join(_CLOSE_TIMEOUT_S)  # closing the consumer can hang when the broker died (librdkafka#4486)

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._release()
                first = self._consumer.poll(_POLL_S)
                if first is not None:
                    for message in [first, *self._consumer.consume(_BATCH_RECORDS, 0)]:
                        self._take(message)
        except Exception as error:  # a listener may raise anything, and all who wait must hear of it
            self._broken = FeedStopped(f"the response feed broke: {error}")
            log.exception("response feed broke")
        finally:
            self._end()

    def _end(self) -> None:
        with self._lock:
            self._stopping.set()
            waiting = [waiter for waiters in self._waiters.values() for waiter in waiters]
            self._waiters.clear()
        for waiter in waiting:
            waiter.settle(None, self._broken or FeedStopped("the response feed was stopped"))
        self._ended.set()
        self._consumer.close()

    def _release(self) -> None:
        for partition, offset in self._holds.release(now_s=time.monotonic()).items():
            self._consumer.seek(TopicPartition(self._topic, partition, offset))
            self._consumer.resume([TopicPartition(self._topic, partition)])

    def _hold(self, position: Position) -> None:
        """Wait with a partition until the registry can tell a record's schema; the others go on."""
        self._holds.hold(position.partition, position.offset, now_s=time.monotonic())
        self._consumer.pause([TopicPartition(self._topic, position.partition)])

    def _take(self, message: Message) -> None:
        error = message.error()
        if error is not None:
            if error.fatal():
                raise KafkaException(error)
            log.warning("response feed", cause=error.str())
            return
        position = Position(self._topic, message.partition() or 0, message.offset() or 0)
        if position.partition in self._holds:
            return
        if not self._listeners and message.key() not in self._waiters:
            return
        try:
            response = self._codec.decode(message.value())
        except RegistryUnavailable as registry_error:
            log.warning("partition held: writer schema unknown", position=str(position), cause=str(registry_error))
            self._hold(position)
            return
        except DecodeError as decode_error:
            log.warning("response not decodable", position=str(position), cause=str(decode_error))
            return
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
