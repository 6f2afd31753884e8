"""A task as the view has it: a row, with its positions, its times and its JSON shape. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from mabos.kafka.position import Position
from mabos.kafka.topics import Queue
from mabos.schemas.errors import InvalidTask
from mabos.schemas.jsontext import parse_json
from mabos.streams.cursors import Cursor
from mabos.streams.filters import OPEN_STATES
from mabos.streams.references import Reference

_MS = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewedTask:
    """A row of ``tasks``; the comments of its columns say what each field means. Times are aware, in UTC."""

    requested_at: datetime
    request_offset: int | None
    response_offset: int | None
    deadline: datetime | None
    started_at: datetime | None
    answered_at: datetime | None
    progress_at: datetime | None
    progress_offset: int | None
    cancel_requested_at: datetime | None
    partition: int | None
    response_partition: int | None
    progress_partition: int | None
    attempt: int | None
    duplicates: int
    superseded: int
    error_retryable: bool | None
    state: str
    task_id: str
    agent_id: str
    action: str | None
    parent_task_id: str | None
    parent_agent_id: str | None
    replay_of_task_id: str | None
    replay_of_agent_id: str | None
    redrive_of_task_id: str | None
    redrive_of_agent_id: str | None
    error_code: str | None
    error_message: str | None
    cancel_reason: str | None
    payload: str | None = None
    """As the column says; None in lists, which leave out what is large."""
    result: str | None = None
    progress: str | None = None

    @classmethod
    def from_row(cls, row: tuple[Any, ...]) -> Self:
        """The task of a row, whose values stand in the order of the columns; the last three may be left out."""
        return cls(**dict(zip(cls.__slots__, row, strict=False)))

    @property
    def cursor(self) -> Cursor:
        """Its place in the order of lists."""
        return Cursor(self.requested_at, self.task_id, self.agent_id)

    @property
    def reference(self) -> Reference:
        """Its name, as another task's headers give it."""
        return Reference(self.task_id, self.agent_id)

    @property
    def is_open(self) -> bool:
        """Whether it has no outcome yet."""
        return self.response_offset is None

    @property
    def parent(self) -> Reference | None:
        """The task whose handler made it."""
        return _refer(self.parent_task_id, self.parent_agent_id)

    @property
    def replay_of(self) -> Reference | None:
        """The task that it does again."""
        return _refer(self.replay_of_task_id, self.replay_of_agent_id)

    @property
    def redrive_of(self) -> Reference | None:
        """The dead-lettered task that it does again."""
        return _refer(self.redrive_of_task_id, self.redrive_of_agent_id)

    @property
    def wait_ms(self) -> int | None:
        """How long it waited until the attempt began that gave the outcome; None if none did, or none is known."""
        if self.started_at is None or self.request_offset is None:
            return None
        return max(0, (self.started_at - self.requested_at) // _MS)  # two clocks: the worker's may be behind

    @property
    def run_ms(self) -> int | None:
        """How long that attempt took until its answer was on the log; None while there is none."""
        if self.started_at is None or self.answered_at is None:
            return None
        return max(0, (self.answered_at - self.started_at) // _MS)

    def age_ms(self, now: datetime) -> int | None:
        """How long a task without an outcome has been there; None for others."""
        return max(0, (now - self.requested_at) // _MS) if self.state in OPEN_STATES else None

    def positions(self, queue: Queue) -> dict[str, Position | None]:
        """Where its request, its last progress and its outcome stand."""
        return {
            "request": _place(queue.requests, self.partition, self.request_offset),
            "progress": _place(queue.responses, self.progress_partition, self.progress_offset),
            "response": _place(queue.responses, self.response_partition, self.response_offset),
        }

    def to_json(self, queue: Queue, *, is_whole: bool = True) -> dict[str, Any]:
        """The JSON shape: payload, result and progress as objects, times as RFC 3339 text.

        Args:
            queue: The queue, which names the topics.
            is_whole: Whether it was read with its payload; else that, result and progress are left out.
        """
        error = None
        if self.error_code is not None:
            error = {"code": self.error_code, "message": self.error_message, "retryable": self.error_retryable}
        shape: dict[str, Any] = {
            "task_id": self.task_id,
            "agent_id": self.agent_id,
            "action": self.action,
            "state": self.state,
            "requested_at": show_time(self.requested_at),
            "started_at": show_time(self.started_at),
            "answered_at": show_time(self.answered_at),
            "progress_at": show_time(self.progress_at),
            "cancel_requested_at": show_time(self.cancel_requested_at),
            "deadline": show_time(self.deadline),
            "wait_ms": self.wait_ms,
            "run_ms": self.run_ms,
            "attempt": self.attempt,
            "error": error,
            "cancel_reason": self.cancel_reason,
            "duplicates": self.duplicates,
            "superseded": self.superseded,
            "parent": _show(self.parent),
            "replay_of": _show(self.replay_of),
            "redrive_of": _show(self.redrive_of),
            "positions": {name: None if p is None else str(p) for name, p in self.positions(queue).items()},
        }
        if is_whole:
            texts = {"payload": self.payload, "result": self.result, "progress": self.progress}
            shape |= {name: read_json(text) for name, text in texts.items()}
        return shape


def show_time(moment: datetime | None) -> str | None:
    """The moment as RFC 3339 text, in UTC to the millisecond."""
    return None if moment is None else moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read_json(text: str | None) -> Any:  # noqa: ANN401 - it is JSON
    """The value of a JSON text; the text itself where it is none, as of a foreign program's payload."""
    if text is None:
        return None
    try:
        return parse_json("value", text)
    except InvalidTask:
        return text


def _refer(task_id: str | None, agent_id: str | None) -> Reference | None:
    return None if task_id is None or agent_id is None else Reference(task_id, agent_id)


def _show(reference: Reference | None) -> dict[str, str] | None:
    return None if reference is None else reference._asdict()


def _place(topic: str, partition: int | None, offset: int | None) -> Position | None:
    return None if partition is None or offset is None else Position(topic, partition, offset)
