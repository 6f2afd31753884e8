"""What goes with a committed offset."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mabos.consumers.bookmark import Bookmark, read_bookmark


@given(ledger_start=st.integers(0, 10**18 - 1), has_left=st.booleans())
def test_what_was_written_is_read(ledger_start: int, has_left: bool) -> None:
    """The next owner knows what the last one knew."""
    bookmark = Bookmark(ledger_start=ledger_start, has_left=has_left)
    assert read_bookmark(bookmark.text) == bookmark


def test_the_text_does_not_change() -> None:
    """Workers of two releases hand partitions to each other."""
    assert Bookmark(ledger_start=17, has_left=False).text == "mabos:1:17:open"
    assert Bookmark(ledger_start=0, has_left=True).text == "mabos:1:0:left"


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "reset by hand",
        "mabos:2:17:open",
        "mabos:1:-1:open",
        "mabos:1:17:open\n",
        "mabos:1:17:open ",
        "mabos:1::left",
        "mabos:1:\u0661\u0667:open",
        "mabos:1:1234567890123456789:open",
        " mabos:1:17:open",
    ],
    ids=repr,
)
def test_any_other_text_says_nothing(text: str | None) -> None:
    """As a tool that resets offsets leaves it: no error, and nothing is taken from it."""
    assert read_bookmark(text) is None


@given(st.text())
def test_no_text_is_an_error(text: str) -> None:
    """Whatever stands there, a partition can be taken over."""
    found = read_bookmark(text)
    assert found is None or found.text == text or text.startswith("mabos:1:0")
