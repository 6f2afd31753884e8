"""Partitions that stand still at a record that cannot be read yet."""

from __future__ import annotations

from mabos.consumers.holds import Holds


def test_a_held_partition_is_released_at_its_record() -> None:
    """It is read again from the record that could not be read, after the pause and not before."""
    holds = Holds(2.0)
    holds.hold(3, 17, now_s=10.0)
    assert holds.partitions == {3}
    assert holds.release(now_s=11.9) == {}
    assert holds.release(now_s=12.0) == {3: 17}
    assert holds.partitions == frozenset()
    assert holds.release(now_s=99.0) == {}


def test_the_first_record_counts() -> None:
    """Records behind the one that could not be read do not move the place to go on from."""
    holds = Holds(2.0)
    holds.hold(3, 17, now_s=10.0)
    holds.hold(3, 18, now_s=11.0)
    assert holds.release(now_s=12.0) == {3: 17}


def test_a_partition_that_is_gone_is_not_released() -> None:
    """Its next owner reads it; a seek there would be an error."""
    holds = Holds(2.0)
    holds.hold(3, 17, now_s=10.0)
    holds.hold(4, 1, now_s=10.0)
    holds.forget({3, 9})
    assert holds.release(now_s=12.0) == {4: 1}
