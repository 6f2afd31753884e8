"""Tasks as people write them: a JSON object each, from flags, a file or a pipe."""

from __future__ import annotations

import codecs
import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypedDict

from mabos.schemas.errors import InvalidTask
from mabos.schemas.jsontext import parse_object

_FIELDS = ("task_id", "agent_id", "payload", "deadline", "type", "headers")


class TaskArguments(TypedDict):
    """Arguments of ``send_task_request``."""

    task_id: str | None
    agent_id: str
    payload: dict[str, Any]
    deadline: datetime | None
    headers: dict[str, str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskLine:
    """One line of a file of tasks."""

    number: int
    """Counted from 1."""
    task: TaskArguments | None
    """The task, or None when the line is refused."""
    error: InvalidTask | None = None
    """Why it is refused."""


def read_task(text: str | bytes) -> TaskArguments:
    """The task in a JSON object.

    Raises:
        InvalidTask: It is none; names the field.
    """
    value = parse_object("task", text)
    for name in value:
        if name not in _FIELDS:
            near = difflib.get_close_matches(name, _FIELDS, n=1)
            raise InvalidTask(name, f"is no field of a task{f', did you mean {near[0]}?' if near else ''}")
    if value.get("type", "TaskRequest") != "TaskRequest":
        raise InvalidTask("type", 'must be "TaskRequest"')
    for name in ("agent_id", "payload"):
        if name not in value:
            raise InvalidTask(name, "is missing")
    return TaskArguments(
        task_id=value.get("task_id"),
        agent_id=value["agent_id"],
        payload=value["payload"],
        deadline=read_time("deadline", value.get("deadline")),
        headers=_read_headers(value.get("headers")),
    )


def _read_headers(value: object) -> dict[str, str] | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise InvalidTask("headers", "must be an object of strings")
    for name, text in value.items():
        if not isinstance(text, str):
            raise InvalidTask(f"headers.{name}", "must be a string")
    return value


def read_time(field: str, text: object) -> datetime | None:
    """The moment that an RFC 3339 text means; None stays None.

    Raises:
        InvalidTask: It is no such text, or has no time zone.
    """
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text if isinstance(text, str) else "")
    except ValueError:
        raise InvalidTask(field, "must be a time such as 2030-01-31T12:00:00Z") from None
    if moment.tzinfo is None:
        raise InvalidTask(field, "has no time zone: end it with Z or an offset such as +01:00")
    return moment


def read_lines(lines: Iterable[bytes]) -> Iterator[TaskLine]:
    """The tasks in a file of JSON lines, one at a time; empty lines are passed over, bad ones are said, not skipped."""
    for number, line in enumerate(lines, 1):
        text = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
        if text.strip():
            try:
                yield TaskLine(number=number, task=read_task(text))
            except InvalidTask as error:
                reason = error.reason.replace(" at line 1 column ", " at column ")  # the line has a number of its own
                yield TaskLine(number=number, task=None, error=InvalidTask(error.field, reason))
