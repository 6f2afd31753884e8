"""Nobody asks more often than allowed, over any stretch of time; whoever does not is never kept waiting."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from mabos.gateway.rates import Rates

GAPS = st.lists(st.floats(0, 2), min_size=1, max_size=60)


@given(gaps=GAPS, rate=st.floats(0.5, 50), burst_s=st.floats(0.5, 5))
def test_what_is_let_through_stays_within_the_bound(gaps: list[float], rate: float, burst_s: float) -> None:
    """From any request on: the burst, and the rate from then on."""
    rates, now_s, taken = Rates(rate, burst_s=burst_s), 0.0, []
    for gap in gaps:
        now_s += gap
        if rates.take("a", now_s) == 0:
            taken.append(now_s)
    room = max(1.0, rate * burst_s)
    for first, start_s in enumerate(taken):
        for last, end_s in enumerate(taken[first:], 1):
            assert last <= room + rate * (end_s - start_s) + 1e-6


@given(gaps=GAPS, rate=st.floats(0.5, 50))
def test_whoever_waits_as_told_is_let_through(gaps: list[float], rate: float) -> None:
    """The time that a refusal names is enough."""
    rates, now_s = Rates(rate), 0.0
    for gap in gaps:
        now_s += gap
        wait_s = rates.take("a", now_s)
        if wait_s:
            now_s += wait_s + 1e-6
            assert rates.take("a", now_s) == 0


def test_callers_do_not_share_a_bound() -> None:
    """One that asks too often keeps nobody else waiting."""
    rates = Rates(1.0, burst_s=1.0)
    assert rates.take("a", 0.0) == 0
    assert rates.take("a", 0.0) > 0
    assert rates.take("b", 0.0) == 0


def test_a_caller_may_have_a_bound_of_its_own() -> None:
    """Or none."""
    rates = Rates(1.0, burst_s=1.0)
    assert [rates.take("a", 0.0, per_s=3.0) == 0 for _ in range(4)] == [True, True, True, False]
    assert all(rates.take("b", 0.0, per_s=math.inf) == 0 for _ in range(1000))


def test_a_batch_counts_for_all_that_is_in_it() -> None:
    """One that is larger than the bucket goes through when that is full, and is paid for afterwards."""
    rates = Rates(10.0, burst_s=1.0)
    assert rates.take("a", 0.0, cost=100.0) == 0
    assert rates.take("a", 0.0) == 9.1
    assert rates.take("a", 9.0) > 0
    assert rates.take("a", 9.2) == 0


def test_only_so_many_callers_are_kept() -> None:
    """Names come from outside; those that asked longest ago are forgotten first."""
    rates = Rates(1.0, burst_s=1.0)
    for caller in range(20_000):
        rates.take(str(caller), 0.0)
    assert len(rates._buckets) == 10_000
    assert rates.take("19999", 0.0) > 0
