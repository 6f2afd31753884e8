"""Which partitions to pause when too much is waiting."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mabos.consumers.flow import Bounds, FlowControl, Load

BOUNDS = Bounds(records=1000, size_bytes=100_000, ahead=5000, plenty=200)


def loads(*records: int, size_bytes: int = 0) -> dict[int, Load]:
    """Partitions from 0 on that hold so many records, of so many bytes each."""
    return {partition: Load(count, count * size_bytes, count) for partition, count in enumerate(records)}


def test_nothing_is_paused_below_the_bounds() -> None:
    """Reading ahead finds agents that could run."""
    assert FlowControl(BOUNDS).decide(loads(0, 999)) == (set(), set())


def test_only_the_partition_that_holds_too_much_is_paused() -> None:
    """A slow agent's partition stops being read; the others go on."""
    flow = FlowControl(BOUNDS)
    assert flow.decide(loads(499, 501)) == ({1}, set())
    assert flow.decide(loads(499, 900)) == (set(), set())


def test_a_paused_partition_is_resumed_at_half_its_share() -> None:
    """It does not flutter at the bound."""
    flow = FlowControl(BOUNDS)
    flow.decide(loads(499, 501))
    assert flow.decide(loads(400, 251)) == (set(), set())
    assert flow.decide(loads(400, 250)) == (set(), {1})
    assert flow.decide(loads(400, 499)) == (set(), set())


def test_all_are_resumed_once_half_of_the_bound_is_free() -> None:
    """A partition with a deep backlog is read on as soon as there is room."""
    flow = FlowControl(BOUNDS)
    flow.decide(loads(10, 990))
    assert flow.decide(loads(10, 491)) == (set(), set())
    assert flow.decide(loads(10, 490)) == (set(), {1})


def test_few_large_records_are_bounded_by_their_bytes() -> None:
    """Memory is what is scarce, not the number of records."""
    flow = FlowControl(BOUNDS)
    assert flow.decide(loads(1, 99, size_bytes=1000)) == ({1}, set())


def test_with_agents_enough_a_few_records_are_plenty() -> None:
    """More would only fill memory; where few agents could run, it reads on to find others."""
    assert FlowControl(BOUNDS).decide(loads(50, 150), has_enough=True) == ({1}, set())
    assert FlowControl(BOUNDS).decide(loads(50, 150), has_enough=False) == (set(), set())


def test_a_partition_that_runs_too_far_ahead_is_paused_however_little_it_holds() -> None:
    """Behind one slow task everything else is finished, and must be kept in mind."""
    flow = FlowControl(BOUNDS)
    assert flow.decide({0: Load(1, 0, 4999), 1: Load(1, 0, 5000)}) == ({1}, set())
    assert flow.decide({0: Load(1, 0, 1), 1: Load(1, 0, 2501)}) == (set(), set())
    assert flow.decide({0: Load(1, 0, 1), 1: Load(1, 0, 2500)}) == (set(), {1})


def test_a_partition_that_comes_back_is_not_taken_for_paused() -> None:
    """Kafka's client resumes what it gives away, so it must be paused again."""
    flow = FlowControl(BOUNDS)
    assert flow.decide(loads(0, 1000)) == ({1}, set())
    flow.forget({1})
    assert flow.decide(loads(0, 1000)) == ({1}, set())


def test_nothing_is_resumed_that_is_not_assigned() -> None:
    """Resuming a partition of another worker would be an error."""
    flow = FlowControl(BOUNDS)
    flow.decide(loads(500, 500))
    assert flow.decide({}) == (set(), set())


def test_small_shares_are_not_paused_at_each_fetch() -> None:
    """A tiny bound over many partitions still lets a hundred records in."""
    flow = FlowControl(Bounds(records=10, size_bytes=100_000, ahead=5000, plenty=200))
    assert flow.decide(loads(99, 100)) == ({1}, set())


LOADS = st.builds(Load, st.integers(0, 2000), st.integers(0, 200_000), st.integers(0, 10_000))


@given(steps=st.lists(st.tuples(st.dictionaries(st.integers(0, 5), LOADS), st.booleans()), max_size=20))
def test_what_is_told_adds_up(steps: list[tuple[dict[int, Load], bool]]) -> None:
    """Pauses and resumes alternate; above a bound the heaviest is paused, and what holds nothing never is."""
    flow = FlowControl(BOUNDS)
    paused: set[int] = set()
    for step, is_busy in steps:
        flow.forget(paused - step.keys())
        paused &= step.keys()
        pause, resume = flow.decide(step, has_enough=is_busy)
        assert not pause & paused
        assert resume <= paused
        assert pause <= step.keys()
        paused = (paused | pause) - resume
        for partition, load in step.items():
            if load.ahead >= BOUNDS.ahead:
                assert partition in paused
            if load == Load(0, 0, 0):
                assert partition not in paused
        for bound, amounts in (
            (1000, {p: load.records for p, load in step.items()}),
            (100_000, {p: load.size_bytes for p, load in step.items()}),
        ):
            if sum(amounts.values()) >= bound and step:
                assert max(amounts, key=lambda p: amounts[p]) in paused


@given(records=st.lists(st.integers(0, 1500), min_size=1, max_size=12), size_bytes=st.integers(0, 500))
def test_there_is_room_for_what_fits_in_and_always_for_a_few(records: list[int], size_bytes: int) -> None:
    """Nothing is known yet of records that were not read: they are taken to be like those that were."""
    flow = FlowControl(BOUNDS)
    flow.decide(loads(*records, size_bytes=size_bytes))
    held = sum(records)
    assert flow.room >= 10
    if flow.room > 10:
        assert held + flow.room <= BOUNDS.records
        assert (held + flow.room) * size_bytes <= BOUNDS.size_bytes or held == 0


def test_partitions_that_come_one_after_the_other_do_not_each_bring_a_whole_batch() -> None:
    """As at a start, when each of many partitions has a backlog: together they stay near the bound."""
    flow, held = FlowControl(BOUNDS), [0] * 12
    for _ in range(1000):
        flow.decide(loads(*held))
        if len(flow._paused) == len(held):
            break
        held[next(p for p in range(12) if p not in flow._paused)] += min(500, flow.room)
    assert sum(held) <= BOUNDS.records + 12 * (100 + 10)
