"""A task of the past: a request as it stands in the log, with its outcome beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from confluent_kafka import Message

from mabos.consumers.selection import Selection
from mabos.kafka.headers import Headers, headers_of
from mabos.kafka.position import Position
from mabos.schemas.errors import InvalidTask
from mabos.schemas.events import Status, TaskRequest, TaskResponse
from mabos.schemas.fields import show_ms


@dataclass(slots=True, kw_only=True, eq=False)
class PastTask:
    """A request in the log and what became of it."""

    request: TaskRequest
    """The event."""
    message: Message
    """Its record."""
    position: Position
    """Where it stands."""
    outcome: TaskResponse | None = None
    """Its first terminal response, once that was looked for; None if there is none."""
    outcome_position: Position | None = None
    """Where that stands."""

    @property
    def appended_at_ms(self) -> int:
        """When its record was appended to the log, in ms since the epoch."""
        return self.message.timestamp()[1]

    @property
    def headers(self) -> Headers:
        """Its headers."""
        return headers_of(self.message)

    @property
    def payload(self) -> dict[str, Any] | None:
        """The payload; None if its text is no JSON object, as a foreign producer may have written it."""
        try:
            return self.request.payload
        except InvalidTask:
            return None

    @property
    def action(self) -> str | None:
        """The kind of task; None if its payload does not say."""
        action = (self.payload or {}).get("action")
        return action if isinstance(action, str) else None

    @property
    def status(self) -> Status | None:
        """What became of it; None if nothing yet."""
        return None if self.outcome is None else self.outcome.status

    def to_json(self) -> dict[str, Any]:
        """The JSON shape: the request, and under ``outcome`` the response or null."""
        outcome = None
        if self.outcome is not None:
            outcome = self.outcome.to_json() | {"position": str(self.outcome_position)}
        payload = self.payload
        return {
            "position": str(self.position),
            "appended_at": show_ms(self.appended_at_ms),
            "task_id": self.request.task_id,
            "agent_id": self.request.agent_id,
            "payload": self.request.payload_json if payload is None else payload,
            "deadline": show_ms(self.request.deadline_ms),
            "headers": {name: data.decode("utf-8", "backslashreplace") for name, data in self.headers},
            "outcome": outcome,
        }


def is_wanted(selection: Selection, task: PastTask) -> bool:
    """Whether a request meets a selection's conditions, but for the one about its outcome."""
    request = task.request
    return (
        (selection.agent_id is None or request.agent_id == selection.agent_id)
        and (selection.task_id is None or request.task_id == selection.task_id)
        and (selection.action is None or task.action == selection.action)
    )
