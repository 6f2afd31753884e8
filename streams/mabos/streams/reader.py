"""Reads the topics of a queue by assignment, and makes batches of what it reads.

What cannot be decoded is noted in the batch and passed. A record whose schema the registry cannot tell yet holds its
own partition; the others go on.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import structlog
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from mabos.consumers.holds import Holds
from mabos.kafka.clients import librdkafka_config
from mabos.kafka.headers import headers_of
from mabos.kafka.queues import event_types
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from mabos.schemas.codec import Codec
from mabos.schemas.errors import DecodeError, RegistryUnavailable
from mabos.schemas.events import TaskRequest
from mabos.schemas.registry import SchemaRegistry
from mabos.streams.batch import Batch, Poison
from mabos.streams.catch_up import CatchUp, plan_turns
from mabos.streams.letter_rows import Letter, LetterRow, to_row
from mabos.streams.places import Claim, Place
from mabos.streams.task_rows import Entry, as_text

log = structlog.stdlib.get_logger("mabos.view")

_GATHER_S = 0.005  # a transaction for several records, where they come one by one
_HOLD_S = 2.0
_MAX_CAUSE_CHARS = 1000


class Reader:
    """Reads partitions from where their claims say. Use it on one thread.

    Args:
        settings: Where Kafka is.
        registry: Where writer schemas are looked up.
        batch_records: The most records of a batch.

    Raises:
        RegistryError: The schemas are not registered, or the registry is away and never told their ids.
    """

    def __init__(self, settings: Settings, registry: SchemaRegistry, *, batch_records: int) -> None:
        self._settings, self._queue = settings, Queue(name=settings.queue)
        self._requests, self._dead_letters = self._queue.requests, self._queue.dead_letters  # asked of each record
        self._codecs: dict[str, Codec[Any]] = {
            topic: Codec.for_topic(event_type, topic, registry)
            for topic, event_type in event_types(self._queue).items()
        }
        self._consumer = Consumer(librdkafka_config(settings, "reader", client_id="mabos-view-reader"))
        self._batch_records = batch_records
        self._next: dict[Place, int] = {}
        self._ends: dict[Place, int] = {}
        self._catch_up: CatchUp | None = None
        self._holds = {topic: Holds(_HOLD_S) for topic in self._queue.topics}

    def places(self, partitions: frozenset[int]) -> set[Place]:
        """These partitions of all topics."""
        return {Place(topic, partition) for topic in self._queue.topics for partition in partitions}

    def assign(self, claims: Mapping[Place, Claim], stretches: Mapping[Place, tuple[int, int]] | None = None) -> None:
        """Read these from now on, and nothing else; what is not applied yet comes again.

        Args:
            claims: The partitions, and where each is.
            stretches: The first offset to read of each, and the one that it ends at, as far as that is known.
        """
        self._next = {place: claim.next_offset for place, claim in claims.items()}
        self._ends = {place: end for place, (_, end) in (stretches or {}).items()}
        self._end_catch_up()
        turns = plan_turns(stretches or {})
        if turns:
            self._forget_holds()
            self._consumer.unassign()
            self._catch_up = CatchUp(self._settings, self._queue.responses, turns)
        else:
            self._follow()

    def read(self, timeout_s: float) -> Batch:
        """The next records as soon as there is one; an empty batch after ``timeout_s``.

        Raises:
            KafkaException: The client is broken.
        """
        batch = Batch()
        if self._catch_up is not None:
            for message in self._catch_up.read(timeout_s, self._batch_records):
                self._take(message, batch)
            if self._catch_up.is_done or any(holds.partitions for holds in self._holds.values()):
                self._end_catch_up()
                self._follow()
            return batch
        self._release()
        first = self._consumer.poll(timeout_s)
        if first is not None:
            self._take(first, batch)
            for message in self._consumer.consume(self._batch_records - 1, _GATHER_S):
                self._take(message, batch)
        return batch

    def pass_markers(self) -> Batch:
        """A batch of no records that moves on past what is in the log and is no record: the marks of transactions."""
        if self._catch_up is not None:
            return Batch()
        behind = [
            TopicPartition(*place)
            for place, offset in self._next.items()
            if self._end_of(place) > offset and place.partition not in self._holds[place.topic]
        ]
        batch = Batch()
        for found in self._consumer.position(behind) if behind else ():
            place = Place(found.topic, found.partition)
            if found.offset > self._next[place]:
                batch.ends[place] = self._next[place] = found.offset
        return batch

    def lag(self, claims: Mapping[Place, Claim]) -> dict[Place, int]:
        """How many records of each partition are not applied yet, as far as the client has heard of its end."""
        return {place: max(0, self._end_of(place) - claim.next_offset) for place, claim in claims.items()}

    def close(self) -> None:
        """Read no more."""
        self._end_catch_up()
        self._consumer.close()

    def _end_of(self, place: Place) -> int:
        _, end = self._consumer.get_watermark_offsets(TopicPartition(*place), cached=True) or (0, -1)
        return max(int(end), self._ends.get(place, 0))

    def _follow(self) -> None:
        """Read all partitions, as their records come."""
        self._forget_holds()
        self._consumer.assign([TopicPartition(*place, offset) for place, offset in self._next.items()])

    def _forget_holds(self) -> None:
        for holds in self._holds.values():
            holds.forget(holds.partitions)

    def _end_catch_up(self) -> None:
        if self._catch_up is not None:
            self._catch_up.close()
            self._catch_up = None

    def _release(self) -> None:
        for topic, holds in self._holds.items():
            for partition, offset in holds.release(now_s=time.monotonic()).items():
                self._consumer.seek(TopicPartition(topic, partition, offset))
                self._consumer.resume([TopicPartition(topic, partition)])

    def _take(self, message: Message, batch: Batch) -> None:
        error = message.error()
        if error is not None:
            if error.fatal():
                raise KafkaException(error)
            log.warning("reading", cause=error.str())
            return
        topic, partition, offset = message.topic() or "", message.partition() or 0, message.offset() or 0
        place = Place(topic, partition)
        if offset < self._next.get(place, offset + 1) or partition in self._holds[topic]:
            return
        at_ms = message.timestamp()[1]
        try:
            if topic == self._dead_letters:
                batch.letters.append(self._read_letter(message, place, offset))
            else:
                event = self._codecs[topic].decode(message.value())
                if topic == self._requests:
                    _check_key(message, event)
                batch.entries.append(Entry(event, place, offset, at_ms, headers_of(message)))
        except RegistryUnavailable as cause:
            log.warning(
                "partition held: writer schema unknown", position=f"{topic}:{partition}:{offset}", cause=str(cause)
            )
            self._holds[topic].hold(partition, offset, now_s=time.monotonic())
            if self._catch_up is None:
                self._consumer.pause([TopicPartition(topic, partition)])
            return
        except DecodeError as cause:
            log.warning("record not decodable", position=f"{topic}:{partition}:{offset}", cause=str(cause))
            told = as_text(str(cause))[:_MAX_CAUSE_CHARS]
            batch.poison.append(Poison(place=place, offset=offset, at_ms=at_ms, code=cause.code, cause=told))
        batch.ends[place] = self._next[place] = offset + 1
        batch.records += 1

    def _read_letter(self, message: Message, place: Place, offset: int) -> LetterRow:
        letter = Letter(
            place=place,
            offset=offset,
            at_ms=max(0, message.timestamp()[1]),
            key=message.key(),
            value=message.value(),
            headers=headers_of(message),
        )
        return to_row(letter, self._codecs[self._requests].decode)


def _check_key(message: Message, request: TaskRequest) -> None:
    """Refuse a request under a foreign key: workers bury it, so as a task it would wait for an answer for ever."""
    if message.key() != request.agent_id.encode():
        raise DecodeError("bad_key", f"the record key is {message.key()!a}, not the agent_id")
