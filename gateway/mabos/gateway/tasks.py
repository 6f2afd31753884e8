"""``/api/tasks``: publish tasks."""

from __future__ import annotations

import re
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Header, Response

from mabos.gateway.bodies import BodyLimits, json_route
from mabos.gateway.errors import Refused
from mabos.gateway.models import NewTask, Problem, TaskAccepted
from mabos.gateway.producer import LazyProducer
from mabos.producers import PublishFailed, RecordTooLarge

_TRACE_IDS = r"(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
_TRACEPARENT = re.compile(rf"00-{_TRACE_IDS}|(?!00|ff)[0-9a-f]{{2}}-{_TRACE_IDS}(?:-[\x21-\x7e]{{0,200}})?")

_ANSWERS: dict[int | str, dict[str, Any]] = {
    202: {
        "description": "The broker has the task.",
        "headers": {"Location": {"description": "Path of the task.", "schema": {"type": "string"}}},
    },
    400: {"model": Problem, "description": "The body is no JSON."},
    408: {"model": Problem, "description": "The body came too slowly."},
    413: {"model": Problem, "description": "The body is too large."},
    415: {"model": Problem, "description": "The body is not sent as application/json in UTF-8."},
    422: {"model": Problem, "description": "Fields are refused; `errors` names each."},
    500: {"model": Problem, "description": "Something unexpected."},
    503: {"model": Problem, "description": "Kafka or the schema registry is away, or the gateway is busy: try again."},
}


def task_routes(producer: LazyProducer, limits: BodyLimits) -> APIRouter:
    """``POST /api/tasks``."""
    router = APIRouter(prefix="/api/tasks", tags=["tasks"], route_class=json_route(limits))

    @router.post("", status_code=202, response_model=TaskAccepted, responses=_ANSWERS, summary="Publish a task")
    async def create_task(
        task: NewTask,
        traceparent: Annotated[str | None, Header(description="W3C trace context, handed on with the task.")] = None,
    ) -> Response:
        """Publish a task for one agent; answers once the broker has acknowledged it.

        Tasks of one agent are done in the order in which they were published.
        """
        accepted = await publish(producer, task, traceparent)
        return Response(
            accepted.model_dump_json(),
            status_code=202,
            media_type="application/json",
            headers={"Location": f"/api/tasks/{quote(accepted.task_id, safe='')}"},
        )

    return router


async def publish(producer: LazyProducer, task: NewTask, traceparent: str | None) -> TaskAccepted:
    """Publish a task and wait for the broker.

    Raises:
        InvalidTask: A field is refused.
        Refused: The broker did not acknowledge it (503), or it is larger than the topic takes (413).
        PublishQueueFull: The local queue stayed full.
        MabosError: The producer cannot be made, or is stopped.
    """
    sender = await producer.get()
    try:
        sent = await sender.send_task_request(
            agent_id=task.agent_id,
            payload=task.payload,
            task_id=task.task_id,
            deadline=task.deadline,
            headers=trace_headers(traceparent),
        )
    except PublishFailed as error:
        raise _not_published(error, task.task_id) from error
    try:
        position = await sent
    except PublishFailed as error:
        raise _not_published(error, sent.task_id) from error
    return TaskAccepted(task_id=sent.task_id, position=str(position))


def trace_headers(traceparent: str | None) -> dict[str, str] | None:
    """The Kafka headers of a trace; one that is not as W3C has it is left out, as W3C wants."""
    if traceparent is None or not _TRACEPARENT.fullmatch(traceparent):
        return None
    return {"traceparent": traceparent}


def _not_published(error: PublishFailed, task_id: str | None) -> Refused:
    known = "may be stored" if error.may_be_stored else "is not stored"
    members: dict[str, str | bool] = {"may_be_stored": error.may_be_stored}
    if task_id is not None:
        members["task_id"] = task_id
    status = 413 if isinstance(error, RecordTooLarge) else 503
    return Refused(status, f"the task {known}: {error}", members=members)
