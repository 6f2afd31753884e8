"""Reads a stretch of a topic's log, from the offsets given to the ends given, and stops there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from mabos.kafka.clients import librdkafka_config
from mabos.kafka.settings import Settings

_BATCH_RECORDS = 1000
_POLL_S = 0.5


def read_log(settings: Settings, topic: str, begin: Mapping[int, int], end: Mapping[int, int]) -> Iterator[Message]:
    """The records of a topic between two sets of offsets, each partition in its order, without a consumer group.

    Args:
        settings: Where Kafka is.
        topic: The topic.
        begin: The first offset wanted, by partition.
        end: The offset before which to stop, by partition; a partition that is missing is not read.

    Raises:
        KafkaException: The broker refuses to be read.
    """
    left = {partition: offset for partition, offset in end.items() if begin.get(partition, 0) < offset}
    if not left:
        return
    consumer = Consumer(librdkafka_config(settings, "reader", client_id="mabos-log"))
    try:
        consumer.assign([TopicPartition(topic, partition, begin.get(partition, 0)) for partition in left])
        while left:
            for message in consumer.consume(_BATCH_RECORDS, _POLL_S):
                error = message.error()
                if error is not None:
                    if error.retriable():
                        continue
                    raise KafkaException(error)
                if (message.offset() or 0) < left.get(message.partition() or 0, 0):
                    yield message
            # asked after each batch, since transaction markers at the end are passed without giving a record
            for place in consumer.position([TopicPartition(topic, partition) for partition in left]):
                if place.offset >= left[place.partition]:
                    del left[place.partition]
    finally:
        consumer.close()
