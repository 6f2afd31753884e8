"""``POST /api/dead-letters/redrives``, ``…/{plan_id}/apply``: dead letters are published again, as a plan says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Path, Request, Response

from mabos.gateway.access import needs
from mabos.gateway.bodies import BodyLimits, json_route
from mabos.gateway.lettermodels import NewRedrive, RedriveApplied, RedrivePlan
from mabos.gateway.letters import read_place
from mabos.gateway.models import PUBLISH_PROBLEMS, Problem
from mabos.gateway.observing import note
from mabos.gateway.principals import Principal, Scope
from mabos.gateway.redriveruns import Redrives, Wanted
from mabos.gateway.views import VIEW_ANSWERS, reach_of, show
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from mabos.streams.letters import LetterFilter

_THREADS = 2
_UNKNOWN: dict[int | str, dict[str, Any]] = {
    404: {"model": Problem, "description": "There is no such plan, or no more: it is kept for a day."}
}
_RUNS: dict[int | str, dict[str, Any]] = {409: {"model": Problem, "description": "The plan is being applied already."}}
PlanId = Annotated[str, Path(description="The plan.", examples=["0191f0c2-6c3a-7b0e-9d63-6f2c0b1a9f11"])]

T = TypeVar("T")


class RedriveDesk:
    """Plans and applies redrives in a few threads of its own: they may take long, and hold up nobody else.

    Args:
        settings: Where Kafka, the registry and the database are, and which queue.
    """

    def __init__(self, settings: Settings) -> None:
        self.redrives = Redrives(settings)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="mabos-redrives")

    async def run(self, work: Callable[[], T]) -> T:
        """Do it in one of the threads."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def stop(self) -> None:
        """Begin nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def redrive_routes(desk: RedriveDesk, queue: Queue, limits: BodyLimits) -> APIRouter:
    """The routes that redrive dead letters. Include them before those that show them."""
    router = APIRouter(prefix="/api/dead-letters/redrives", tags=["dead letters"], route_class=json_route(limits))
    topic = queue.dead_letters

    @router.post(
        "",
        status_code=201,
        response_model=RedrivePlan,
        responses=dict(PUBLISH_PROBLEMS),
        summary="Plan a redrive of dead letters",
    )
    async def plan_redrive(
        redrive: NewRedrive,
        caller: Principal = Depends(needs(Scope.OPS_WRITE)),  # noqa: B008 - FastAPI's way
    ) -> Response:
        """Choose dead letters, and see what would be published for them. Nothing is.

        The plan is kept for a day. At most 10,000 letters are in one, the oldest first; letters that cannot be redriven
        are named with the reason.
        """
        wanted = _read(redrive, caller, topic)
        plan = await desk.run(lambda: desk.redrives.plan(wanted, caller))
        answer = show(plan.to_json())
        answer.status_code = 201
        answer.headers["Location"] = f"/api/dead-letters/redrives/{plan.plan_id}"
        return answer

    @router.get(
        "/{plan_id}",
        response_model=RedrivePlan,
        responses=_UNKNOWN | VIEW_ANSWERS,
        summary="Look at a redrive's plan",
    )
    async def show_redrive(
        plan_id: PlanId,
        caller: Principal = Depends(needs(Scope.OPS_READ)),  # noqa: B008 - FastAPI's way
    ) -> Response:
        """What a plan says, and whether it was applied."""
        kept = await desk.run(lambda: desk.redrives.find(plan_id, caller))
        return show(kept.plan.to_json(kept.applied_at))

    @router.post(
        "/{plan_id}/apply",
        status_code=202,
        response_model=RedriveApplied,
        responses=_UNKNOWN | _RUNS | VIEW_ANSWERS,
        summary="Apply a redrive's plan",
    )
    async def apply_redrive(
        request: Request,
        plan_id: PlanId,
        caller: Principal = Depends(needs(Scope.OPS_WRITE)),  # noqa: B008 - FastAPI's way
    ) -> Response:
        """Publish exactly what a plan says: new tasks, each with a header `mabos-redrive-of` that names the old one.

        Applied again, it answers as before and publishes nothing; one that was cut off goes on.
        """
        applied = await desk.run(lambda: desk.redrives.apply(plan_id, caller))
        note(request.scope, plan_id=plan_id, published=applied["published"])
        answer = show(applied)
        answer.status_code = 202
        return answer

    return router


def _read(redrive: NewRedrive, caller: Principal, topic: str) -> Wanted:
    """What is asked for."""
    if redrive.positions:
        places = tuple(read_place("positions", text, topic) for text in redrive.positions)
        return Wanted(places=places, payload=redrive.payload)
    return Wanted(
        fitting=LetterFilter(
            agent_id=redrive.agent_id,
            agents=reach_of(caller),
            action=redrive.action,
            code=redrive.code,
            cause_id=redrive.cause_id,
            since=redrive.since,
            until=redrive.until,
            is_redriven=False,
        )
    )
