"""What a replay reads for what is asked for."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mabos.consumers.errors import InvalidSelection
from mabos.consumers.selection import Bounds, Reach, Selection, Stretch, settle
from mabos.kafka.partitioner import partition_of

WHOLE = Bounds(begin=dict.fromkeys(range(4), 0), end=dict.fromkeys(range(4), 100))


def reach(bounds: Bounds = WHOLE, **wanted: Any) -> Reach:
    return settle(Selection(**wanted), bounds, dict.fromkeys(range(4), 7))


def one(begin: int, end: int) -> Bounds:
    """A log of one partition."""
    return Bounds(begin={0: begin}, end={0: end})


def test_without_conditions_the_whole_log_as_it_is_now_is_read() -> None:
    """The end is settled when the replay begins, of requests and of responses."""
    found = reach()
    assert found.stretches == dict.fromkeys(range(4), Stretch(0, 100))
    assert (found.records, found.remarks) == (400, ())
    assert found.requests_end == WHOLE.end
    assert found.responses_end == dict.fromkeys(range(4), 7)


def test_a_replay_of_one_agent_reads_one_partition() -> None:
    """The partition that the agent's key is in."""
    assert list(reach(agent_id="support-01").stretches) == [partition_of(b"support-01", 4)]


def test_only_partitions_that_are_named_are_read() -> None:
    """From an offset, to an offset, or both; also where an agent is named, whose tasks may have been elsewhere once."""
    found = reach(agent_id="support-01", begin={3: 10, 1: 5}, end={3: 20})
    assert found.stretches == {1: Stretch(5, 100), 3: Stretch(10, 20)}


def test_times_bound_what_is_read() -> None:
    """From the first record at the one time, to the first at the other; a partition with none since is not read."""
    bounds = Bounds(begin={0: 0, 1: 0}, end={0: 100, 1: 100}, since={0: 40}, until={0: 60})
    assert reach(bounds, since_ms=1, until_ms=2).stretches == {0: Stretch(40, 60)}


def test_the_later_of_two_beginnings_counts() -> None:
    """An offset and a time may both be given."""
    bounds = Bounds(begin={0: 0}, end={0: 100}, since={0: 40}, until={0: 60})
    assert reach(bounds, begin={0: 50}, since_ms=1).stretches == {0: Stretch(50, 100)}
    assert reach(bounds, end={0: 55}, until_ms=2).stretches == {0: Stretch(0, 55)}


@pytest.mark.parametrize(
    ("bounds", "wanted", "remark"),
    [
        (one(42, 100), {"begin": {0: 0}}, "partition 0: offsets 0 to 41 are gone: the log begins at 42"),
        (one(42, 100), {"begin": {0: 41}}, "partition 0: offset 41 is gone: the log begins at 42"),
        (one(42, 100), {"begin": {0: 0}, "end": {0: 10}}, "partition 0: offsets 0 to 9 are gone: the log begins at 42"),
        (one(42, 100), {}, "what was before is gone: the log begins at 0:42"),
        (one(0, 100), {"end": {0: 102}}, "partition 0: offsets 100 to 101 are not there yet: the log ends at 100"),
        (one(0, 100), {"begin": {0: 200}}, "partition 0: offset 200 is not there yet: the log ends at 100"),
        (
            one(0, 100),
            {"begin": {0: 200}, "end": {0: 300}},
            "partition 0: offsets 200 to 299 are not there yet: the log ends at 100",
        ),
    ],
)
def test_what_is_not_in_the_log_is_said(bounds: Bounds, wanted: dict[str, Any], remark: str) -> None:
    """Offsets that are gone, and offsets that are not there yet, are told in a line."""
    assert reach(bounds, **wanted).remarks == (remark,)


def test_a_time_that_the_log_may_not_reach_back_to_is_said() -> None:
    """Where the first record since then is the oldest there is, some before it may be gone; else nothing is missing."""
    bounds = Bounds(begin={0: 42}, end={0: 100}, since={0: 42})
    assert reach(bounds, since_ms=1).remarks == ("what was before is gone: the log begins at 0:42",)
    assert reach(Bounds(begin={0: 42}, end={0: 100}, since={0: 43}), since_ms=1).remarks == ()


def test_a_log_that_was_cut_everywhere_is_said_in_one_line() -> None:
    """As any log is that is older than its retention."""
    bounds = Bounds(begin={0: 42, 1: 0, 2: 7}, end=dict.fromkeys(range(3), 100))
    assert reach(bounds).remarks == ("what was before is gone: the log begins at 0:42, 2:7",)


@pytest.mark.parametrize(
    "wanted",
    [
        {"agent_id": ""},
        {"task_id": "line\nbreak"},
        {"begin": {0: -1}},
        {"begin": {0: 5}, "end": {0: 5}},
        {"since_ms": 5, "until_ms": 5},
        {"begin": {4: 0}},
    ],
)
def test_what_could_never_be_found_is_refused(wanted: dict[str, Any]) -> None:
    """Bad ids, empty stretches, and partitions that do not exist."""
    with pytest.raises(InvalidSelection):
        reach(**wanted)


offsets = st.integers(0, 50)


@given(offsets, offsets, st.none() | offsets, st.none() | offsets)
def test_each_offset_wanted_is_read_or_said(begin: int, size: int, first: int | None, last: int | None) -> None:
    """What is asked for is read if it is there, told if it is not, and nothing else is read."""
    if first is not None and last is not None and first >= last:
        return
    end = begin + size
    wanted: dict[str, Any] = {}
    if first is not None:
        wanted["begin"] = {0: first}
    if last is not None:
        wanted["end"] = {0: last}
    found = reach(one(begin, end), **wanted)
    read = {offset for stretch in found.stretches.values() for offset in range(*stretch)}
    asked = set(range(begin if first is None else first, end if last is None else last))
    assert read == asked & set(range(begin, end))
    if asked - read and first is not None:
        assert found.remarks
