"""So many a second."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mabos.consumers.pace import Pace


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@given(st.floats(0.5, 1000), st.lists(st.sampled_from([0.0, 0.0, 0.001, 0.5]), min_size=1, max_size=60))
def test_never_more_than_the_rate(rate: float, works_s: list[float]) -> None:
    """However long each takes, in no stretch of time there are more than the rate allows, but for a short burst."""
    clock = Clock()
    pace = Pace(rate, clock)
    took: list[float] = []
    for work_s in works_s:
        clock.now_s += pace.take()
        took.append(clock.now_s)
        clock.now_s += work_s
    for first in range(len(took)):
        for last in range(first, len(took)):
            assert last - first <= (took[last] - took[first] + 0.1) * rate + 1e-6


def test_who_is_in_time_keeps_the_rate() -> None:
    """Waits are measured from place to place, so small delays do not add up."""
    clock = Clock()
    pace = Pace(10, clock)
    for _ in range(101):
        clock.now_s += pace.take()
        clock.now_s += 0.03
    assert clock.now_s == pytest.approx(110.03)


def test_a_stall_is_not_made_up_for() -> None:
    """After ten seconds of standing still, a tenth of a second's worth comes at once, and no more."""
    clock = Clock()
    pace = Pace(100, clock)
    clock.now_s += 10
    at_once = 0
    while pace.take() == 0:
        at_once += 1
    assert 9 <= at_once <= 12


def test_without_a_rate_nobody_waits() -> None:
    """None is as fast as can be."""
    pace = Pace(None)
    assert [pace.take() for _ in range(100)] == [0.0] * 100


def test_a_rate_that_never_comes_to_an_end_is_refused() -> None:
    """Nothing a second, or less."""
    with pytest.raises(ValueError, match="more than 0"):
        Pace(0)
