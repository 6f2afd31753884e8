"""What differs between two JSON values."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mabos.consumers.differences import Difference, find_differences

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


def differences(recorded: Any, today: Any, *ignored: str) -> list[Difference]:
    return list(find_differences(recorded, today, ignored))


@given(json_values)
def test_a_value_does_not_differ_from_itself(value: Any) -> None:
    """Whatever it is."""
    assert differences(value, value) == []


@given(json_values, json_values)
def test_values_that_differ_are_told_and_the_other_way_round_too(one: Any, other: Any) -> None:
    """Unequal values have a difference; both ways it is the same places."""
    there = differences({"v": one}, {"v": other})
    back = differences({"v": other}, {"v": one})
    assert sorted(found.path for found in there) == sorted(found.path for found in back)
    if one != other:
        assert there


def test_each_place_is_named_with_both_values() -> None:
    """Members by name, items by number, and what is missing on one side."""
    recorded = {"a": {"b": [1, 2, 3]}, "gone": None, "same": "x"}
    today = {"a": {"b": [1, 5]}, "same": "x", "new": {"y": 1}}
    assert differences(recorded, today) == [
        Difference("a.b[1]", "2", "5"),
        Difference("a.b[2]", "3", "(absent)"),
        Difference("gone", "null", "(absent)"),
        Difference("new", "(absent)", '{"y":1}'),
    ]


@pytest.mark.parametrize(("one", "other"), [(True, 1), (0, False), ("1", 1), (None, False), ([], {})])
def test_types_are_told_apart(one: Any, other: Any) -> None:
    """Also where Python calls them equal."""
    assert differences(one, other)


def test_a_whole_number_is_the_same_with_a_point() -> None:
    """JSON has one kind of number."""
    assert differences({"n": 1}, {"n": 1.0}) == []


@pytest.mark.parametrize("ignored", ["took_ms", "result.items[].took_ms", "result.items", "result"])
def test_volatile_members_do_not_count(ignored: str) -> None:
    """By name wherever they stand, or by their path."""
    recorded = {"result": {"items": [{"took_ms": 3}, {"took_ms": 4}]}}
    today = {"result": {"items": [{"took_ms": 5}, {}]}}
    assert differences(recorded, today, "other", "items.took_ms")
    assert differences(recorded, today, ignored) == []


def test_of_long_texts_the_place_that_differs_is_shown() -> None:
    """Not their common beginning, and not all of them."""
    found = differences({"t": "x" * 5000 + "old" + "y" * 5000}, {"t": "x" * 5000 + "new" + "y" * 5000})[0]
    assert "old" in found.recorded
    assert "new" in found.today
    assert len(found.recorded) < 300
