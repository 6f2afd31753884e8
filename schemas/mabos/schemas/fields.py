"""What the fields of events may hold, whichever event it is: ids, times, texts and JSON objects."""

from __future__ import annotations

import os
import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson

from mabos.schemas.errors import InvalidTask

MAX_ID_BYTES = 255
"""The most UTF-8 bytes of a ``task_id`` or ``agent_id``."""
MAX_PLAIN_CHARS = MAX_ID_BYTES // 4
"""Not even the longest characters make more than ``MAX_ID_BYTES`` bytes of so many: an id that is printable besides has
no need of :func:`check_id`."""

_NO_TEXT = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_MAX_TIME_MS = 253_402_300_799_999  # 9999-12-31T23:59:59.999Z, the last that datetime can show


def new_task_id() -> str:
    """A UUIDv7 (RFC 9562 §5.7): unique, and sorts by the millisecond it was made in."""
    random = int.from_bytes(os.urandom(10))
    now_ms = time.time_ns() // 1_000_000
    value = (now_ms << 80) | (7 << 76) | ((random >> 64 & 0xFFF) << 64) | (2 << 62) | (random & (2**62 - 1))
    return str(UUID(int=value))


def check_id(field: str, value: str) -> None:
    """Refuse what is no id.

    Raises:
        InvalidTask: It is no text, empty, longer than ``MAX_ID_BYTES``, or has control characters or lone surrogates.
    """
    if isinstance(value, str) and value.isascii() and value.isprintable() and 0 < len(value) <= MAX_ID_BYTES:
        return  # nearly all ids: the rest below is for the few others, and to say what is wrong
    check_text(field, value)
    if not value:
        raise InvalidTask(field, "must not be empty")
    if _NO_TEXT.search(value):
        raise InvalidTask(field, "must not hold control characters or lone surrogates")
    size_bytes = len(value.encode())
    if size_bytes > MAX_ID_BYTES:
        raise InvalidTask(field, f"takes {size_bytes} bytes, at most {MAX_ID_BYTES} are allowed")


def check_ids(task_id: str, agent_id: str) -> None:
    """Both ids of an event, as :func:`check_id`."""
    if (
        type(task_id) is type(agent_id) is str
        and task_id.isprintable()
        and agent_id.isprintable()
        and 0 < len(task_id) <= MAX_PLAIN_CHARS
        and 0 < len(agent_id) <= MAX_PLAIN_CHARS
    ):
        return
    check_id("task_id", task_id)
    check_id("agent_id", agent_id)


def check_time(field: str, value_ms: int | None) -> None:
    """Refuse a time that no calendar shows.

    Raises:
        InvalidTask: It is no integer, or before 1970 or after 9999.
    """
    if value_ms is not None and not (isinstance(value_ms, int) and 0 <= value_ms <= _MAX_TIME_MS):
        raise InvalidTask(field, f"must be between the years 1970 and 9999, not {value_ms} ms after 1970")


def to_ms(field: str, value: datetime | None) -> int | None:
    """Milliseconds since the epoch, rounded down.

    Raises:
        InvalidTask: The datetime has no time zone, so nobody knows which moment it means.
    """
    if value is None:
        return None
    if value.utcoffset() is None:
        raise InvalidTask(field, "has no time zone: use an aware datetime, such as datetime.now(UTC)")
    return (value - _EPOCH) // _MILLISECOND  # in integers: a float of seconds loses milliseconds


def from_ms(value_ms: int | None) -> datetime | None:
    """The moment, in UTC."""
    return None if value_ms is None else _EPOCH + timedelta(milliseconds=value_ms)


def show_ms(value_ms: int | None) -> str | None:
    """The moment as RFC 3339 text."""
    moment = from_ms(value_ms)
    return None if moment is None else moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def check_text(field: str, value: str) -> None:
    """Refuse what is no text."""
    if not isinstance(value, str):
        raise InvalidTask(field, f"must be a string, not {type(value).__name__}")


def check_type(found: str, wanted: str) -> None:
    """Refuse an event that calls itself another."""
    if found != wanted:
        raise InvalidTask("type", f'must be "{wanted}", not "{found[:40]}"')


def read_object(field: str, text: str) -> dict[str, Any]:
    """The object in a JSON text; InvalidTask names the field if there is none."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidTask(field, f"is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise InvalidTask(field, "must be a JSON object")
    return value
