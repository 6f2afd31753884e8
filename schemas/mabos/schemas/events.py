"""The three events: a TaskRequest asks, a TaskResponse answers, a TaskControl says what shall become of a task.

They are frozen, and valid once made: each refuses by name what the contract does not allow. JSON shapes, as HTTP, CLI
and console show them, are the same fields with ``payload`` and ``result`` as objects and times as RFC 3339 text.
"""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

import orjson

from mabos.schemas.errors import InvalidTask

MAX_ID_BYTES = 255
"""The most UTF-8 bytes of a ``task_id`` or ``agent_id``."""
MAX_REASON_BYTES = 1000
"""The most UTF-8 bytes of a control's ``reason``: workers keep many of them in memory."""

_SURROGATES = re.compile(r"[\ud800-\udfff]")
_NO_TEXT = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_MAX_TIME_MS = 253_402_300_799_999  # 9999-12-31T23:59:59.999Z, the last that datetime can show


class Status(StrEnum):
    """What became of a task. All but ``IN_PROGRESS`` are terminal: they end it."""

    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    TIMED_OUT = "timed_out"

    @property
    def is_terminal(self) -> bool:
        """Whether a response with this status ends its task."""
        return self is not Status.IN_PROGRESS


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRequest:
    """A service asks one agent to do one task."""

    task_id: str
    """The caller's name for the task, or a UUIDv7."""
    agent_id: str
    """The agent that shall do it; also the record key."""
    payload_json: str
    """A JSON object as text; its member ``action`` picks the handler."""
    deadline_ms: int | None = None
    """When the answer is of no more use, in ms since the epoch; None for never."""

    def __post_init__(self) -> None:
        """Refuse by name what the contract does not allow."""
        check_id("task_id", self.task_id)
        check_id("agent_id", self.agent_id)
        _check_text("payload", self.payload_json)
        check_time("deadline", self.deadline_ms)

    @property
    def payload(self) -> dict[str, Any]:
        """The payload as an object.

        Raises:
            InvalidTask: The text is no JSON object: a foreign producer wrote it.
        """
        return _read_object("payload", self.payload_json)

    @property
    def deadline(self) -> datetime | None:
        """The deadline in UTC."""
        return from_ms(self.deadline_ms)

    def to_record(self) -> dict[str, Any]:
        """The Avro record."""
        return {
            "type": "TaskRequest",
            "task_id": self.task_id,
            "agent_id": self.agent_id,
            "payload": self.payload_json,
            "deadline": self.deadline_ms,
        }

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Self:
        """The event in an Avro record.

        Raises:
            InvalidTask: A field is refused.
        """
        _check_type(record["type"], "TaskRequest")
        return cls(
            task_id=record["task_id"],
            agent_id=record["agent_id"],
            payload_json=record["payload"],
            deadline_ms=record["deadline"],
        )

    def to_json(self) -> dict[str, Any]:
        """The JSON shape."""
        return {
            "type": "TaskRequest",
            "task_id": self.task_id,
            "agent_id": self.agent_id,
            "payload": self.payload,
            "deadline": _iso(self.deadline_ms),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskError:
    """Why a task did not complete."""

    code: str
    """A word for programs."""
    message: str
    """A line for people."""
    retryable: bool = False
    """Whether sending the task again could help."""

    def to_record(self) -> dict[str, Any]:
        """The Avro record, which is also the JSON shape."""
        return {"code": self.code, "message": self.message, "retryable": self.retryable}


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskResponse:
    """An agent answers a task."""

    task_id: str
    """The task that is answered."""
    agent_id: str
    """The agent that answers; also the record key."""
    status: Status
    """What became of the task, or ``IN_PROGRESS``."""
    result_json: str = "{}"
    """A JSON object as text."""
    error: TaskError | None = None
    """Why it did not complete; None when it did."""
    attempt: int = 1
    """Which attempt gave this answer, from 1; 0 when the handler never ran."""
    started_at_ms: int | None = None
    """When that attempt began, in ms since the epoch; None when the handler never ran."""

    def __post_init__(self) -> None:
        """Refuse by name what the contract does not allow."""
        check_id("task_id", self.task_id)
        check_id("agent_id", self.agent_id)
        _check_text("result", self.result_json)
        if not isinstance(self.status, Status):
            raise InvalidTask("status", f"must be a Status, not {type(self.status).__name__}")
        if not isinstance(self.attempt, int) or not 0 <= self.attempt < 2**31:
            raise InvalidTask("attempt", f"must be from 0 to 2147483647, not {self.attempt}")
        check_time("started_at", self.started_at_ms)

    @property
    def result(self) -> dict[str, Any]:
        """The result as an object.

        Raises:
            InvalidTask: The text is no JSON object: a foreign producer wrote it.
        """
        return _read_object("result", self.result_json)

    @property
    def started_at(self) -> datetime | None:
        """When the answering attempt began, in UTC."""
        return from_ms(self.started_at_ms)

    def to_record(self) -> dict[str, Any]:
        """The Avro record."""
        return {
            "type": "TaskResponse",
            "task_id": self.task_id,
            "agent_id": self.agent_id,
            "status": self.status.value,
            "result": self.result_json,
            "error": None if self.error is None else self.error.to_record(),
            "attempt": self.attempt,
            "started_at": self.started_at_ms,
        }

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Self:
        """The event in an Avro record.

        Raises:
            InvalidTask: A field is refused.
        """
        _check_type(record["type"], "TaskResponse")
        error = record["error"]
        return cls(
            task_id=record["task_id"],
            agent_id=record["agent_id"],
            status=Status(record["status"]),
            result_json=record["result"],
            error=None if error is None else TaskError(**error),
            attempt=record["attempt"],
            started_at_ms=record["started_at"],
        )

    def to_json(self) -> dict[str, Any]:
        """The JSON shape."""
        return {
            "type": "TaskResponse",
            "task_id": self.task_id,
            "agent_id": self.agent_id,
            "status": self.status.value,
            "result": self.result,
            "error": None if self.error is None else self.error.to_record(),
            "attempt": self.attempt,
            "started_at": _iso(self.started_at_ms),
        }


class Verb(StrEnum):
    """What a control says."""

    OTHER = "other"
    """What a newer writer says and this reader does not know: it does nothing."""
    CANCEL = "cancel"
    """The task is of no more use: it shall not run, or not go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskControl:
    """Somebody says what shall become of a task."""

    task_id: str
    """The task that is meant; it may not have been asked yet."""
    agent_id: str
    """The agent that has the task; also the record key."""
    verb: Verb
    """What shall become of it."""
    reason: str = ""
    """Why, a line for people; empty when none was given."""

    def __post_init__(self) -> None:
        """Refuse by name what the contract does not allow."""
        check_id("task_id", self.task_id)
        check_id("agent_id", self.agent_id)
        if not isinstance(self.verb, Verb):
            raise InvalidTask("verb", f"must be a Verb, not {type(self.verb).__name__}")
        _check_text("reason", self.reason)
        if _SURROGATES.search(self.reason):
            raise InvalidTask("reason", "must not hold lone surrogates")
        size_bytes = len(self.reason.encode())
        if size_bytes > MAX_REASON_BYTES:
            raise InvalidTask("reason", f"takes {size_bytes} bytes, at most {MAX_REASON_BYTES} are allowed")

    def to_record(self) -> dict[str, Any]:
        """The Avro record."""
        return {
            "type": "TaskControl",
            "task_id": self.task_id,
            "agent_id": self.agent_id,
            "verb": self.verb.value,
            "reason": self.reason,
        }

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Self:
        """The event in an Avro record.

        Raises:
            InvalidTask: A field is refused.
        """
        _check_type(record["type"], "TaskControl")
        return cls(
            task_id=record["task_id"],
            agent_id=record["agent_id"],
            verb=Verb(record["verb"]),
            reason=record["reason"],
        )

    def to_json(self) -> dict[str, Any]:
        """The JSON shape, which is the Avro record."""
        return self.to_record()


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
    _check_text(field, value)
    if not value:
        raise InvalidTask(field, "must not be empty")
    if _NO_TEXT.search(value):
        raise InvalidTask(field, "must not hold control characters or lone surrogates")
    size_bytes = len(value.encode())
    if size_bytes > MAX_ID_BYTES:
        raise InvalidTask(field, f"takes {size_bytes} bytes, at most {MAX_ID_BYTES} are allowed")


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


def _iso(value_ms: int | None) -> str | None:
    moment = from_ms(value_ms)
    return None if moment is None else moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _check_text(field: str, value: str) -> None:
    if not isinstance(value, str):
        raise InvalidTask(field, f"must be a string, not {type(value).__name__}")


def _check_type(found: str, wanted: str) -> None:
    if found != wanted:
        raise InvalidTask("type", f'must be "{wanted}", not "{found[:40]}"')


def _read_object(field: str, text: str) -> dict[str, Any]:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidTask(field, f"is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise InvalidTask(field, "must be a JSON object")
    return value
