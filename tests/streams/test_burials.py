"""Requests that hold no event, and their dead letters."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mabos.streams.audit import Finding, Scope, Tally
from mabos.streams.burials import buried, find_lost, unreadable

PLACES = st.sets(st.tuples(st.integers(0, 2), st.integers(0, 9)))


@given(PLACES, PLACES)
def test_those_without_a_letter_are_lost(asked: set[tuple[int, int]], told: set[tuple[int, int]]) -> None:
    """Whatever other letters there are."""
    entries = [unreadable(*place, at_ms=5) for place in asked] + [buried(*place, at_ms=9) for place in told]
    found = list(find_lost(entries, Scope(now_ms=100), Tally()))
    assert set(found) == {(Finding.LOST, *place) for place in asked - told}
    assert len(found) == len(asked - told)


def test_a_letter_may_still_come_or_be_gone() -> None:
    """A request that is young or not committed is open; one from before the oldest letter cannot be judged."""
    scope = Scope(now_ms=100, grace_ms=10, waiting_from={1: 7}, answers_since_ms={2: 50})
    entries = [unreadable(0, 1, 95), unreadable(1, 7, 5), unreadable(2, 3, 40), unreadable(2, 4, 50)]
    tally = Tally()
    assert list(find_lost(entries, scope, tally)) == [(Finding.LOST, 2, 4)]
    assert (tally.open, tally.unjudged) == (2, 1)
