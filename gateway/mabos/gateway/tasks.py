"""``/api/tasks``: publish tasks."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Header, Request, Response

from mabos.gateway.access import needs
from mabos.gateway.bodies import BodyLimits, json_route
from mabos.gateway.errors import Refused
from mabos.gateway.metrics import Metrics
from mabos.gateway.models import PUBLISH_PROBLEMS, NewTask, TaskAccepted, TaskOutcome
from mabos.gateway.observing import note
from mabos.gateway.principals import Principal, Scope
from mabos.gateway.producer import LazyProducer
from mabos.gateway.sse import show_response
from mabos.gateway.waiting import MAX_WAIT_S, Waiting, read_wait_s
from mabos.kafka.position import Position
from mabos.producers import PublishFailed, RecordTooLarge
from mabos.schemas.events import TaskResponse
from mabos.schemas.fields import new_task_id

_TRACE_IDS = r"(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
_TRACEPARENT = re.compile(rf"00-{_TRACE_IDS}|(?!00|ff)[0-9a-f]{{2}}-{_TRACE_IDS}(?:-[\x21-\x7e]{{0,200}})?")

_LOCATION = {"description": "Path of the task.", "schema": {"type": "string"}}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "model": TaskOutcome,
        "description": "With `Prefer: wait=N`: the outcome came in time, whatever it is.",
        "headers": {
            "Location": _LOCATION,
            "Preference-Applied": {"description": "How long was waited at most.", "schema": {"type": "string"}},
        },
    },
    202: {"description": "The broker has the task.", "headers": {"Location": _LOCATION}},
    **PUBLISH_PROBLEMS,
}

Traceparent = Annotated[str | None, Header(description="W3C trace context, handed on with the task.")]
Prefer = Annotated[
    str | None,
    Header(
        description=f"`wait=10` waits up to 10 s for the outcome (RFC 7240), at most {MAX_WAIT_S} s.",
        examples=["wait=10"],
    ),
]


def task_routes(publisher: Publisher, waiting: Waiting, limits: BodyLimits) -> APIRouter:
    """``POST /api/tasks``."""
    router = APIRouter(prefix="/api/tasks", tags=["tasks"], route_class=json_route(limits))

    @router.post("", status_code=202, response_model=TaskAccepted, responses=_ANSWERS, summary="Publish a task")
    async def create_task(
        request: Request,
        task: NewTask,
        prefer: Prefer = None,
        traceparent: Traceparent = None,
        caller: Principal = Depends(needs(Scope.TASKS_WRITE)),  # noqa: B008 - FastAPI's way
    ) -> Response:
        """Publish a task for one agent; answers once the broker has acknowledged it.

        Tasks of one agent are done in the order in which they were published. With `Prefer: wait=10` the answer is the
        outcome, if there is one within 10 s; a task that takes longer goes on, and the answer is as without.
        """
        caller.require_agent(task.agent_id)
        wait_s = read_wait_s(prefer)
        if wait_s:
            caller.require(Scope.TASKS_READ)  # the outcome is in the answer
            return await _publish_and_wait(request, task, traceparent, wait_s)
        return _say_accepted(await publish(request, task, traceparent))

    async def publish(request: Request, task: NewTask, traceparent: str | None) -> TaskAccepted:
        accepted = await publisher.publish(task, traceparent)
        note(request.scope, task_id=accepted.task_id, position=accepted.position)
        return accepted

    async def _publish_and_wait(request: Request, task: NewTask, traceparent: str | None, wait_s: int) -> Response:
        until_s = time.monotonic() + wait_s
        if task.task_id is None:
            task = task.model_copy(update={"task_id": new_task_id()})
        expected = await waiting.expect(task.agent_id, task.task_id or "", wait_s)
        if expected is None:
            return _say_accepted(await publish(request, task, traceparent))
        try:
            accepted = await publish(request, task, traceparent)
            outcome = await expected.outcome(request, until_s - time.monotonic())
        finally:
            expected.forget()
        return _say_accepted(accepted) if outcome is None else _say_outcome(accepted, *outcome, wait_s)

    return router


def _say_accepted(accepted: TaskAccepted) -> Response:
    return _answer(accepted.model_dump_json(), 202, accepted.task_id, {})


def _say_outcome(accepted: TaskAccepted, response: TaskResponse, position: Position, wait_s: int) -> Response:
    applied = {"Preference-Applied": f"wait={wait_s}"}
    return _answer(show_response(response, position), 200, accepted.task_id, applied)


def _answer(body: str | bytes, status: int, task_id: str, headers: Mapping[str, str]) -> Response:
    location = {"Location": f"/api/tasks/{quote(task_id, safe='')}"}
    return Response(body, status, {**location, **headers}, media_type="application/json")


class Publisher:
    """Publishes tasks one by one, and times it.

    Args:
        producer: Publishes them.
        metrics: Where it is counted.
    """

    def __init__(self, producer: LazyProducer, metrics: Metrics) -> None:
        self._producer, self._metrics = producer, metrics

    async def publish(self, task: NewTask, traceparent: str | None) -> TaskAccepted:
        """Publish a task and wait for the broker.

        Raises:
            InvalidTask: A field is refused.
            Refused: The broker did not acknowledge it (503), or it is larger than the topic takes (413).
            PublishQueueFull: The local queue stayed full.
            MabosError: The producer cannot be made, or is stopped.
        """
        sender = await self._producer.get()
        task_id = task.task_id
        try:
            with self._metrics.time_publish():
                sent = await sender.send_task_request(
                    agent_id=task.agent_id,
                    payload=task.payload,
                    task_id=task_id,
                    deadline=task.deadline,
                    headers=trace_headers(traceparent),
                )
                task_id = sent.task_id
                position = await sent
        except PublishFailed as error:
            raise explain_failure(error, task_id) from error
        return TaskAccepted(task_id=task_id, position=str(position))


def trace_headers(traceparent: str | None) -> dict[str, str] | None:
    """The Kafka headers of a trace; one that is not as W3C has it is left out, as W3C wants."""
    if traceparent is None or not _TRACEPARENT.fullmatch(traceparent):
        return None
    return {"traceparent": traceparent}


def explain_failure(error: PublishFailed, task_id: str | None) -> Refused:
    """What a failed publish means to the caller: whether the task may be stored, and under which name."""
    known = "may be stored" if error.may_be_stored else "is not stored"
    members: dict[str, str | bool] = {"may_be_stored": error.may_be_stored}
    if task_id is not None:
        members["task_id"] = task_id
    status = 413 if isinstance(error, RecordTooLarge) else 503
    return Refused(status, f"the task {known}: {error}", members=members)
