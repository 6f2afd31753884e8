"""Which partitions are worth a turn, and in which order a turn is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, cast

from confluent_kafka import Message

from mabos.kafka.settings import Settings
from mabos.streams.catch_up import CatchUp, plan_turns
from mabos.streams.places import Place


def test_partitions_take_turns_with_all_their_topics() -> None:
    """Those of one number together, in order; what is read to its end already has no part in it."""
    stretches = {
        Place("requests", 1): (0, 900),
        Place("responses", 1): (5, 700),
        Place("responses", 0): (0, 600),
        Place("requests", 0): (40, 40),
    }
    assert plan_turns(stretches) == [
        {Place("responses", 0): (0, 600)},
        {Place("requests", 1): (0, 900), Place("responses", 1): (5, 700)},
    ]


def test_a_partition_that_is_hardly_behind_gets_no_turn() -> None:
    """Its records come soon enough with those of all others."""
    assert plan_turns({Place("requests", 0): (100, 300), Place("responses", 0): (100, 200)}) == []


class FakeStream:
    """Records that were appended at these times."""

    def __init__(self, topic: str, times_ms: range) -> None:
        self.heard_ms = 0
        self._left = [Message(topic=topic, value=cast(str, b"v"), timestamp=(2, time_ms)) for time_ms in times_ms]

    @property
    def is_behind(self) -> bool:
        return bool(self._left)

    def assign(self, stretches: Mapping[Place, tuple[int, int]]) -> None:
        """All is there."""

    def read(self, at_most: int, _timeout_s: float) -> list[Message]:
        found, self._left = self._left[:at_most], self._left[at_most:]
        self.heard_ms = found[-1].timestamp()[1]
        return found


def test_requests_and_answers_are_read_side_by_side() -> None:
    """Of the two that is read on which is behind in time: so an answer comes with its request, or soon after."""
    turn = {Place("requests", 0): (0, 5000), Place("responses", 0): (0, 5000)}
    catch_up = CatchUp(Settings(bootstrap_servers="127.0.0.1:1"), "responses", [turn])
    catch_up.close()
    streams = FakeStream("requests", range(5000)), FakeStream("responses", range(100, 5100))
    catch_up._streams = cast(Any, streams)
    read: Counter[str | None] = Counter()
    while not catch_up.is_done:
        for message in catch_up.read(1.0, 500):
            read[message.topic()] += 1
            assert abs(read["requests"] - read["responses"]) <= 1000
    assert read == {"requests": 5000, "responses": 5000}
