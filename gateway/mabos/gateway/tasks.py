"""``/api/tasks``: publish tasks."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, replace
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Header, Request, Response

from mabos.gateway.access import needs
from mabos.gateway.bodies import BodyLimits, json_route
from mabos.gateway.errors import Refused
from mabos.gateway.idempotency import HEADER, MAX_KEY_CHARS, Idempotency, KeyedTask, read_key
from mabos.gateway.metrics import Metrics
from mabos.gateway.models import PUBLISH_PROBLEMS, NewTask, Problem, TaskAccepted, TaskOutcome
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
_REPLAYED = {
    "description": f"`true`: an earlier request with this `{HEADER}` has published the task.",
    "schema": {"type": "string"},
}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "model": TaskOutcome,
        "description": "With `Prefer: wait=N`: the outcome came in time, whatever it is.",
        "headers": {
            "Location": _LOCATION,
            "Idempotent-Replayed": _REPLAYED,
            "Preference-Applied": {"description": "How long was waited at most.", "schema": {"type": "string"}},
        },
    },
    202: {
        "description": "The broker has the task.",
        "headers": {"Location": _LOCATION, "Idempotent-Replayed": _REPLAYED},
    },
    **PUBLISH_PROBLEMS,
    409: {"model": Problem, "description": f"The `{HEADER}` was sent with another task."},
}

Traceparent = Annotated[str | None, Header(description="W3C trace context, handed on with the task.")]
Prefer = Annotated[
    str | None,
    Header(
        description=f"`wait=10` waits up to 10 s for the outcome (RFC 7240), at most {MAX_WAIT_S} s.",
        examples=["wait=10"],
    ),
]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias=HEADER,
        description="A text of your own for this request. For 24 h the same request with the same key, to any "
        "gateway, is the same task and gets the same answer. A new UUID for each is good.",
        examples=["b4f2b9f2-8a55-4a5c-9f0f-0d1c7a5c4d1e"],
        json_schema_extra={"minLength": 1, "maxLength": MAX_KEY_CHARS, "pattern": "^[ -~]*$"},
    ),
]


def task_routes(publisher: Publisher, waiting: Waiting, idempotency: Idempotency, limits: BodyLimits) -> APIRouter:
    """``POST /api/tasks``."""
    router = APIRouter(prefix="/api/tasks", tags=["tasks"], route_class=json_route(limits))

    @router.post("", status_code=202, response_model=TaskAccepted, responses=_ANSWERS, summary="Publish a task")
    async def create_task(
        request: Request,
        task: NewTask,
        idempotency_key: IdempotencyKey = None,
        prefer: Prefer = None,
        traceparent: Traceparent = None,
        caller: Principal = Depends(needs(Scope.TASKS_WRITE)),  # noqa: B008 - FastAPI's way
    ) -> Response:
        """Publish a task for one agent; answers once the broker has acknowledged it.

        Tasks of one agent are done in the order in which they were published. With `Prefer: wait=10` the answer is the
        outcome, if there is one within 10 s; a task that takes longer goes on, and the answer is as without. With an
        `Idempotency-Key` it is safe to send the request again when its answer did not come.
        """
        caller.require_agent(task.agent_id)
        wait_s = read_wait_s(prefer)
        if wait_s:
            caller.require(Scope.TASKS_READ)  # the outcome is in the answer
        until_s = time.monotonic() + wait_s
        keyed: KeyedTask | None = None
        if idempotency_key is not None:
            key = read_key(request.headers.getlist(HEADER))
            keyed = await idempotency.claim(caller.name, key, task)
            task = task.model_copy(update={"task_id": keyed.task_id})
        asked = _Asked(request=request, task=task, traceparent=traceparent, keyed=keyed)
        if wait_s:
            return await _publish_and_wait(asked, wait_s, until_s)
        return _say_accepted(await publish(asked), asked)

    async def publish(asked: _Asked) -> TaskAccepted:
        if asked.keyed is None:
            accepted = await publisher.publish(asked.task, asked.traceparent)
        else:
            accepted = await asked.keyed.publish(lambda: publisher.publish(asked.task, asked.traceparent))
        note(asked.request.scope, task_id=accepted.task_id, position=accepted.position)
        if asked.is_replayed:
            note(asked.request.scope, replayed=True)
        return accepted

    async def _publish_and_wait(asked: _Asked, wait_s: int, until_s: float) -> Response:
        task = asked.task
        if task.task_id is None:
            asked = replace(asked, task=task.model_copy(update={"task_id": new_task_id()}))
        expected = await waiting.expect(task.agent_id, asked.task.task_id or "", wait_s)
        if expected is None:
            return _say_accepted(await publish(asked), asked)
        try:
            accepted = await publish(asked)
            since = Position.parse(accepted.position) if asked.is_replayed else None
            outcome = await expected.outcome(asked.request, until_s - time.monotonic(), since)
        finally:
            expected.forget()
        if outcome is None:
            return _say_accepted(accepted, asked)
        return _say_outcome(accepted, asked, *outcome, wait_s=wait_s)

    return router


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    request: Request
    task: NewTask
    traceparent: str | None
    keyed: KeyedTask | None

    @property
    def is_replayed(self) -> bool:
        """Whether an earlier request has published the task."""
        return self.keyed is not None and self.keyed.stored_at is not None


def _say_accepted(accepted: TaskAccepted, asked: _Asked) -> Response:
    return _answer(accepted.model_dump_json(), 202, asked, {"Location": _locate(accepted)})


def _say_outcome(
    accepted: TaskAccepted, asked: _Asked, response: TaskResponse, position: Position, *, wait_s: int
) -> Response:
    headers = {"Location": _locate(accepted), "Preference-Applied": f"wait={wait_s}"}
    return _answer(show_response(response, position), 200, asked, headers)


def _locate(accepted: TaskAccepted) -> str:
    return f"/api/tasks/{quote(accepted.task_id, safe='')}"


def _answer(body: str | bytes, status: int, asked: _Asked, headers: dict[str, str]) -> Response:
    if asked.is_replayed:
        headers["Idempotent-Replayed"] = "true"
    return Response(body, status, headers, media_type="application/json")


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
