"""Filters: what cannot be is refused by name, and patterns mean the same in Python and in SQL."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mabos.streams.errors import InvalidQuery
from mabos.streams.filters import TaskFilter, may_see, narrow, to_like
from mabos.streams.queries import has_residue, list_tasks, scan_tasks
from mabos.streams.references import Reference


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"states": ("done",)}, "state"),
        ({"since": datetime(2026, 1, 1)}, "since"),  # noqa: DTZ001 - that is what is wrong with it
        ({"text": ""}, "text"),
        ({"text": "x" * 201}, "text"),
        ({"agent_id": "a\x00"}, "agent_id"),
        ({"action": "\ud800"}, "action"),
        ({"agents": ("",)}, "agents"),
        ({"parent": Reference("\x00", "a")}, "parent"),
    ],
)
def test_what_cannot_be_is_refused_by_name(wrong: dict[str, object], field: str) -> None:
    """Before PostgreSQL sees it."""
    with pytest.raises(InvalidQuery) as caught:
        TaskFilter(**wrong)  # type: ignore[arg-type]
    assert caught.value.field == field


def test_a_star_stands_for_any_text_and_nothing_else_is_special() -> None:
    """Dots, percent signs, underscores and backslashes are themselves."""
    assert may_see(["team-*"], "team-1")
    assert may_see(["*-a*"], "x-\n-abc")
    assert not may_see(["team-*"], "my-team-1")
    assert not may_see(["a.b", "a_b"], "axb")
    assert not may_see([], "a")
    assert may_see(None, "a")
    assert to_like("50%_*\\") == "50\\%\\_%\\\\"
    assert narrow(["a", "b*", "*"]) is None
    assert narrow(["a", "b*"]) == (["a"], ["b%"])


def test_who_may_see_nothing_asks_nothing() -> None:
    """An agent outside the patterns, or no patterns at all."""
    assert TaskFilter(agents=()).sees_nothing
    assert TaskFilter(agents=("b*",), agent_id="a").sees_nothing
    assert not TaskFilter(agents=("a*",), agent_id="a").sees_nothing
    assert not TaskFilter().sees_nothing


@given(st.text(st.characters(exclude_characters="\x00", exclude_categories=("Cs",)), min_size=1, max_size=50))
def test_no_value_ever_stands_in_the_sql(text: str) -> None:
    """Whatever is asked for, the statement is the same: values go apart from it."""
    plain = TaskFilter(agents=("p*",), action="p", text="p", states=("failed",))
    odd = TaskFilter(agents=(f"{text}*",) if text != "*" else ("x*",), action=text, text=text, states=("queued",))
    if "*" not in text:
        assert scan_tasks(odd, None, rows=9, hits=5).sql == scan_tasks(plain, None, rows=9, hits=5).sql
    one, other = TaskFilter(agent_id=text), TaskFilter(agent_id="p")
    assert list_tasks(one, None, 5).sql == list_tasks(other, None, 5).sql


def test_a_list_searches_only_where_no_index_leads() -> None:
    """One of agent, states, action, link or nothing is led to; two of them are searched."""
    link = Reference("t", "a")
    for led in (
        {},
        {"agent_id": "a"},
        {"agents": ("a", "b")},
        {"states": ("failed",)},
        {"action": "x"},
        {"parent": link},
    ):
        assert not has_residue(TaskFilter(**led)), led  # type: ignore[arg-type]
    for searched in (
        {"agent_id": "a", "action": "x"},
        {"text": "x"},
        {"agents": ("a*",)},
        {"parent": link, "action": "x"},
    ):
        assert has_residue(TaskFilter(**searched)), searched  # type: ignore[arg-type]
