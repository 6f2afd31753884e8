"""``GET /api/tasks/{task_id}/records``: the records of a task as they stand in the log, with headers and schema."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import BaseModel, Field

from mabos.consumers.errors import BeyondRetention
from mabos.gateway.access import needs
from mabos.gateway.errors import Refused
from mabos.gateway.models import Problem
from mabos.gateway.observing import note
from mabos.gateway.principals import Principal, Scope
from mabos.gateway.views import TASK_ANSWERS, AgentId, find_one, show
from mabos.kafka.position import Position
from mabos.kafka.topics import Queue
from mabos.schemas.fields import check_id
from mabos.streams.task_records import RecordReader
from mabos.streams.view import AsyncTaskView

_ANSWERS: dict[int | str, dict[str, Any]] = {
    **TASK_ANSWERS,
    410: {"model": Problem, "description": "The log has none of its records any more."},
}
_SHOWN = ("request", "response")


class RecordText(BaseModel):
    """Bytes of a record."""

    value: str = Field(examples=["agent_1"])
    encoding: Literal["utf-8", "base64"] = Field(
        description="How the bytes are told: as text, or in base64 where they are none."
    )


class RecordHeader(RecordText):
    """A header of a record, as it is."""

    name: str = Field(examples=["traceparent"])


class TaskRecord(BaseModel):
    """A record of the log, but for its value."""

    position: str = Field(description="topic:partition:offset", examples=["mabos.tasks.requests:7:42"])
    stored_at: datetime | None
    key: RecordText | None
    headers: list[RecordHeader]
    size_bytes: int = Field(description="How long its value is.", examples=[74])
    schema_id: int | None = Field(
        description="The schema it was written with, as it says; null where it names none.", examples=[1]
    )
    schema_version: int | None = Field(
        description="Which version of the topic's schema that is; null where the registry does not tell.", examples=[1]
    )


class TaskRecords(BaseModel):
    """The records of a task; null for one that is not there yet, or no more."""

    request: TaskRecord | None
    response: TaskRecord | None = Field(description="Its outcome.")
    gone: list[Literal["request", "response"]] = Field(description="Which of them the log no more has.")


def record_routes(view: AsyncTaskView, queue: Queue, reader: RecordReader) -> APIRouter:
    """The route; its path is one that the view's would take: include it before."""
    router = APIRouter(prefix="/api")

    @router.get(
        "/tasks/{task_id:path}/records",
        response_model=TaskRecords,
        responses=_ANSWERS,
        tags=["tasks"],
        summary="Look at a task's records",
    )
    async def show_records(
        request: Request,
        task_id: Annotated[str, Path(description="The task.", examples=["1"])],
        agent_id: AgentId = None,
        caller: Principal = Depends(needs(Scope.TASKS_READ)),  # noqa: B008 - FastAPI's way
    ) -> Response:
        """Its request and its outcome as they stand in the log: key, headers, and the schema they were written with."""
        check_id("task_id", task_id)
        note(request.scope, task_id=task_id)
        task = await find_one(view, task_id, agent_id, caller)
        positions = task.positions(queue)
        wanted = {name: place for name in _SHOWN if (place := positions[name]) is not None}
        found = dict(
            zip(wanted, await asyncio.gather(*(_read(reader, place) for place in wanted.values())), strict=True)
        )
        gone = [name for name, record in found.items() if record is None]
        if found and len(gone) == len(found):
            raise Refused(410, f"the log no more has {' and '.join(map(str, wanted.values()))}")
        return show({"request": None, "response": None} | found | {"gone": gone})

    return router


async def _read(reader: RecordReader, place: Position) -> dict[str, Any] | None:
    try:
        return await asyncio.to_thread(reader.read, place)
    except BeyondRetention:
        return None
