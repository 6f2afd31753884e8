"""Which partitions to pause when too much is waiting."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mabos.consumers.flow import FlowControl


def test_only_the_partition_that_holds_too_much_is_paused() -> None:
    """A slow agent's partition stops being read; the others go on."""
    flow = FlowControl(1000)
    assert flow.decide({0: 499, 1: 500}) == ({1}, set())
    assert flow.decide({0: 499, 1: 900}) == (set(), set())


def test_a_paused_partition_is_resumed_at_half_its_share() -> None:
    """It does not flutter at the bound."""
    flow = FlowControl(1000)
    flow.decide({0: 0, 1: 500})
    assert flow.decide({0: 0, 1: 251}) == (set(), set())
    assert flow.decide({0: 0, 1: 250}) == (set(), {1})
    assert flow.decide({0: 0, 1: 499}) == (set(), set())


def test_a_held_partition_is_paused_until_it_is_both_released_and_light() -> None:
    """Two reasons to pause do not undo each other."""
    flow = FlowControl(1000)
    assert flow.decide({0: 0, 1: 0}, {1}) == ({1}, set())
    assert flow.decide({0: 0, 1: 600}, {1}) == (set(), set())
    assert flow.decide({0: 0, 1: 600}, set()) == (set(), set())
    assert flow.decide({0: 0, 1: 100}, {1}) == (set(), set())
    assert flow.decide({0: 0, 1: 100}, set()) == (set(), {1})


def test_a_partition_that_comes_back_is_not_taken_for_paused() -> None:
    """Kafka's client resumes what it gives away, so it must be paused again."""
    flow = FlowControl(1000)
    assert flow.decide({0: 0, 1: 500}) == ({1}, set())
    flow.forget({1})
    assert flow.decide({0: 0, 1: 500}) == ({1}, set())


def test_nothing_is_resumed_that_is_not_assigned() -> None:
    """Resuming a partition of another worker would be an error."""
    flow = FlowControl(1000)
    flow.decide({0: 500, 1: 500})
    assert flow.decide({}) == (set(), set())


def test_small_shares_are_not_paused_at_each_fetch() -> None:
    """A tiny bound over many partitions still lets a hundred records in."""
    flow = FlowControl(10)
    assert flow.decide({0: 99, 1: 100}) == ({1}, set())


@given(
    steps=st.lists(
        st.tuples(st.dictionaries(st.integers(0, 5), st.integers(0, 2000)), st.frozensets(st.integers(0, 5))),
        max_size=20,
    )
)
def test_what_is_told_adds_up(steps: list[tuple[dict[int, int], frozenset[int]]]) -> None:
    """Pauses and resumes alternate, all held partitions are paused, and what is far too heavy too."""
    flow = FlowControl(1000)
    paused: set[int] = set()
    for unfinished, held in steps:
        flow.forget(paused - unfinished.keys())
        paused &= unfinished.keys()
        pause, resume = flow.decide(unfinished, held)
        assert not pause & paused
        assert resume <= paused
        paused = (paused | pause) - resume
        share = max(100, 1000 // max(1, len(unfinished)))
        for partition, count in unfinished.items():
            if partition in held or count >= share:
                assert partition in paused
            elif count <= share // 2:
                assert partition not in paused
