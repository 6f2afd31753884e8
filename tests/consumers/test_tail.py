"""The tail, without a broker."""

from __future__ import annotations

from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, KafkaException, Message

from mabos.consumers.tail import Tail
from mabos.kafka.position import Position
from mabos.kafka.settings import Settings
from mabos.schemas.errors import DecodeError
from tests.support.nowhere import closed_port


class Read:
    """A record, or an error in place of one, as the tail reads it."""

    def __init__(self, offset: int, error: KafkaError | None = None) -> None:
        self._offset, self._error = offset, error

    def error(self) -> KafkaError | None:
        return self._error

    def partition(self) -> int:
        return 7

    def offset(self) -> int:
        return self._offset


class Listener:
    """What a tail hands over, and how it ends."""

    def __init__(self) -> None:
        self.heard: list[Position] = []
        self.ends: list[Exception | None] = []
        self.error: Exception | None = None

    def take(self, message: Message, position: Position) -> None:
        self.heard.append(position)
        if self.error is not None:
            raise self.error

    def tail(self, servers: str = "127.0.0.1:1") -> Tail:
        return Tail(Settings(bootstrap_servers=servers), "t", name="tests", take=self.take, on_end=self.ends.append)


def test_records_come_with_their_position_and_errors_are_passed() -> None:
    """What a broker says in passing is logged; what cannot be decoded is, too, and the next record comes."""
    listener = Listener()
    tail = listener.tail()
    tail._take(cast(Any, Read(1)))
    tail._take(cast(Any, Read(0, KafkaError(KafkaError._TRANSPORT))))
    listener.error = DecodeError("empty", "the record has no value")
    tail._take(cast(Any, Read(2)))
    assert listener.heard == [Position("t", 7, 1), Position("t", 7, 2)]


def test_a_fatal_error_and_that_of_a_listener_end_it() -> None:
    """They reach whoever is told of the end."""
    listener = Listener()
    with pytest.raises(KafkaException):
        listener.tail()._take(cast(Any, Read(0, KafkaError(KafkaError._FATAL, "broken", fatal=True))))
    listener.error = ValueError("in a listener")
    with pytest.raises(ValueError, match="in a listener"):
        listener.tail()._take(cast(Any, Read(0)))


def test_it_stops_though_nobody_answers() -> None:
    """And tells its end once, as a stop; one that never started has none to tell."""
    listener = Listener()
    with closed_port() as address:
        tail = listener.tail(address)
        tail.start({0: 0, 1: 0})
        tail.stop()
        tail.stop()
    assert tail.is_stopping
    assert listener.ends == [None]
    listener.tail().stop()
    assert listener.ends == [None]
