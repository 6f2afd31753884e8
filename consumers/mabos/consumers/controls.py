"""ControlFeed: tells which tasks were cancelled, before now and from now on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import structlog
from confluent_kafka import Message

from mabos.consumers.errors import FeedStopped
from mabos.consumers.log import read_log
from mabos.consumers.tail import Tail
from mabos.kafka.admin import Cluster
from mabos.kafka.position import Position
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from mabos.schemas.codec import CONTROL, Codec
from mabos.schemas.errors import DecodeError, RegistryUnavailable
from mabos.schemas.events import TaskControl, Verb
from mabos.schemas.registry import SchemaRegistry

log = structlog.stdlib.get_logger("mabos.feed")

_FIRST_ANSWER_S = 5.0
_SCHEMA_PAUSE_S = 0.5
_SCHEMA_TIMEOUT_S = 30.0


class ControlFeed:
    """Reads all controls of a queue, from the oldest that is kept on.

    Args:
        settings: Where Kafka is.
        registry: Where writer schemas are looked up.
        on_cancel: Called with each cancel, by one thread at a time: by that of :meth:`start` until it returns, then by
            the feed's own. It must not block. A task may be cancelled more than once.
        on_failure: Called if the feed ends by itself, on its thread: nothing more is heard of cancels.

    Raises:
        RegistryError: The schema of controls is not registered, or the registry is away and never told its id.
    """

    def __init__(
        self,
        settings: Settings,
        registry: SchemaRegistry,
        on_cancel: Callable[[TaskControl], None],
        *,
        on_failure: Callable[[FeedStopped], None] | None = None,
    ) -> None:
        self._settings, self._topic = settings, Queue(name=settings.queue).controls
        self._codec = Codec.for_topic(CONTROL, self._topic, registry)
        self._on_cancel, self._on_failure = on_cancel, on_failure
        self._stopping = threading.Event()
        self._tail = Tail(settings, self._topic, name="mabos-controls", take=self._take, on_end=self._end)

    def start(self) -> None:
        """Tell all cancels up to the log's end as it is now, then start to follow.

        Raises:
            BrokerUnavailable: No broker answers, or it stops answering.
            TopicsDiffer: The topic does not exist.
            RegistryUnavailable: A record's schema could not be looked up within 30 s.
        """
        cluster = Cluster(self._settings, timeout_s=_FIRST_ANSWER_S)
        begin, end = cluster.begin_offsets(self._topic), cluster.end_offsets(self._topic)
        for message in read_log(self._settings, self._topic, begin, end):
            self._take_old(message)
        self._tail.start(end)

    def stop(self) -> None:
        """Stop following; a :meth:`start` that waits for the registry gives up."""
        self._stopping.set()
        self._tail.stop()

    def _take_old(self, message: Message) -> None:
        """Take a record from before the start, waiting for the registry if need be."""
        position = Position(self._topic, message.partition() or 0, message.offset() or 0)
        give_up_s = time.monotonic() + _SCHEMA_TIMEOUT_S
        while True:
            try:
                self._take(message, position)
            except DecodeError as error:
                log.warning("record not decodable", position=str(position), cause=str(error))
            except RegistryUnavailable as error:
                if time.monotonic() > give_up_s or self._stopping.wait(_SCHEMA_PAUSE_S):
                    raise RegistryUnavailable(f"cancels cannot be read: {position}: {error}") from error
                continue
            return

    def _take(self, message: Message, _: Position) -> None:
        control = self._codec.decode(message.value())
        if control.verb is Verb.CANCEL:
            self._on_cancel(control)

    def _end(self, cause: Exception | None) -> None:
        if cause is not None and self._on_failure is not None:
            self._on_failure(FeedStopped(f"the control feed broke: {cause}"))
