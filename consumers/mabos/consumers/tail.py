"""Tail: reads a topic from given offsets on, and hands each record over.

It reads every partition by assignment, without a consumer group, so any process may read all there is, and there is
nothing to rebalance. A record that cannot be read yet holds its partition, and the others go on.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

import structlog
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from mabos.consumers.holds import Holds
from mabos.kafka.clients import librdkafka_config
from mabos.kafka.position import Position
from mabos.kafka.settings import Settings
from mabos.schemas.errors import DecodeError, RegistryUnavailable

log = structlog.stdlib.get_logger("mabos.feed")

_BATCH_RECORDS = 500
_POLL_S = 0.2
_HOLD_S = 2.0
_LAG_EVERY_S = 1.0
_CLOSE_TIMEOUT_S = 10.0


class Tail:
    """Reads a topic on a thread of its own until it is stopped. A broker that goes away is waited for.

    Args:
        settings: Where Kafka is.
        topic: The topic.
        name: Names the thread, and the client in the broker's logs.
        take: Called with each record and its position. RegistryUnavailable holds the partition, and the record comes
            again; DecodeError is logged and the record passed; any other error ends the reading.
        on_end: Called once when the reading has ended, with the error that ended it, None for a stop.
    """

    def __init__(
        self,
        settings: Settings,
        topic: str,
        *,
        name: str,
        take: Callable[[Message, Position], None],
        on_end: Callable[[Exception | None], None],
    ) -> None:
        self._config = librdkafka_config(settings, "reader", client_id=name)
        self._topic, self._hand_over, self._on_end = topic, take, on_end
        self._holds = Holds(_HOLD_S)
        self._stopping = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._places: list[TopicPartition] = []
        self._lag_at_s = 0.0
        self.lag_records = 0
        """How many records the topic has that were not handed over, as far as the broker told a second ago."""

    @property
    def is_stopping(self) -> bool:
        """Whether it was told to stop."""
        return self._stopping.is_set()

    def start(self, offsets: Mapping[int, int]) -> None:
        """Start to read, each partition from its offset on.

        Raises:
            KafkaException: librdkafka refuses the configuration.
        """
        self._consumer = Consumer(self._config)
        self._places = [TopicPartition(self._topic, partition, offset) for partition, offset in offsets.items()]
        self._consumer.assign(self._places)
        self._thread.start()

    def stop(self) -> None:
        """Stop reading; returns once ``on_end`` was called. One that was never started, or is stopped, stays so."""
        self._stopping.set()
        if self._thread.is_alive():
            self._ended.wait()
            self._thread.join(_CLOSE_TIMEOUT_S)  # closing the consumer can hang when the broker died (librdkafka#4486)

    def _run(self) -> None:
        cause: Exception | None = None
        try:
            while not self._stopping.is_set():
                self._release()
                first = self._consumer.poll(_POLL_S)
                if first is not None:
                    for message in [first, *self._consumer.consume(_BATCH_RECORDS, 0)]:
                        self._take(message)
                self._look_at_lag(time.monotonic())
        except Exception as error:  # whoever takes the records may raise anything, and must hear that it was the last
            cause = error
            log.exception("reading broke", topic=self._topic)
        finally:
            self._on_end(cause)
            self._ended.set()
            self._consumer.close()

    def _release(self) -> None:
        for partition, offset in self._holds.release(now_s=time.monotonic()).items():
            self._consumer.seek(TopicPartition(self._topic, partition, offset))
            self._consumer.resume([TopicPartition(self._topic, partition)])

    def _look_at_lag(self, now_s: float) -> None:
        """On the thread that polls: others who ask the consumer wait for the poll in hand, or for ever."""
        if now_s - self._lag_at_s < _LAG_EVERY_S:
            return
        self._lag_at_s, lag = now_s, 0
        for place in self._consumer.position(self._places):
            _, high = self._consumer.get_watermark_offsets(place, cached=True)
            if place.offset >= 0:  # else nothing was read of it yet
                lag += max(0, high - place.offset)
        self.lag_records = lag

    def _take(self, message: Message) -> None:
        error = message.error()
        if error is not None:
            if error.fatal():
                raise KafkaException(error)
            log.warning("reading", topic=self._topic, cause=error.str())
            return
        position = Position(self._topic, message.partition() or 0, message.offset() or 0)
        if position.partition in self._holds:
            return
        try:
            self._hand_over(message, position)
        except RegistryUnavailable as cause:
            log.warning("partition held: writer schema unknown", position=str(position), cause=str(cause))
            self._holds.hold(position.partition, position.offset, now_s=time.monotonic())
            self._consumer.pause([TopicPartition(self._topic, position.partition)])
        except DecodeError as cause:
            log.warning("record not decodable", position=str(position), cause=str(cause))
