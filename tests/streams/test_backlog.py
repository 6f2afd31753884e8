"""When a view may tell what waits."""

from __future__ import annotations

from mabos.streams.backlog import PATIENCE_S, Ends
from mabos.streams.places import Claim, Place

ASKED, ANSWERED = Place("requests", 0), Place("responses", 0)
OTHER = Place("requests", 1)


def at(**offsets: int) -> dict[Place, Claim]:
    places = {"asked": ASKED, "answered": ANSWERED, "other": OTHER}
    return {places[name]: Claim(epoch=1, next_offset=offset) for name, offset in offsets.items()}


def test_a_partition_tells_once_the_view_has_all_of_it() -> None:
    """Both what was asked and what was answered: else a task that is long done would seem to wait."""
    ends = Ends({ASKED: 5, ANSWERED: 3, OTHER: 0}, at_s=100.0)
    assert ends.reached(at(asked=5, answered=2, other=0)) == {1}
    assert ends.reached(at(asked=4, answered=3, other=0)) == {1}
    assert ends.reached(at(asked=6, answered=3, other=0)) == {0, 1}


def test_nobody_waits_long_for_a_partition_that_is_behind() -> None:
    """The others are sampled without it."""
    ends = Ends({ASKED: 5, ANSWERED: 3, OTHER: 7}, at_s=100.0)
    behind = at(asked=5, answered=2, other=7)
    assert not ends.is_over(behind, 100.0)
    assert ends.is_over(at(asked=5, answered=3, other=7), 100.0)
    assert ends.is_over(behind, 100.0 + PATIENCE_S)
