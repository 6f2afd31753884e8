"""Moments and spans: read as people write them, shown as people read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mabos.cli.spans import read_moment, read_moment_ms, read_span, show_span
from mabos.schemas.errors import InvalidTask

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("90m", NOW - timedelta(minutes=90)),
        ("2d", NOW - timedelta(days=2)),
        ("500ms", NOW - timedelta(milliseconds=500)),
        ("999999w", datetime(1970, 1, 1, tzinfo=UTC)),
        ("2026-01-01T00:00Z", datetime(2026, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_moment_is_so_long_ago_or_a_time(text: str, moment: datetime) -> None:
    """Whatever is before 1970 is 1970."""
    assert read_moment("--since", text, now=NOW) == moment


def test_moments_are_counted_in_milliseconds_where_the_log_is_asked() -> None:
    """The same texts; none is none."""
    assert read_moment_ms("--since", "1970-01-01T01:01:00.005+01:00") == 60_005
    assert read_moment_ms("--since", "1h", now=NOW) == round(NOW.timestamp() * 1000) - 3_600_000
    assert read_moment_ms("--since", None) is None


def test_a_span_has_a_unit() -> None:
    """A number without one means nothing, however plain it looks."""
    assert read_span("52w") == timedelta(weeks=52)
    assert read_span("52") is None


@pytest.mark.parametrize("text", ["", "1", "h", "-1h", "1.5h", "yesterday", "5 m", "\u0665m", "2026-01-01T00:00"])
def test_anything_else_is_refused(text: str) -> None:
    """By the name of the option."""
    with pytest.raises(InvalidTask, match=r"--since: (must be so long ago|has no time zone)"):
        read_moment("--since", text, now=NOW)


@pytest.mark.parametrize(
    ("span_ms", "text"),
    [
        (None, ""),
        (0, "0 ms"),
        (999, "999 ms"),
        (999.6, "1.0 s"),
        (9_940, "9.9 s"),
        (9_960, "10 s"),
        (59_990, "1.0 min"),
        (3_600_000, "1.0 h"),
        (90_000_000, "1.0 d"),
        (8.64e9, "100 d"),
    ],
)
def test_a_span_has_few_digits_and_the_unit_that_fits(span_ms: float | None, text: str) -> None:
    """Never 60 s, never 1000 ms."""
    assert show_span(span_ms) == text
