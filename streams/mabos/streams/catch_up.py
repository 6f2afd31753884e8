"""Reads what a view is far behind with, one partition after the other, so that each row is written once.

Of one partition the requests and the answers are read by a client each, and of the two is read on whose last record is
older: so a task's request and its answer come in one batch. One client of all partitions brings all requests first, and
each row would be written twice. The order is no promise: whatever it is, the view is the same.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any

from confluent_kafka import Consumer, Message, TopicPartition

from mabos.kafka.clients import librdkafka_config
from mabos.kafka.settings import Settings
from mabos.streams.places import Place

_LEAST_RECORDS = 500  # a partition that is less behind is not worth a turn
_STRETCH = 500
_TURN_S = 0.02
_STILL_S = 5.0
_MOST_BYTES = 16 << 20  # payloads may be large; a batch of them is as large again on its way to PostgreSQL
_LIMITS: dict[str, Any] = {"queued.max.messages.kbytes": 8_192}  # of each client; it is read again where it is left

Stretch = tuple[int, int]
"""The offset to read from, and the one to read to."""


def plan_turns(stretches: Mapping[Place, Stretch]) -> list[dict[Place, Stretch]]:
    """The partitions that are worth a turn, those of all topics with one number together, in their order. Pure."""
    turns = []
    for number in sorted({place.partition for place in stretches}):
        turn = {at: (begin, end) for at, (begin, end) in stretches.items() if at.partition == number and begin < end}
        if sum(end - begin for begin, end in turn.values()) >= _LEAST_RECORDS:
            turns.append(turn)
    return turns


class CatchUp:
    """Reads turns, one after the other. Use it on one thread at a time.

    Args:
        settings: Where Kafka is.
        answers: The topic of the answers.
        turns: What is to be read, as :func:`plan_turns` has it.
    """

    def __init__(self, settings: Settings, answers: str, turns: list[dict[Place, Stretch]]) -> None:
        self._answers, self._turns = answers, turns
        self._streams = (_Stream(settings), _Stream(settings))
        self._is_open = False
        self._heard_s = 0.0

    def read(self, timeout_s: float, at_most: int) -> list[Message]:
        """The next records; none when nothing came in time, or :attr:`is_done`."""
        found: list[Message] = []
        size_bytes = 0
        end_s = time.monotonic() + timeout_s
        while self._turns and len(found) < at_most and size_bytes < _MOST_BYTES:
            if not self._is_open:
                self._open(self._turns[0])
            if not any(stream.is_behind for stream in self._streams):
                self._end_turn()
                continue
            more = self._read_on(min(_STRETCH, at_most - len(found)))
            found += more
            size_bytes += sum(len(message.value() or b"") for message in more)
            now_s = time.monotonic()
            if more:
                self._heard_s = now_s
            elif now_s > self._heard_s + _STILL_S:
                self._end_turn()  # what is left are records that nobody may read yet, or Kafka is away
            elif found or now_s > end_s:
                break
        return found

    @property
    def is_done(self) -> bool:
        """Whether all turns are over; a turn where nothing comes for a while is over, too."""
        return not self._turns

    def close(self) -> None:
        """Read no more."""
        for stream in self._streams:  # in a thread of its own, for the end of a client can take long, or never come
            threading.Thread(target=stream.consumer.close, name="mabos-view-caught-up", daemon=True).start()

    def _open(self, turn: Mapping[Place, Stretch]) -> None:
        asked, answered = self._streams
        asked.assign({place: found for place, found in turn.items() if place.topic != self._answers})
        answered.assign({place: found for place, found in turn.items() if place.topic == self._answers})
        self._is_open, self._heard_s = True, time.monotonic()

    def _end_turn(self) -> None:
        del self._turns[0]
        self._is_open = False

    def _read_on(self, at_most: int) -> list[Message]:
        behind, ahead = sorted(self._streams, key=lambda stream: (not stream.is_behind, stream.heard_ms))
        return behind.read(at_most, _TURN_S) or (ahead.read(at_most, 0) if ahead.is_behind else [])


class _Stream:
    """One client, and how far it is."""

    def __init__(self, settings: Settings) -> None:
        self.consumer = Consumer(librdkafka_config(settings, "reader", client_id="mabos-view-catch-up") | _LIMITS)
        self.heard_ms = 0
        """When its last record was appended."""
        self._ends: dict[Place, int] = {}

    @property
    def is_behind(self) -> bool:
        """Whether there is more of this turn to read."""
        return bool(self._ends)

    def assign(self, stretches: Mapping[Place, Stretch]) -> None:
        self.heard_ms, self._ends = 0, {place: end for place, (_, end) in stretches.items()}
        self.consumer.assign([TopicPartition(*place, begin) for place, (begin, _) in stretches.items()])

    def read(self, at_most: int, timeout_s: float) -> list[Message]:
        """What there is now; else the next record, if it comes in time."""
        messages = self.consumer.consume(at_most, 0)
        if not messages and timeout_s and (message := self.consumer.poll(timeout_s)) is not None:
            messages = [message]
        if messages:
            self.heard_ms = messages[-1].timestamp()[1]
        self._pass(self.consumer.position([TopicPartition(*place) for place in self._ends]))
        return messages

    def _pass(self, reached: Iterable[TopicPartition]) -> None:
        for at in reached:
            place = Place(at.topic, at.partition)
            if at.offset >= self._ends[place]:
                del self._ends[place]
