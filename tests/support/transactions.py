"""Transactions with no Kafka behind them, which fail as they are told to."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, cast

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from mabos.consumers.transactions import Transactions
from mabos.producers.publisher import OnDelivery, Record


class Fault(NamedTuple):
    """How one call fails."""

    call: str
    """``begin``, ``produce``, ``report``, ``add_offsets``, ``commit``, ``abort`` or ``is_on_log``."""
    is_abortable: bool = False
    """Whether an abort cures it; else the producer is broken."""
    is_applied: bool = False
    """Whether the broker has done what the call wanted, all the same."""


@dataclass
class FakeTransactions:
    """Keeps what was committed. Each fault is met once, by the next call of its name, in the order of the list."""

    faults: Iterable[Fault] = ()
    is_away: bool = False
    """Whether no broker answers who wants a new producer."""
    log: list[tuple[int, Record]] = field(default_factory=list)
    """What readers of committed records see, with its offset."""
    room: int | None = None
    """How many records a transaction takes before a flush; None for any number."""
    slow_flushes: int = 0
    """How many flushes end before the records have their reports."""
    committed: list[dict[int, int]] = field(default_factory=list)
    """What went along with each commit, by partition."""
    renewed: int = 0
    """How often the producer was thrown away."""
    _open: list[tuple[int, Record, OnDelivery]] = field(default_factory=list)
    _places: list[TopicPartition] = field(default_factory=list)
    _end: int = 0
    _is_open: bool = False
    is_ready: bool = True

    def __post_init__(self) -> None:
        self._left = deque(self.faults)

    def _meet(self, call: str) -> Fault | None:
        if self._left and self._left[0].call == call:
            return self._left.popleft()
        return None

    def _fail(self, call: str) -> None:
        fault = self._meet(call)
        if fault is not None:
            raise _as_exception(fault)

    def get_ready(self, timeout_s: float) -> bool:
        self.is_ready = self.is_ready or not self.is_away
        return self.is_ready

    def renew(self, cause: KafkaError) -> None:
        self.renewed += 1
        self._drop()
        self.is_ready = False

    def begin(self) -> None:
        assert self.is_ready
        assert not self._is_open, "one is open already"
        self._fail("begin")
        self._is_open = True

    def produce(self, record: Record, on_delivery: OnDelivery) -> None:
        assert self._is_open
        if self.room is not None and len(self._open) >= self.room:
            raise BufferError
        self._fail("produce")
        self._open.append((self._end, record, on_delivery))
        self._end += 1

    def take_reports(self, timeout_s: float) -> None:
        """They come with the flush."""

    def flush(self, timeout_s: float) -> bool:
        if self.slow_flushes:
            self.slow_flushes -= 1
            return False
        for offset, record, on_delivery in self._open:
            is_lost = self._meet("report") is not None
            error = KafkaError(KafkaError._MSG_TIMED_OUT) if is_lost else None
            on_delivery(error, Message(topic=record.topic, offset=-1001 if is_lost else offset))
        return True

    def add_offsets(self, places: list[TopicPartition], consumer: Consumer, timeout_s: float) -> None:
        self._fail("add_offsets")
        self._places = places

    def commit(self, timeout_s: float) -> None:
        fault = self._meet("commit")
        if fault is None or fault.is_applied:
            self.log += [(offset, record) for offset, record, _ in self._open]
            self.committed.append({place.partition: place.offset for place in self._places})
            self._drop()
        if fault is not None:
            raise _as_exception(fault)

    def abort(self, timeout_s: float) -> None:
        self._drop()
        self._fail("abort")

    def is_on_log(self, record: Record, offset: int) -> bool:
        """What the log says."""
        self._fail("is_on_log")
        return (offset, record) in self.log

    def _drop(self) -> None:
        self._open, self._places, self._is_open = [], [], False

    @property
    def as_transactions(self) -> Transactions:
        """Itself, for what wants the real ones."""
        return cast(Transactions, self)


def _as_exception(fault: Fault) -> KafkaException:
    return KafkaException(
        KafkaError(KafkaError._FAIL, f"{fault.call} failed, says the fake", txn_requires_abort=fault.is_abortable)
    )
