"""Which partitions are worth a turn."""

from __future__ import annotations

from mabos.streams.catch_up import plan_turns
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
