"""``POST /api/tasks/{task_id}/cancel``: say that a task is of no more use."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request

from mabos.gateway.access import needs
from mabos.gateway.bodies import BodyLimits, json_route
from mabos.gateway.errors import Refused
from mabos.gateway.models import PUBLISH_PROBLEMS, CancelAccepted, CancelTask
from mabos.gateway.observing import note
from mabos.gateway.principals import Principal, Scope
from mabos.gateway.producer import LazyProducer
from mabos.producers import PublishFailed
from mabos.schemas.fields import check_id

_ANSWERS: dict[int | str, dict[str, Any]] = {
    202: {"description": "The broker has the cancel."},
    **PUBLISH_PROBLEMS,
}


def cancel_routes(producer: LazyProducer, limits: BodyLimits) -> APIRouter:
    """``POST /api/tasks/{task_id}/cancel``."""
    router = APIRouter(prefix="/api/tasks", tags=["tasks"], route_class=json_route(limits))

    @router.post("/{task_id:path}/cancel", status_code=202, responses=_ANSWERS, summary="Cancel a task")
    async def cancel_task(
        request: Request,
        task_id: Annotated[str, Path(description="The task.", examples=["1"])],
        cancel: CancelTask,
        caller: Principal = Depends(needs(Scope.TASKS_CANCEL)),  # noqa: B008 - FastAPI's way
    ) -> CancelAccepted:
        """Say that a task is of no more use; answers once the broker has stored that.

        A task that waits does not run. One that runs is cut off if its handler is async, and told so if it is not. The
        outcome tells what came of it: a task that is answered already stays as it is. A cancel may come before its
        task, which then never runs.
        """
        check_id("task_id", task_id)
        caller.require_agent(cancel.agent_id)
        note(request.scope, task_id=task_id)
        sender = await producer.get()
        try:
            position = await (await sender.cancel_task(agent_id=cancel.agent_id, task_id=task_id, reason=cancel.reason))
        except PublishFailed as error:
            known = "may be stored" if error.may_be_stored else "is not stored"
            raise Refused(503, f"the cancel {known}: {error}", members={"task_id": task_id}) from error
        note(request.scope, position=str(position))
        return CancelAccepted(task_id=task_id, position=str(position))

    return router
