"""The three events: a TaskRequest asks, a TaskResponse answers, a TaskControl says what shall become of a task.

They are frozen, and valid once made: each refuses by name what the contract does not allow. JSON shapes, as HTTP, CLI
and console show them, are the same fields with ``payload`` and ``result`` as objects and times as RFC 3339 text.

``to_values`` and ``from_values`` are a codec's short way: the values of an Avro record in the order of the schema. What
Avro gives has its type, so ``from_values`` looks only for what Avro allows and the contract does not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from mabos.schemas.errors import InvalidTask
from mabos.schemas.fields import (
    check_ids,
    check_text,
    check_time,
    check_type,
    from_ms,
    read_object,
    show_ms,
)

MAX_REASON_BYTES = 1000
"""The most UTF-8 bytes of a control's ``reason``: workers keep many of them in memory."""

_MAX_ATTEMPT = 2**31 - 1
_SURROGATES = re.compile(r"[\ud800-\udfff]")


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
        check_ids(self.task_id, self.agent_id)
        check_text("payload", self.payload_json)
        check_time("deadline", self.deadline_ms)

    @property
    def payload(self) -> dict[str, Any]:
        """The payload as an object.

        Raises:
            InvalidTask: The text is no JSON object: a foreign producer wrote it.
        """
        return read_object("payload", self.payload_json)

    @property
    def deadline(self) -> datetime | None:
        """The deadline in UTC."""
        return from_ms(self.deadline_ms)

    def to_values(self) -> tuple[Any, ...]:
        """The values of the Avro record."""
        return "TaskRequest", self.task_id, self.agent_id, self.payload_json, self.deadline_ms

    @classmethod
    def from_values(
        cls,
        type: str,  # noqa: A002 - the name in the schema
        task_id: str,
        agent_id: str,
        payload: str,
        deadline: int | None,
    ) -> Self:
        """The event whose Avro record has these values.

        Raises:
            InvalidTask: A field is refused.
        """
        if type != "TaskRequest":
            check_type(type, "TaskRequest")
        check_ids(task_id, agent_id)
        if deadline is not None:
            check_time("deadline", deadline)
        event = _OpenRequest()
        event.task_id = task_id
        event.agent_id = agent_id
        event.payload_json = payload
        event.deadline_ms = deadline
        event.__class__ = cls
        made: Self = event
        return made

    def to_record(self) -> dict[str, Any]:
        """The Avro record."""
        return {
            "type": "TaskRequest",
            "task_id": self.task_id,
            "agent_id": self.agent_id,
            "payload": self.payload_json,
            "deadline": self.deadline_ms,
        }

    def to_json(self) -> dict[str, Any]:
        """The JSON shape."""
        return {
            "type": "TaskRequest",
            "task_id": self.task_id,
            "agent_id": self.agent_id,
            "payload": self.payload,
            "deadline": show_ms(self.deadline_ms),
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
        check_ids(self.task_id, self.agent_id)
        _check_answer(self.status, self.result_json, self.attempt, self.started_at_ms)

    @property
    def result(self) -> dict[str, Any]:
        """The result as an object.

        Raises:
            InvalidTask: The text is no JSON object: a foreign producer wrote it.
        """
        return read_object("result", self.result_json)

    @property
    def started_at(self) -> datetime | None:
        """When the answering attempt began, in UTC."""
        return from_ms(self.started_at_ms)

    def to_values(self) -> tuple[Any, ...]:
        """The values of the Avro record."""
        return (
            "TaskResponse",
            self.task_id,
            self.agent_id,
            self.status._value_,
            self.result_json,
            None if self.error is None else self.error.to_record(),
            self.attempt,
            self.started_at_ms,
        )

    @classmethod
    def from_values(  # noqa: PLR0913, PLR0917 - the fields of the schema
        cls,
        type: str,  # noqa: A002 - the name in the schema
        task_id: str,
        agent_id: str,
        status: str,
        result: str,
        error: dict[str, Any] | None,
        attempt: int,
        started_at: int | None,
    ) -> Self:
        """The event whose Avro record has these values.

        Raises:
            InvalidTask: A field is refused.
        """
        if type != "TaskResponse":
            check_type(type, "TaskResponse")
        check_ids(task_id, agent_id)
        known = _STATUSES[status]
        _check_answer(known, result, attempt, started_at)
        event = _OpenResponse()
        event.task_id = task_id
        event.agent_id = agent_id
        event.status = known
        event.result_json = result
        event.error = None if error is None else TaskError(**error)
        event.attempt = attempt
        event.started_at_ms = started_at
        event.__class__ = cls
        made: Self = event
        return made

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
            "started_at": show_ms(self.started_at_ms),
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
        check_ids(self.task_id, self.agent_id)
        if not isinstance(self.verb, Verb):
            raise InvalidTask("verb", f"must be a Verb, not {type(self.verb).__name__}")
        check_text("reason", self.reason)
        if _SURROGATES.search(self.reason):
            raise InvalidTask("reason", "must not hold lone surrogates")
        size_bytes = len(self.reason.encode())
        if size_bytes > MAX_REASON_BYTES:
            raise InvalidTask("reason", f"takes {size_bytes} bytes, at most {MAX_REASON_BYTES} are allowed")

    def to_values(self) -> tuple[Any, ...]:
        """The values of the Avro record."""
        return "TaskControl", self.task_id, self.agent_id, self.verb._value_, self.reason

    @classmethod
    def from_values(
        cls,
        type: str,  # noqa: A002 - the name in the schema
        task_id: str,
        agent_id: str,
        verb: str,
        reason: str,
    ) -> Self:
        """The event whose Avro record has these values.

        Raises:
            InvalidTask: A field is refused.
        """
        check_type(type, "TaskControl")
        return cls(task_id=task_id, agent_id=agent_id, verb=Verb(verb), reason=reason)

    def to_record(self) -> dict[str, Any]:
        """The Avro record."""
        return {
            "type": "TaskControl",
            "task_id": self.task_id,
            "agent_id": self.agent_id,
            "verb": self.verb.value,
            "reason": self.reason,
        }

    def to_json(self) -> dict[str, Any]:
        """The JSON shape, which is the Avro record."""
        return self.to_record()


def _open(event: type[Any]) -> Any:  # noqa: ANN401 - a class of fields that may be set
    """A class with the fields of an event that lets them be set.

    A frozen dataclass sets each of its fields through ``object.__setattr__``, which takes most of the time of making an
    event. An instance of this class is filled and then made an event by its ``__class__``, which Python allows among
    classes of the same slots. It is used only here, where the event is not out of hand yet.
    """
    return type(f"Open{event.__name__}", (), {"__slots__": event.__slots__})


_OpenRequest, _OpenResponse = _open(TaskRequest), _open(TaskResponse)
_STATUSES = {status.value: status for status in Status}


def _check_answer(status: Status, result_json: str, attempt: int, started_at_ms: int | None) -> None:
    if not isinstance(result_json, str):
        check_text("result", result_json)
    if not isinstance(status, Status):
        raise InvalidTask("status", f"must be a Status, not {type(status).__name__}")
    if not isinstance(attempt, int) or not 0 <= attempt <= _MAX_ATTEMPT:
        raise InvalidTask("attempt", f"must be from 0 to {_MAX_ATTEMPT}, not {attempt}")
    if started_at_ms is not None:
        check_time("started_at", started_at_ms)
