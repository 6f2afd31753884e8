"""A rush: who takes the reports while records come fast."""

from __future__ import annotations

from mabos.producers.rush import LAP, LAP_S, RUSH_S, Rush


class Clock:
    """Stands still unless it is told to go on."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def lap(rush: Rush, clock: Clock, takes_s: float) -> bool:
    """A lap of records in so many seconds; returns whether the sender of the last one shall take the reports."""
    assert not any(rush.note() for _ in range(LAP - 1))
    clock.now_s += takes_s
    return rush.note()


def test_a_sender_in_a_rush_takes_the_reports_once_a_lap() -> None:
    """And meanwhile the rush is on."""
    clock = Clock()
    rush = Rush(clock)
    assert not rush.is_on
    for _ in range(3):
        assert lap(rush, clock, LAP_S / 2)
        assert rush.is_on


def test_who_sends_now_and_then_takes_none() -> None:
    """The thread is there for that."""
    clock = Clock()
    rush = Rush(clock)
    for _ in range(3):
        assert not lap(rush, clock, LAP_S)
        assert not rush.is_on


def test_a_rush_ends_by_itself_and_with_the_first_who_waits() -> None:
    """Else the last report of a burst would not be taken."""
    clock = Clock()
    rush = Rush(clock)
    lap(rush, clock, 0.0)
    rush.end()
    assert not rush.is_on
    lap(rush, clock, 0.0)
    assert rush.is_on
    clock.now_s += RUSH_S
    assert not rush.is_on
