"""Where a record stands in the log, also as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mabos.kafka.position import Position


@given(
    topic=st.from_regex(r"[a-zA-Z0-9._-]{1,249}", fullmatch=True),
    partition=st.integers(0, 2**31 - 1),
    offset=st.integers(0, 2**63 - 1),
)
def test_a_position_is_read_from_its_own_text(topic: str, partition: int, offset: int) -> None:
    """For every topic, partition and offset that Kafka can have."""
    position = Position(topic, partition, offset)
    assert Position.parse(str(position)) == position


@pytest.mark.parametrize(
    "text",
    ["", "t", "t:1", "t:1:", ":1:2", "t::2", "t:-1:2", "t:1:-2", "t:1:2:3", "t:1: 2", "t:1:2 ", "t:a:b", "t:\u0661:2"],
    ids=repr,
)
def test_what_is_no_position_is_refused(text: str) -> None:
    """It says what the form is."""
    with pytest.raises(ValueError, match="is not topic:partition:offset"):
        Position.parse(text)


def test_positions_of_a_partition_sort_by_offset() -> None:
    """As the log does."""
    assert Position("t", 0, 9) < Position("t", 0, 10) < Position("t", 1, 0)
