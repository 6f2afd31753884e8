"""``/api/replays``: replays as jobs. Count tasks of the past, or publish them again; see how far it is; stop it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any, TypeVar
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request, Response

from mabos.gateway.access import needs
from mabos.gateway.bodies import BodyLimits, json_route
from mabos.gateway.models import PUBLISH_PROBLEMS, Problem
from mabos.gateway.observing import note
from mabos.gateway.principals import Principal, Scope
from mabos.gateway.replayjobs import MAX_RUNS, ReplayJobs
from mabos.gateway.replaymodels import NewReplay, Replay, ReplayList, show_replay
from mabos.kafka.settings import Settings

_THREADS = 3

_AWAY: dict[int | str, dict[str, Any]] = {
    500: {"model": Problem, "description": "Something unexpected."},
    503: {"model": Problem, "description": "The database is away: try again."},
}
_KNOWN: dict[int | str, dict[str, Any]] = {
    404: {"model": Problem, "description": "There is no such replay."},
    422: {"model": Problem, "description": "The id is none."},
    **_AWAY,
}
_BUSY: dict[int | str, dict[str, Any]] = {
    429: {
        "model": Problem,
        "description": f"The gateway runs {MAX_RUNS} replays already, or the caller asks too often.",
    }
}
_CREATE: dict[int | str, dict[str, Any]] = {
    202: {"headers": {"Location": {"description": "Path of the replay.", "schema": {"type": "string"}}}},
    **PUBLISH_PROBLEMS,
    **_AWAY,
    **_BUSY,
}

ReplayId = Annotated[UUID, Path(description="The replay.", examples=["01980c5e-2f4b-7d3c-9a51-0d6c1a7f3b21"])]
T = TypeVar("T")


class ReplayDoor:
    """The replays, asked from an event loop: in a few threads of its own, so that a slow database holds up nobody else.

    Args:
        settings: Where Kafka and the database are, and the queue.
    """

    def __init__(self, settings: Settings) -> None:
        self.jobs = ReplayJobs(settings)
        self._executor = ThreadPoolExecutor(_THREADS, thread_name_prefix="mabos-replays")

    async def ask(self, ask: Callable[[ReplayJobs], T]) -> T:
        """Ask something of the replays."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, ask, self.jobs)

    async def close(self) -> None:
        """Have the replays that run here end in order."""
        await self.ask(ReplayJobs.close)
        self._executor.shutdown(wait=False)


def replay_routes(door: ReplayDoor, limits: BodyLimits) -> APIRouter:
    """``/api/replays``."""
    router = APIRouter(prefix="/api/replays", tags=["replays"], route_class=json_route(limits))

    @router.post("", status_code=202, responses=_CREATE, summary="Make a replay")
    async def create_replay(
        request: Request,
        response: Response,
        wanted: NewReplay,
        caller: Principal = Depends(needs(Scope.REPLAY_RUN)),  # noqa: B008 - FastAPI's way
    ) -> Replay:
        """Begin to count tasks of the past by outcome, or to count what publishing them again would publish.

        It takes what the log holds now, and has an end however fast the log grows. A reprocess publishes nothing before
        it is applied, and then exactly what it counted. A caller of some agents only must say `agent_id`.
        """
        row = await door.ask(lambda jobs: jobs.create(wanted, caller))
        note(request.scope, replay_id=row.replay_id, kind=row.kind)
        response.headers["Location"] = f"/api/replays/{row.replay_id}"
        return show_replay(row)

    @router.get("", responses=_AWAY, summary="List replays")
    async def list_replays(
        caller: Principal = Depends(needs(Scope.REPLAY_RUN)),  # noqa: B008 - FastAPI's way
    ) -> ReplayList:
        """Replays newest first, whichever gateway runs them; the old ones are forgotten."""
        return ReplayList(replays=[show_replay(row) for row in await door.ask(lambda jobs: jobs.list(caller))])

    @router.get("/{replay_id}", responses=_KNOWN, summary="Look at a replay")
    async def show_one(
        replay_id: ReplayId,
        caller: Principal = Depends(needs(Scope.REPLAY_RUN)),  # noqa: B008 - FastAPI's way
    ) -> Replay:
        """How far it is, what it found, and what it has published."""
        return show_replay(await door.ask(lambda jobs: jobs.find(str(replay_id), caller)))

    @router.post(
        "/{replay_id}/apply",
        status_code=202,
        responses={409: {"model": Problem, "description": "It runs, is done, or has not counted."}, **_KNOWN, **_BUSY},
        summary="Apply a replay",
    )
    async def apply_replay(
        request: Request,
        replay_id: ReplayId,
        caller: Principal = Depends(needs(Scope.REPLAY_RUN)),  # noqa: B008 - FastAPI's way
    ) -> Replay:
        """Publish what a reprocess has counted. One that was stopped, failed or interrupted goes on.

        No task is published twice.
        """
        note(request.scope, replay_id=str(replay_id))
        return show_replay(await door.ask(lambda jobs: jobs.apply(str(replay_id), caller)))

    @router.post(
        "/{replay_id}/stop",
        status_code=202,
        responses={409: {"model": Problem, "description": "It does not run."}, **_KNOWN},
        summary="Stop a replay",
    )
    async def stop_replay(
        request: Request,
        replay_id: ReplayId,
        caller: Principal = Depends(needs(Scope.REPLAY_RUN)),  # noqa: B008 - FastAPI's way
    ) -> Replay:
        """Have it end in order, whichever gateway runs it: within a second or two it is `stopped`."""
        note(request.scope, replay_id=str(replay_id))
        return show_replay(await door.ask(lambda jobs: jobs.stop(str(replay_id), caller)))

    return router
