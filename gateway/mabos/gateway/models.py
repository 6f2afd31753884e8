"""What goes in and out of the HTTP door, as pydantic models: they check requests and describe the API."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo

from mabos.schemas.events import MAX_REASON_BYTES
from mabos.schemas.fields import MAX_ID_BYTES, check_id, check_time, to_ms

_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII)
_ID_SCHEMA = {"minLength": 1, "maxLength": MAX_ID_BYTES, "pattern": r"^[^\x00-\x1f\x7f-\x9f]*$"}


def _check_id(value: str, info: ValidationInfo) -> str:
    check_id(info.field_name or "id", value)
    return value


def _parse_deadline(value: object) -> object:
    if not isinstance(value, str):
        return value  # pydantic says that it is no text
    if not _RFC_3339.fullmatch(value):
        raise ValueError("must be a time as RFC 3339 has it, with its zone, such as 2030-01-31T12:00:00Z")
    try:
        moment = datetime.fromisoformat(value.upper())
    except ValueError as error:
        raise ValueError(f"is no time: {error}") from error
    check_time("deadline", to_ms("deadline", moment))
    return moment


Id = Annotated[str, AfterValidator(_check_id), Field(json_schema_extra=dict(_ID_SCHEMA))]
Deadline = Annotated[datetime, BeforeValidator(_parse_deadline, json_schema_input_type=datetime)]


class NewTask(BaseModel):
    """A task for one agent, as a caller sends it."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "examples": [
                {"task_id": "1", "agent_id": "agent_1", "payload": {"action": "test"}},
                {"agent_id": "agent_1", "payload": {"action": "test"}, "deadline": "2030-01-31T12:00:00Z"},
            ]
        },
    )

    type: Literal["TaskRequest"] = Field("TaskRequest", description="May be left out.")
    task_id: Id | None = Field(
        None,
        description="Your name for the task, at most 255 bytes of UTF-8; without one the answer names a new UUIDv7.",
    )
    agent_id: Id = Field(
        description="The agent that shall do it, at most 255 bytes of UTF-8. Tasks of one agent are done in order."
    )
    payload: dict[str, object] = Field(description="Any JSON object; its member `action` picks the handler.")
    deadline: Deadline | None = Field(None, description="When the answer is of no more use; RFC 3339 with its zone.")


class TaskAccepted(BaseModel):
    """The task is stored in Kafka, and will have an outcome."""

    message: Literal["Task request sent"] = "Task request sent"
    task_id: str = Field(description="Yours, or a new one.", examples=["1"])
    position: str = Field(
        description="topic:partition:offset of the stored task.", examples=["mabos.tasks.requests:7:42"]
    )


class Failure(BaseModel):
    """Why a task did not complete."""

    code: str = Field(description="A word for programs.", examples=["handler_failed"])
    message: str = Field(description="A line for people.", examples=["the model was not reachable"])
    retryable: bool = Field(description="Whether sending the task again could help.")


class TaskOutcome(BaseModel):
    """What became of a task: its first terminal response."""

    type: Literal["TaskResponse"] = "TaskResponse"
    task_id: str = Field(examples=["1"])
    agent_id: str = Field(examples=["agent_1"])
    status: Literal["completed", "failed", "rejected", "cancelled", "expired", "timed_out"] = Field(
        description="How it ended.", examples=["completed"]
    )
    result: dict[str, object] = Field(description="What the handler gave, any JSON object.", examples=[{"members": 1}])
    error: Failure | None = Field(description="Why it did not complete; null when it did.")
    attempt: int = Field(description="Which attempt gave this answer; 0 when no handler ran.", ge=0, examples=[1])
    started_at: datetime | None = Field(description="When that attempt began; null when no handler ran.")
    position: str = Field(
        description="topic:partition:offset of the response.", examples=["mabos.tasks.responses:7:42"]
    )


class FieldError(BaseModel):
    """One thing that is wrong."""

    field: str = Field(description="The field or the part, such as `agent_id`.", examples=["agent_id"])
    message: str = Field(description="What is wrong with it.", examples=["is required"])


class Problem(BaseModel):
    """Why a request was not answered as asked (RFC 9457)."""

    type: str = Field("about:blank", description="`about:blank`: the status says which kind of problem it is.")
    title: str = Field(description="The status in words.", examples=["Unprocessable Content"])
    status: int = Field(description="The HTTP status.", examples=[422])
    detail: str = Field(
        description="What is wrong, and what to do: one line for people.", examples=["agent_id: is required"]
    )
    errors: list[FieldError] | None = Field(None, description="Which fields are refused, or which parts are missing.")
    may_be_stored: bool | None = Field(
        None, description="After a failed publish: true where the broker may have the task all the same."
    )
    task_id: str | None = Field(
        None, description="After a failed publish: the name under which it is safe to send the task again."
    )


PUBLISH_PROBLEMS: dict[int | str, dict[str, Any]] = {
    400: {"model": Problem, "description": "The body is no JSON."},
    408: {"model": Problem, "description": "The body came too slowly."},
    413: {"model": Problem, "description": "The body is too large."},
    415: {"model": Problem, "description": "The body is not sent as application/json in UTF-8."},
    422: {"model": Problem, "description": "Fields are refused; `errors` names each."},
    500: {"model": Problem, "description": "Something unexpected."},
    503: {"model": Problem, "description": "Kafka or the schema registry is away, or the gateway is busy: try again."},
}
"""How a request to publish what is in its JSON body may be refused, as OpenAPI describes answers."""


class BatchItem(BaseModel):
    """What became of one item of a batch: it is stored at its position, or there is a problem."""

    number: int = Field(description="Which item, from 1: the place in the array, or the line.", ge=1, examples=[1])
    task_id: str | None = Field(None, description="The task's name.", examples=["1"])
    position: str | None = Field(
        None,
        description="topic:partition:offset of the stored task.",
        examples=["mabos.tasks.requests:7:42"],
    )
    problem: Problem | None = Field(None, description="Why it is not stored, or may not be.")


class CancelTask(BaseModel):
    """Which task is of no more use."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        json_schema_extra={"examples": [{"agent_id": "agent_1", "reason": "asked twice"}]},
    )

    agent_id: Id = Field(description="The task's agent.")
    reason: str = Field(
        "",
        description=f"Why, a line for people of at most {MAX_REASON_BYTES} bytes of UTF-8.",
        max_length=MAX_REASON_BYTES,
    )


class CancelAccepted(BaseModel):
    """The cancel is stored in Kafka; the task's outcome tells what came of it."""

    message: Literal["Cancel sent"] = "Cancel sent"
    task_id: str = Field(description="The task.", examples=["1"])
    position: str = Field(description="topic:partition:offset of the cancel.", examples=["mabos.tasks.controls:7:3"])


class Health(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Ready(BaseModel):
    """All is there."""

    status: Literal["ready"] = "ready"
