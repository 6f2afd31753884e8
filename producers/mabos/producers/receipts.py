"""A receipt per task: first a promise, then the position that the broker gave, or why it gave none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaError, Message

from mabos.kafka.position import Position
from mabos.producers.errors import PublishFailed, RecordTooLarge

if TYPE_CHECKING:
    from mabos.producers.publisher import Publisher

_LOST_ANSWERS = frozenset(
    {
        KafkaError._MSG_TIMED_OUT,  # noqa: SLF001 - librdkafka's own codes
        KafkaError._PURGE_INFLIGHT,  # noqa: SLF001
        KafkaError._TRANSPORT,  # noqa: SLF001
        KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        KafkaError.REQUEST_TIMED_OUT,
    }
)


class Receipt:
    """Proof that a task is on its way. Wait with :meth:`result` in a thread, or ``await`` it on an event loop."""

    __slots__ = ("_error", "_futures", "_on_failure", "_position", "_publisher", "task_id")

    def __init__(self, task_id: str, publisher: Publisher) -> None:
        self.task_id = task_id
        self._publisher = publisher
        self._position: Position | None = None
        self._error: PublishFailed | None = None
        self._futures: list[asyncio.Future[None]] = []  # made here: two threads may begin to wait at once
        self._on_failure: Callable[[PublishFailed], None] | None = None

    @property
    def is_done(self) -> bool:
        """Whether the broker has acknowledged or refused."""
        return self._position is not None or self._error is not None

    def result(self, timeout_s: float | None = None) -> Position:
        """Wait for the broker and return where the record stands.

        Raises:
            PublishFailed: It was not acknowledged.
            TimeoutError: Nothing was heard within ``timeout_s``; the record is still on its way.
        """
        if self._position is not None:  # as of most receipts that somebody looks at later
            return self._position
        if not self.is_done and not self._publisher.wait_until(lambda: self.is_done, timeout_s):
            raise TimeoutError(
                f"task {self.task_id} was not acknowledged within {timeout_s:g} s, it is still on its way"
            )
        return self._outcome()

    def __await__(self) -> Generator[Any, None, Position]:
        """As :meth:`result`, without blocking the event loop."""
        if not self.is_done:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._futures.append(future)
            self._publisher.expect_reports()
            if not self.is_done:  # else the report came between the two looks, and may have missed the future
                yield from future
        return self._outcome()

    def on_failure(self, callback: Callable[[PublishFailed], None]) -> None:
        """Have a function called if the broker does not acknowledge, on any thread; it may be called twice."""
        self._on_failure = callback
        if self._error is not None:
            callback(self._error)

    def on_delivery(self, error: KafkaError | None, message: Message) -> None:
        """Take the broker's report; called by the publisher's thread."""
        if error is None:
            topic, partition, offset = message.topic(), message.partition(), message.offset()
            self._position = Position(topic, partition, offset)  # type: ignore[arg-type]  # never None once delivered
        else:
            self._error = explain_failure(error, message.topic())
            if self._on_failure is not None:
                self._on_failure(self._error)
        if self._futures:
            self._publisher.wake(self._futures)

    def _outcome(self) -> Position:
        if self._error is not None:
            raise self._error
        assert self._position is not None  # noqa: S101 - is_done says so
        return self._position


def explain_failure(error: KafkaError, topic: str | None) -> PublishFailed:
    """What a delivery report's error means for the person who sent the record."""
    code = error.code()
    if code in (KafkaError._UNKNOWN_TOPIC, KafkaError.UNKNOWN_TOPIC_OR_PART):  # noqa: SLF001 - librdkafka's own codes
        return PublishFailed(f"topic {topic} does not exist: run `mabos topics apply`", may_be_stored=False)
    if code == KafkaError.MSG_SIZE_TOO_LARGE:
        return RecordTooLarge(f"the record is larger than topic {topic} takes", may_be_stored=False)
    if code in _LOST_ANSWERS:
        return PublishFailed(
            f"no broker acknowledged the record in time ({error.str()}): it may or may not be stored, "
            "sending it again with the same task_id is safe",
            may_be_stored=True,
        )
    return PublishFailed(f"the record was not stored: {error.str()}", may_be_stored=False)
