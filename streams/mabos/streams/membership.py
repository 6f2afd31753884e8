"""Membership: which partitions the group gives to this projector.

The group is only asked whose turn it is. It subscribes to the requests; whoever gets partition n of them reads
partition n of all four topics, by an assignment of its own (:mod:`mabos.streams.reader`). So a task's records come to
one projector, whichever assignor the group has; KIP-848's ``uniform`` promises nothing about two topics.
"""

from __future__ import annotations

from confluent_kafka import Consumer, KafkaException, TopicPartition

from mabos.kafka.clients import librdkafka_config
from mabos.kafka.settings import Settings


class Membership:
    """A member of a consumer group that reads nothing itself. Use it on one thread.

    Args:
        settings: Where Kafka is.
        group: The group.
        topic: The topic whose partitions are shared out.
    """

    def __init__(self, settings: Settings, group: str, topic: str) -> None:
        self._consumer = Consumer(librdkafka_config(settings, "worker", client_id="mabos-view", group=group))
        self._topic = topic
        self.partitions: frozenset[int] = frozenset()
        """What the group has given."""
        self.changes = 0
        """How many times it has given or taken something."""

    def join(self) -> None:
        """Join the group."""
        self._consumer.subscribe(
            [self._topic], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_revoke
        )

    def poll(self, timeout_s: float = 0.0) -> None:
        """Hear what the group has to say. It must be called again and again.

        Raises:
            KafkaException: The client is broken.
        """
        message = self._consumer.poll(timeout_s)
        error = None if message is None else message.error()
        if error is not None and error.fatal():
            raise KafkaException(error)

    def leave(self) -> None:
        """Leave the group."""
        self._consumer.close()

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Take them, and fetch nothing of them."""
        taken = [TopicPartition(place.topic, place.partition, 0) for place in partitions]
        consumer.incremental_assign(taken)
        consumer.pause(taken)
        self._change(self.partitions | {place.partition for place in partitions})

    def _on_revoke(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        """Nothing is to be finished first: who takes them next shuts our batches out."""
        self._change(self.partitions - {place.partition for place in partitions})

    def _change(self, partitions: frozenset[int]) -> None:
        if partitions != self.partitions:
            self.partitions = partitions
            self.changes += 1
