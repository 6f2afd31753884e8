"""``GET /api/tasks/{task_id}/events`` and ``GET /api/events``: responses as they come, as server-sent events."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response

from mabos.gateway.access import needs
from mabos.gateway.models import Problem
from mabos.gateway.observing import note
from mabos.gateway.principals import Principal, Scope
from mabos.gateway.sse import EventStream
from mabos.gateway.streams import Streams, Wanted
from mabos.kafka.position import Position
from mabos.schemas.errors import InvalidTask
from mabos.schemas.events import Status
from mabos.schemas.fields import MAX_ID_BYTES, check_id

MAX_FILTERS = 50
_MAX_PARTITION, _MAX_OFFSET = 2**31 - 1, 2**63 - 2

_EXAMPLE = (
    "id: mabos.tasks.responses:4:25\nevent: outcome\n"
    'data: {"type":"TaskResponse","task_id":"1","agent_id":"agent_1","status":"completed","result":{"members":1},'
    '"error":null,"attempt":1,"started_at":"2030-01-31T12:00:00.000Z","position":"mabos.tasks.responses:4:25"}\n\n'
)
_EVENT = {
    "type": "object",
    "description": "One event of the stream.",
    "properties": {
        "event": {"enum": ["progress", "outcome", "end"]},
        "id": {"type": "string", "description": "topic:partition:offset of the response; not of `end`."},
        "data": {"type": "string", "description": "JSON: the response, as `TaskOutcome` has it, or why it ends."},
    },
    "required": ["event", "data"],
}
_STREAM: dict[str, Any] = {
    "description": (
        "Events `progress` and `outcome`, whose data is the response and whose id is its position in the log; `end`, "
        "if the stream ends before its time, with `reason` and `detail`. Comments keep it alive."
    ),
    "content": {"text/event-stream": {"schema": _EVENT, "example": _EXAMPLE}},
}
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    422: {"model": Problem, "description": "A parameter is refused; `errors` names it."},
    500: {"model": Problem, "description": "Something unexpected."},
    503: {"model": Problem, "description": "Kafka is away, or as many streams are open as there may be: try again."},
}
_TASK_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: _STREAM,
    204: {"description": "`Last-Event-ID` is the outcome: nothing follows."},
    410: {"model": Problem, "description": "The log does not go back to the position."},
    **_PROBLEMS,
}

TaskId = Annotated[str, Path(description="The task.", examples=["1"])]
AgentId = Annotated[str, Query(description="The task's agent.", min_length=1, examples=["agent_1"])]
AgentIds = Annotated[list[str], Query(description="Only of these agents.", max_length=MAX_FILTERS)]
Statuses = Annotated[list[Status], Query(description="Only with these statuses.", max_length=MAX_FILTERS)]
PositionText = Annotated[
    str | None,
    Query(
        description="Since when: the position of the task as it was accepted, or the id of an event.",
        max_length=MAX_ID_BYTES,
        examples=["mabos.tasks.requests:4:25"],
    ),
]
LastEventId = Annotated[
    str | None, Header(description="The id of the last event that was had; browsers send it.", max_length=MAX_ID_BYTES)
]


def event_routes(streams: Streams) -> APIRouter:
    """The routes of both streams."""
    router = APIRouter(prefix="/api", tags=["events"])

    @router.get(
        "/tasks/{task_id:path}/events",
        status_code=200,
        response_class=EventStream,
        responses=_TASK_ANSWERS,
        summary="Follow a task",
    )
    async def follow_task(
        request: Request,
        task_id: TaskId,
        agent_id: AgentId,
        position: PositionText = None,
        last_event_id: LastEventId = None,
        caller: Principal = Depends(needs(Scope.TASKS_READ)),  # noqa: B008 - FastAPI's way
    ) -> Response:
        """Every response of one task, up to its outcome.

        With the position that the task was accepted at, nothing is missed, however late you come; without any, you
        hear of what comes from now on. A client that lost its connection comes back with `Last-Event-ID`.
        """
        check_id("task_id", task_id)
        check_id("agent_id", agent_id)
        caller.require_agent(agent_id)
        note(request.scope, task_id=task_id)
        since = read_position("Last-Event-ID", last_event_id) or read_position("position", position)
        try:
            stream = await streams.open_task(agent_id, task_id, since)
        except InvalidTask as error:
            name = "Last-Event-ID" if last_event_id and error.field == "position" else error.field
            raise InvalidTask(name, error.reason) from error
        return Response(status_code=204) if stream is None else stream

    @router.get(
        "/events",
        status_code=200,
        response_class=EventStream,
        responses={200: _STREAM, **_PROBLEMS},
        summary="Follow all tasks",
    )
    async def follow_all(
        agent_id: AgentIds = [],  # noqa: B006 - pydantic copies it
        status: Statuses = [],  # noqa: B006
        caller: Principal = Depends(needs(Scope.TASKS_READ)),  # noqa: B008 - FastAPI's way
    ) -> Response:
        """Every response from now on, of every task, or of some agents or with some statuses.

        It is live: who was away has missed what came meanwhile.
        """
        for one in agent_id:
            check_id("agent_id", one)
            caller.require_agent(one)
        reach = None if caller.reaches_all else caller.may_reach
        wanted = Wanted(agent_ids=frozenset(agent_id), statuses=frozenset(status), may_reach=reach)
        return await streams.open_live(wanted)

    return router


def read_position(name: str, text: str | None) -> Position | None:
    """The position that a parameter means; an empty one is none."""
    if not text:
        return None
    try:
        position = Position.parse(text)
    except ValueError as error:
        raise InvalidTask(name, "is not topic:partition:offset, such as mabos.tasks.requests:4:25") from error
    if position.partition > _MAX_PARTITION or position.offset > _MAX_OFFSET:
        raise InvalidTask(name, "is beyond any log")
    return position
