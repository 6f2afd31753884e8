"""Cursors: what a list gave leads on, anything else is refused by name."""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mabos.streams.cursors import Cursor
from mabos.streams.errors import InvalidQuery

ids = st.text(st.characters(exclude_characters="\x00", exclude_categories=("Cs",)), min_size=1)
cursors = st.builds(Cursor, st.datetimes(timezones=st.just(UTC)), ids, ids)


@given(cursors)
def test_a_cursor_is_read_as_it_was_written(cursor: Cursor) -> None:
    """To the microsecond, with whatever ids; it needs no escaping in a URL."""
    text = str(cursor)
    assert Cursor.parse(text) == cursor
    assert re.fullmatch(r"[A-Za-z0-9_-]+", text)


@given(st.text() | st.binary().map(lambda data: urlsafe_b64encode(data).decode()) | st.just("A" * 5000))
def test_anything_else_is_refused_by_name(text: str) -> None:
    """Whatever it is, it is an InvalidQuery of the cursor, or it is exactly what a list would have given."""
    try:
        found = Cursor.parse(text)
    except InvalidQuery as refused:
        found = None
        refused_field = refused.field
    assert refused_field == "cursor" if found is None else str(found) == text


@pytest.mark.parametrize(
    "value",
    [
        *([1, 0, "t"], [1, 0, "t", "a", 1], [1, 0.5, "t", "a"], [1, True, "t", "a"], [1, 2**62, "t", "a"]),
        *(["1", 0, "t", "a"], [1, 0, "\x00", "a"], {"1": 2}, 7, []),
    ],
)
def test_a_forged_one_is_refused(value: object) -> None:
    """Types and bounds are looked at."""
    text = urlsafe_b64encode(orjson.dumps(value)).rstrip(b"=").decode()
    with pytest.raises(InvalidQuery, match="cursor: "):
        Cursor.parse(text)


def test_a_newer_version_is_told() -> None:
    """A cursor that a newer program gave says so."""
    text = urlsafe_b64encode(orjson.dumps([2, "anything"])).rstrip(b"=").decode()
    with pytest.raises(InvalidQuery, match="is of version 2, this program knows 1"):
        Cursor.parse(text)


def test_order_is_that_of_lists() -> None:
    """By time, then by the ids."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    assert Cursor(at, "a", "b") < Cursor(at, "b", "a") < Cursor(at.replace(year=2027), "a", "a")
