"""Reads a stretch of a topic's log, from the offsets given to the ends given, and stops there."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from contextlib import closing

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from mabos.consumers.errors import BeyondRetention
from mabos.kafka.admin import Cluster
from mabos.kafka.clients import librdkafka_config
from mabos.kafka.errors import BrokerUnavailable
from mabos.kafka.position import Position
from mabos.kafka.settings import Settings

_BATCH_RECORDS = 1000
_POLL_S = 0.5
_STALL_S = 30.0
_ANSWER_S = 5.0
_QUEUED_KIB = 4096  # of those who bound their memory: what librdkafka holds takes several times that

OnGone = Callable[[int, int, int], None]
"""Told a partition, the first offset that is no more in the log, and the one after the last."""


def read_log(
    settings: Settings,
    topic: str,
    begin: Mapping[int, int],
    end: Mapping[int, int],
    *,
    on_gone: OnGone | None = None,
    fetch_bytes: int | None = None,
    is_committed: bool = True,
) -> Generator[Message, None, None]:
    """The records of a topic between two sets of offsets, each partition in its order, without a consumer group.

    Args:
        settings: Where Kafka is.
        topic: The topic.
        begin: The first offset wanted, by partition.
        end: The offset before which to stop, by partition; a partition that is missing is not read.
        on_gone: Called where the log no more has the offset that would be read next, as when its retention ran out
            meanwhile; reading goes on with the oldest record there is. None to pass over it in silence.
        fetch_bytes: How much to fetch of a partition at a time, as compressed as it is; at least one batch comes. None
            for librdkafka's 1 MiB. What is fetched is held unpacked, so this bounds memory.
        is_committed: Whether to leave out the records of transactions that were aborted.

    Raises:
        BrokerUnavailable: No record came for 30 s.
        KafkaException: The broker refuses to be read.
    """
    left = {partition: offset for partition, offset in end.items() if begin.get(partition, 0) < offset}
    if not left:
        return
    config = librdkafka_config(settings, "reader", client_id="mabos-log")
    if on_gone is not None:
        config["auto.offset.reset"] = "error"  # the default jumps to the oldest record, and says nothing
    if not is_committed:
        config["isolation.level"] = "read_uncommitted"
    if fetch_bytes is not None:
        config |= {"max.partition.fetch.bytes": fetch_bytes, "queued.max.messages.kbytes": _QUEUED_KIB}
    consumer = Consumer(config)
    try:
        consumer.assign([TopicPartition(topic, partition, begin.get(partition, 0)) for partition in left])
        give_up_s = time.monotonic() + _STALL_S
        while left:
            for message in _read_batch(consumer):
                if message.error() is not None:
                    _pass_gone(consumer, message, left, on_gone)
                    continue
                if (message.offset() or 0) < left.get(message.partition() or 0, 0):
                    yield message
                give_up_s = time.monotonic() + _STALL_S  # after the yield: time that the reader takes is no stall
            # asked after each batch, since transaction markers at the end are passed without giving a record
            for place in consumer.position([TopicPartition(topic, partition) for partition in left]):
                if place.offset >= left[place.partition]:
                    del left[place.partition]
            if left and time.monotonic() > give_up_s:
                raise BrokerUnavailable(
                    f"Kafka at {settings.bootstrap_servers} gave no record of {topic} for {_STALL_S:g} s: is it up?"
                )
    finally:
        consumer.close()


def read_record(settings: Settings, position: Position) -> Message:
    """The record at a position. It asks first how far the log goes: to wait for a record that is not there takes long.

    Raises:
        BeyondRetention: The log no more has it, or began anew and has none there yet.
        BrokerUnavailable: No broker answers.
        TopicsDiffer: There is no such topic.
    """
    topic, partition, offset = position
    cluster = Cluster(settings, timeout_s=_ANSWER_S)
    if offset < cluster.end_offsets(topic).get(partition, 0):
        bounds = ({partition: offset}, {partition: offset + 1})
        with closing(read_log(settings, topic, *bounds, on_gone=lambda *_: None)) as records:
            if (message := next(records, None)) is not None:
                return message
    raise BeyondRetention(position, cluster.begin_offsets(topic).get(partition, 0))


def _read_batch(consumer: Consumer) -> list[Message]:
    """The next record as soon as there is one, and all that came with it; with it, the news that offsets are gone."""
    first = consumer.poll(_POLL_S)  # consume(n, timeout) would wait the whole timeout
    messages = [] if first is None else [first, *consumer.consume(_BATCH_RECORDS, 0)]
    return [message for message in messages if _is_of_use(message)]


def _pass_gone(consumer: Consumer, message: Message, left: dict[int, int], on_gone: OnGone | None) -> None:
    """Go on with the oldest record of a partition whose next offset is gone, and tell."""
    topic, partition, gone = message.topic() or "", message.partition() or 0, message.offset() or 0
    oldest, _ = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=_STALL_S)
    end = left.get(partition, 0)
    consumer.incremental_unassign([TopicPartition(topic, partition)])  # a seek here is not heeded (librdkafka 2.16)
    if oldest < end:
        consumer.incremental_assign([TopicPartition(topic, partition, oldest)])
    else:
        left.pop(partition, None)
    if on_gone is not None and gone < min(oldest, end):
        on_gone(partition, gone, min(oldest, end))


def _is_of_use(message: Message) -> bool:
    error = message.error()
    if error is None or error.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001 - librdkafka's own code
        return True
    if not error.retriable():
        raise KafkaException(error)
    return False
