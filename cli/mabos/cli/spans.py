"""Moments and spans of time as people write and read them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from mabos.cli.task_lines import read_time
from mabos.schemas.errors import InvalidTask

_SPAN = re.compile(r"(\d{1,7})(ms|s|m|h|d|w)\Z", re.ASCII)
_UNITS_S = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def read_moment(field: str, text: str | None, *, now: datetime | None = None) -> datetime | None:
    """The moment that a text means: so long ago, such as ``90m``, or RFC 3339; None stays None.

    Raises:
        InvalidTask: It is neither; names the field.
    """
    if text is None:
        return None
    span = read_span(text)
    if span is not None:
        moment = now or datetime.now(UTC)
        return moment - min(span, moment - datetime(1970, 1, 1, tzinfo=UTC))
    try:
        return read_time(field, text.strip())
    except InvalidTask as error:
        if "time zone" in error.reason:
            raise
        raise InvalidTask(
            field, "must be so long ago, such as 90m or 7d, or a time such as 2030-01-31T12:00Z"
        ) from None


def read_moment_ms(field: str, text: str | None, *, now: datetime | None = None) -> int | None:
    """As :func:`read_moment`, in ms since the epoch."""
    moment = read_moment(field, text, now=now)
    return None if moment is None else round(moment.timestamp() * 1000)


def read_span(text: str) -> timedelta | None:
    """The span that a text such as ``90m`` means; None if it means none."""
    found = _SPAN.match(text.strip())
    return None if found is None else timedelta(seconds=int(found[1]) * _UNITS_S[found[2]])


def show_span(span_ms: float | None) -> str:
    """A span in two or three digits and a unit; empty for None."""
    if span_ms is None:
        return ""
    if span_ms < 999.5:
        return f"{span_ms:.0f} ms"
    seconds = span_ms / 1000
    for unit, size_s, next_s in (("s", 1, 60), ("min", 60, 3600), ("h", 3600, 86_400), ("d", 86_400, float("inf"))):
        if seconds < next_s * 0.9995:
            value = seconds / size_s
            return f"{value:.1f} {unit}" if value < 9.95 else f"{value:.0f} {unit}"
    raise AssertionError(span_ms)


def show_moment(moment: datetime, *, now: datetime | None = None) -> str:
    """A moment in local time to the second, without the date if that is today's."""
    local, today = moment.astimezone(), (now or datetime.now(UTC)).astimezone().date()
    return f"{local:%H:%M:%S}" if local.date() == today else f"{local:%Y-%m-%d %H:%M:%S}"
