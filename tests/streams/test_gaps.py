"""Gaps in the offsets of a topic."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mabos.streams.gaps import Gap, Gaps, count_within, span

OFFSETS = st.dictionaries(st.integers(0, 2), st.sets(st.integers(5, 25)), min_size=1)


def places(offsets: dict[int, set[int]]) -> list[tuple[int, int]]:
    """Each partition in its order."""
    return [(partition, offset) for partition in offsets for offset in sorted(offsets[partition])]


@given(OFFSETS, st.data())
def test_each_offset_is_a_record_or_in_one_gap(seen: dict[int, set[int]], data: st.DataObject) -> None:
    """Between the begin and the end of each partition; and what others see in the gaps is counted."""
    gaps = Gaps(dict.fromkeys(seen, 5), dict.fromkeys(seen, 26))
    for partition, offset in places(seen):
        gaps.pass_record(partition, offset)
    gaps.finish()
    found = gaps.take()
    missing = {partition: set(range(5, 26)) - seen[partition] for partition in seen}
    assert [(gap.partition, offset) for gap in sorted(found) for offset in range(gap.begin, gap.end)] == sorted(
        places(missing)
    )
    assert gaps.offsets == sum(map(len, missing.values()))
    others = {partition: data.draw(st.sets(st.integers(0, 30))) for partition in seen}
    assert count_within(found, places(others)) == sum(len(others[part] & missing[part]) for part in seen)
    begin, end = span(found)
    assert begin == {partition: min(missing[partition]) for partition in seen if missing[partition]}
    assert end == {partition: max(missing[partition]) + 1 for partition in seen if missing[partition]}


def test_what_retention_took_meanwhile_is_no_gap() -> None:
    """It is counted apart; what was passed before it is one."""
    gaps = Gaps({0: 0}, {0: 10})
    gaps.pass_record(0, 0)
    gaps.pass_gone(0, 2, 6)
    gaps.pass_record(0, 7)
    gaps.finish()
    assert gaps.take() == [Gap(0, 1, 2), Gap(0, 6, 7), Gap(0, 8, 10)]
    assert (gaps.offsets, gaps.gone, gaps.take()) == (4, 4, [])
