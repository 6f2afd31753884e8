"""Transactions, one after another, through a producer that is thrown away when it breaks.

librdkafka gives a transactional producer up for many reasons that an outage brings along: the transaction timed out at
the broker, an abort found it ended, an answer came too late. The application shall end then, it says. A worker need
not: a new producer with the same transactional id is told to begin only when whatever the old one left is ended, and
what the old one may still have on its way is refused from then on (KIP-98). So when :meth:`Transactions.get_ready`
says yes, the last transaction is committed or aborted for ever; where nobody tried to commit it, it is aborted.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from enum import Enum, auto
from functools import partial

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from mabos.consumers.bounded import BoundedCalls
from mabos.consumers.errors import WorkerFailed
from mabos.consumers.log import read_log
from mabos.kafka.settings import Settings
from mabos.producers.publisher import OnDelivery, Record

log = structlog.stdlib.get_logger("mabos.worker")

_SLACK_S = 0.5  # so much longer than its own timeout may a call of librdkafka take


class Remedy(Enum):
    """What helps after an error in a transaction."""

    ABORT = auto()
    """It must be aborted; the producer goes on."""
    RENEW = auto()
    """The producer is of no more use; nothing of the transaction will ever be seen."""
    ASK = auto()
    """The same, but a commit was tried: the log must be asked what became of it."""


def choose_remedy(error: KafkaError, *, is_committing: bool) -> Remedy:
    """What helps after an error.

    Args:
        error: The error.
        is_committing: Whether a commit was tried. It may be done at the broker whatever the error says, as when its
            answer was lost and the next try met the end of the transaction.
    """
    if is_committing:
        return Remedy.ASK
    return Remedy.ABORT if error.txn_requires_abort() else Remedy.RENEW


class Transactions:
    """A transactional producer. One thread uses it.

    Args:
        config: Its configuration, as :func:`transactional` gives it.

    Raises:
        KafkaException: librdkafka refuses the configuration.
    """

    def __init__(self, config: Mapping[str, object]) -> None:
        self._config = dict(config)
        self._producer = Producer(self._config)
        self._bounded = BoundedCalls("mabos-offsets")
        self._has_warned = False
        self.is_ready = False
        """Whether a transaction can be begun, as far as is known."""

    def get_ready(self, timeout_s: float) -> bool:
        """Whether a transaction can be begun, and the last one, of whatever producer, has ended.

        Raises:
            WorkerFailed: The broker refuses transactions to this user.
        """
        if self.is_ready:
            return True
        self.take_reports(0)  # else what it logs would not be seen
        try:
            self._producer.init_transactions(timeout_s)
        except KafkaException as error:
            cause: KafkaError = error.args[0]
            if not cause.retriable():
                raise WorkerFailed(f"transactions cannot be used: {cause.str()}") from error
            if not self._has_warned:
                log.warning("no transaction can be begun, trying again", cause=cause.str())
            self._has_warned = True
            return False
        if self._has_warned:
            log.info("transactions go on")
        self.is_ready, self._has_warned = True, False
        return True

    def renew(self, cause: KafkaError) -> None:
        """Throw the producer away, with all that it has not sent, and make a new one, which is not ready yet.

        In a thread of its own, for the end of a client can take long, or never come (librdkafka#4519).
        """
        log.warning("the transactional producer is broken, making a new one", cause=cause.str())
        threading.Thread(target=_end, args=(self._producer,), name="mabos-broken", daemon=True).start()
        self._producer, self.is_ready = Producer(self._config), False

    def begin(self) -> None:
        """Begin a transaction; raises KafkaException, as all below."""
        self._producer.begin_transaction()

    def produce(self, record: Record, on_delivery: OnDelivery) -> None:
        """Make a record part of the transaction; raises BufferError where there is no room."""
        self._producer.produce(
            record.topic,
            key=record.key,
            value=record.value,
            partition=record.partition,
            headers=record.headers,
            on_delivery=on_delivery,
        )

    def take_reports(self, timeout_s: float) -> None:
        """Take the delivery reports that are there, or the first that come."""
        with _serving():
            self._producer.poll(timeout_s)

    def flush(self, timeout_s: float) -> bool:
        """Whether all records have their reports by now."""
        with _serving():
            return self._producer.flush(timeout_s) == 0

    def add_offsets(self, places: list[TopicPartition], consumer: Consumer, timeout_s: float) -> None:
        """Make offsets part of the transaction: refused when the consumer has lost its place in the group (KIP-447).

        A coordinator that is away at the wrong moment, and librdkafka waits for ever, whatever its timeout
        (librdkafka#5456): then the producer is of no more use.
        """
        group = consumer.consumer_group_metadata()
        try:
            self._bounded.call(
                partial(self._producer.send_offsets_to_transaction, places, group, timeout_s), timeout_s + _SLACK_S
            )
        except TimeoutError as error:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, f"offsets were {error}")) from error  # noqa: SLF001

    def commit(self, timeout_s: float) -> None:
        """Commit."""
        with _serving():
            self._producer.commit_transaction(timeout_s)

    def abort(self, timeout_s: float) -> None:
        """Abort."""
        with _serving():
            self._producer.abort_transaction(timeout_s)


@contextmanager
def _serving() -> Iterator[None]:
    """Round calls in which reports are taken: one that comes right after a fatal error meets that error's exception."""
    try:
        yield
    except SystemError as error:  # so Python calls a function that returns while an exception is set
        if isinstance(error.__cause__, KafkaException):
            raise error.__cause__ from error
        raise


def _end(producer: Producer) -> None:
    """Nobody else knows this producer any more, so it ends with this function."""
    with suppress(KafkaException), _serving():
        producer.purge()
        producer.poll(0)  # the reports of what was purged: without them their records are never freed


def is_on_log(settings: Settings, record: Record, offset: int) -> bool:
    """Whether readers of committed records see a record there. Its transaction must have ended.

    Raises:
        BrokerUnavailable: No record came for 30 s.
        KafkaException: The broker refuses to be read.
    """
    begin, end = {record.partition: offset}, {record.partition: offset + 1}
    return any(found.value() == record.value for found in read_log(settings, record.topic, begin, end))


def transactional(config: Mapping[str, object], transactional_id: str) -> dict[str, object]:
    """A producer's configuration, made transactional."""
    return {**config} | {
        "transactional.id": transactional_id,
        "transaction.timeout.ms": 10_000,  # what a dead worker leaves open holds up readers for so long
        "delivery.timeout.ms": 10_000,
        "retry.backoff.ms": 5,  # with 100 a commit takes 110 ms: AddOffsetsToTxn retries while the last one settles
    }
