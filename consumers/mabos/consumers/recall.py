"""Recall: reads what is past of a queue's responses, from the log, for who wants to miss nothing.

It blocks, so call it in a thread. Its clients are kept from one reading to the next: making one takes longer than most
readings do.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from mabos.consumers.errors import BeyondRetention
from mabos.kafka.clients import librdkafka_config
from mabos.kafka.errors import BrokerUnavailable
from mabos.kafka.position import Position
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from mabos.schemas.codec import RESPONSE, Codec
from mabos.schemas.errors import DecodeError, InvalidTask
from mabos.schemas.events import TaskResponse
from mabos.schemas.registry import SchemaRegistry

MAX_RESPONSES = 500
"""The most that one reading gives."""
_SCAN_RECORDS = 100_000  # that one reading passes at most: others wait for its client
_BATCH_RECORDS = 1000
_POLL_S = 0.2
_ANSWER_S = 5.0
_STALL_S = 10.0
_CLOCKS_APART_MS = 5_000  # the clocks of two brokers may differ, and each stamps the records of its own partitions


class Past(NamedTuple):
    """What a reading found."""

    responses: list[tuple[TaskResponse, Position]]
    """Those of the task, in the order of the log."""
    next_offset: int
    """Where the next reading goes on."""


class Recall:
    """Reads past responses of single tasks. Safe to share between threads.

    Args:
        settings: Where Kafka is.
        registry: Where writer schemas are looked up.
    """

    def __init__(self, settings: Settings, registry: SchemaRegistry) -> None:
        queue = Queue(name=settings.queue)
        self._requests, self._responses = queue.requests, queue.responses
        self._codec = Codec.for_topic(RESPONSE, self._responses, registry)
        self._servers = settings.bootstrap_servers
        self._config = librdkafka_config(settings, "seeker", client_id="mabos-recall")
        self._idle: deque[Consumer] = deque()
        self._is_stopped = False

    def find_begin(self, position: Position, agent_id: str) -> int:
        """The response offset from which on all responses of a task stand, or all after an event already had.

        Args:
            position: That of the task's request, as it was accepted, or that of a response.
            agent_id: The task's agent.

        Returns:
            An offset in the same partition of the responses. For a response, that response's own.

        Raises:
            InvalidTask: There is no such position, or it is none of this agent's requests.
            BeyondRetention: The log does not go back that far.
            BrokerUnavailable: No broker answers.
        """
        with self._client() as consumer:
            low, high = self._watermarks(consumer, position)
            if position.offset >= high:
                raise InvalidTask("position", f"{position} is not in the log yet: it ends at {high}")
            if position.topic == self._responses:
                # the one before the oldest is gone, and yet nothing after it is missing
                if position.offset < low - 1:
                    raise BeyondRetention(position, low)
                return max(position.offset, low)
            if position.offset < low:
                raise BeyondRetention(position, low)
            request = self._read_one(consumer, position)
            if request is None or request.key() != agent_id.encode():
                raise InvalidTask("position", f"{position} is no task of agent {agent_id}")
            since_ms = max(0, request.timestamp()[1] - _CLOCKS_APART_MS)
            (found,) = consumer.offsets_for_times(
                [TopicPartition(self._responses, position.partition, since_ms)], timeout=_ANSWER_S
            )
            if found.offset >= 0:
                return found.offset
            return self._watermarks(consumer, Position(self._responses, position.partition, 0))[1]

    def read(self, agent_id: str, task_id: str, begin: Position, end: int) -> Past:
        """Past responses of one task; a bounded stretch, so go on at ``next_offset`` until that is the end.

        Args:
            agent_id: The agent.
            task_id: The task.
            begin: Where to begin, in the responses.
            end: The offset before which to stop.

        Raises:
            BrokerUnavailable: The log stands still.
            RegistryUnavailable: A writer schema cannot be looked up now.
        """
        found: list[tuple[TaskResponse, Position]] = []
        key = agent_id.encode()
        with self._client() as consumer:
            for count, message in enumerate(self._read(consumer, begin, end)):
                if count == _SCAN_RECORDS:
                    return Past(found, message.offset() or 0)
                if message.key() != key:
                    continue
                with suppress(DecodeError):  # as the feed does, which logs it
                    response = self._codec.decode(message.value())
                    if response.task_id == task_id:
                        place = Position(begin.topic, begin.partition, message.offset() or 0)
                        found.append((response, place))
                        if len(found) == MAX_RESPONSES:
                            return Past(found, place.offset + 1)
        return Past(found, end)

    def stop(self) -> None:
        """Close the clients; those that still read close when they are done."""
        self._is_stopped = True
        with suppress(IndexError):
            while True:
                self._idle.popleft().close()

    @contextmanager
    def _client(self) -> Iterator[Consumer]:
        try:
            consumer = self._idle.pop()
        except IndexError:
            consumer = Consumer(self._config)
        try:
            yield consumer
            consumer.unassign()  # it would read on, for nobody
        except KafkaException as error:
            consumer.close()
            raise BrokerUnavailable(
                f"Kafka at {self._servers} does not let the log be read: {error.args[0].str()}"
            ) from error
        except InvalidTask:
            consumer.unassign()
            self._idle.append(consumer)
            raise
        except BaseException:
            consumer.close()
            raise
        else:
            self._idle.append(consumer)
            if self._is_stopped:
                self.stop()

    def _watermarks(self, consumer: Consumer, position: Position) -> tuple[int, int]:
        if position.topic not in (self._requests, self._responses):
            raise InvalidTask("position", f"{position} is neither in {self._requests} nor in {self._responses}")
        place = TopicPartition(position.topic, position.partition)
        try:
            low_high = consumer.get_watermark_offsets(place, timeout=_ANSWER_S)
        except KafkaException as error:
            if not _is_unknown(error):
                raise
            raise InvalidTask("position", f"{position.topic} has no partition {position.partition}") from error
        if low_high is None:
            raise BrokerUnavailable(f"Kafka at {self._servers} does not answer: is it up?")
        low, high = low_high
        return low, high

    def _read_one(self, consumer: Consumer, position: Position) -> Message | None:
        for message in self._read(consumer, position, position.offset + 1):
            return message
        return None

    def _read(self, consumer: Consumer, begin: Position, end: int) -> Iterator[Message]:
        """The records from one offset to another, of one partition."""
        if begin.offset >= end:
            return
        place = TopicPartition(begin.topic, begin.partition, begin.offset)
        consumer.assign([place])
        give_up_s = time.monotonic() + _STALL_S
        while True:
            first = consumer.poll(_POLL_S)  # consume(n, timeout) would wait the whole timeout
            for message in [] if first is None else [first, *consumer.consume(_BATCH_RECORDS, 0)]:
                error = message.error()
                if error is not None:
                    if not error.retriable():
                        raise KafkaException(error)
                    continue
                if (message.offset() or 0) >= end:
                    return
                yield message
                give_up_s = time.monotonic() + _STALL_S
            # asked after each batch, since transaction markers are passed without giving a record
            if consumer.position([place])[0].offset >= end:
                return
            if time.monotonic() > give_up_s:
                raise BrokerUnavailable(f"Kafka at {self._servers} gave no record of {begin.topic}: is it up?")


def _is_unknown(error: KafkaException) -> bool:
    return error.args[0].name() in ("_UNKNOWN_PARTITION", "_UNKNOWN_TOPIC", "UNKNOWN_TOPIC_OR_PART")
