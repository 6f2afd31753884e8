"""``GET /api/tasks``, ``/api/tasks/{task_id}``, ``/api/agents``, ``/api/stats``: what the view knows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import AwareDatetime

from mabos.gateway.access import needs
from mabos.gateway.errors import Refused
from mabos.gateway.events import read_position
from mabos.gateway.models import Problem
from mabos.gateway.observing import note
from mabos.gateway.principals import Principal, Scope
from mabos.gateway.viewmodels import MAX_PAGE, AgentPage, StatsWindow, TaskPage, TaskQuery, Unit, WholeTask
from mabos.kafka.position import Position
from mabos.kafka.topics import Queue
from mabos.schemas.errors import InvalidTask
from mabos.schemas.fields import MAX_ID_BYTES, check_id
from mabos.streams.errors import InvalidQuery
from mabos.streams.filters import TaskFilter
from mabos.streams.inquiries import DEFAULT_LIMIT, find_tasks, list_agents, list_tasks, read_stats, wait_until
from mabos.streams.references import Reference
from mabos.streams.view import AsyncTaskView
from mabos.streams.viewed_task import ViewedTask

CATCH_UP_S = 5.0
"""How long a reader of its own writes waits for the view."""

VIEW_ANSWERS: dict[int | str, dict[str, Any]] = {
    422: {"model": Problem, "description": "A parameter is refused; `errors` names it."},
    500: {"model": Problem, "description": "Something unexpected."},
    503: {"model": Problem, "description": "The database is away, or the view is behind: try again."},
}
"""How a question to the view may be refused."""
TASK_ANSWERS: dict[int | str, dict[str, Any]] = {
    404: {"model": Problem, "description": "The view has no such task."},
    409: {"model": Problem, "description": "Several agents have a task of that name: say `agent_id`."},
    **VIEW_ANSWERS,
}
"""How a question for one task may be refused."""

_AGENT = Query(description="Of this agent.", min_length=1, max_length=MAX_ID_BYTES, examples=["agent_1"])
AgentId = Annotated[str | None, _AGENT]
Action = Annotated[str | None, Query(description="Of this kind.", min_length=1, max_length=255, examples=["test"])]
Limit = Annotated[int, Query(description="The most of a page.", ge=1, le=MAX_PAGE)]
PositionText = Annotated[
    str | None,
    Query(
        description="Read your writes: answers once the view has what stands at this position.",
        max_length=MAX_ID_BYTES,
        examples=["mabos.tasks.requests:7:42"],
    ),
]


def view_routes(view: AsyncTaskView, queue: Queue) -> APIRouter:
    """The routes of the view. Their paths take the rest of what others have left: include them last."""
    router = APIRouter(prefix="/api")

    @router.get("/tasks", response_model=TaskPage, responses=VIEW_ANSWERS, tags=["tasks"], summary="List tasks")
    async def list_found(
        query: Annotated[TaskQuery, Query()],
        caller: Principal = Depends(needs(Scope.TASKS_READ)),  # noqa: B008 - FastAPI's way
    ) -> Response:
        """Tasks newest first, without payload and result. A search for something rare may stop early, and says so."""
        wanted = TaskFilter(
            agent_id=query.agent_id,
            agents=reach_of(caller),
            action=query.action,
            states=tuple(query.state),
            since=query.since,
            until=query.until,
            text=query.text,
            parent=_link("parent", query.parent_task_id, query.parent_agent_id),
            replay_of=_link("replay_of", query.replay_of_task_id, query.replay_of_agent_id),
            redrive_of=_link("redrive_of", query.redrive_of_task_id, query.redrive_of_agent_id),
        )
        page = await view.ask(list_tasks(wanted, cursor=query.cursor, limit=query.limit))
        shown = [task.to_json(queue, is_whole=False) for task in page.tasks]
        searched_to = None if page.searched_to is None else page.searched_to.isoformat()
        return show({"tasks": shown, "cursor": page.cursor, "searched_to": searched_to})

    @router.get(
        "/tasks/{task_id:path}",
        response_model=WholeTask,
        responses=TASK_ANSWERS,
        tags=["tasks"],
        summary="Look at a task",
    )
    async def show_task(
        request: Request,
        task_id: Annotated[str, Path(description="The task.", examples=["1"])],
        agent_id: AgentId = None,
        position: PositionText = None,
        caller: Principal = Depends(needs(Scope.TASKS_READ)),  # noqa: B008 - FastAPI's way
    ) -> Response:
        """What was asked, and what became of it. With the position that the task was accepted at, it is there."""
        check_id("task_id", task_id)
        note(request.scope, task_id=task_id)
        if position is not None and not await view.ask(wait_until(_read(position, queue), CATCH_UP_S)):
            behind = f"the view has not come to {position} within {CATCH_UP_S:g} s: try again"
            raise Refused(503, behind, headers={"Retry-After": "1"})
        return show((await find_one(view, task_id, agent_id, caller)).to_json(queue))

    @router.get("/agents", response_model=AgentPage, responses=VIEW_ANSWERS, tags=["operations"], summary="List agents")
    async def list_found_agents(
        window_s: Annotated[int, Query(description="How far back their traffic goes.", ge=60, le=7 * 86_400)] = 3600,
        after: Annotated[str | None, Query(description="The last id of the page before.", max_length=255)] = None,
        limit: Limit = DEFAULT_LIMIT,
        caller: Principal = Depends(needs(Scope.OPS_READ)),  # noqa: B008 - FastAPI's way
    ) -> Response:
        """Agents in the order of their ids: what waits for each, and its traffic of late."""
        found = await view.ask(
            list_agents(agents=reach_of(caller), window=timedelta(seconds=window_s), after=after, limit=limit)
        )
        return show({"agents": [agent.to_json() for agent in found]})

    @router.get("/stats", response_model=StatsWindow, responses=VIEW_ANSWERS, tags=["operations"], summary="Count")
    async def show_stats(
        since: Annotated[AwareDatetime, Query(description="RFC 3339, with its zone.")],
        until: Annotated[AwareDatetime, Query(description="RFC 3339, with its zone.")],
        unit: Annotated[Unit, Query(description="How long the parts are.")] = "minute",
        agent_id: AgentId = None,
        action: Action = None,
        caller: Principal = Depends(needs(Scope.OPS_READ)),  # noqa: B008 - FastAPI's way
    ) -> Response:
        """What was asked and answered in a window, whole and in parts."""
        wanted = TaskFilter(agent_id=agent_id, agents=reach_of(caller), action=action, since=since, until=until)
        return show((await view.ask(read_stats(wanted, unit))).to_json())

    return router


async def find_one(view: AsyncTaskView, task_id: str, agent_id: str | None, caller: Principal) -> ViewedTask:
    """The task of that name that the caller may see.

    Raises:
        Refused: There is none (404), or several agents have one (409).
    """
    found = await view.ask(find_tasks(task_id, agent_id, agents=reach_of(caller)))
    if not found:
        raise Refused(404, "the view has no such task; one that was just accepted is there a moment later")
    task, *namesakes = found
    if namesakes:
        agents = ", ".join(task.agent_id for task in found)
        raise Refused(409, f"several agents have a task of that name: say agent_id, one of {agents}")
    return task


def reach_of(caller: Principal) -> tuple[str, ...] | None:
    """The patterns of the agents that a caller may see; None for all."""
    return None if caller.reaches_all else caller.agents


def _link(name: str, task_id: str | None, agent_id: str | None) -> Reference | None:
    if task_id is None and agent_id is None:
        return None
    if task_id is None or agent_id is None:
        missing = "task_id" if task_id is None else "agent_id"
        raise InvalidQuery(f"{name}_{missing}", "is missing: a task is named by its id and its agent")
    return Reference(task_id, agent_id)


def _read(text: str, queue: Queue) -> Position:
    position = read_position("position", text)
    if position is None or position.topic not in queue.topics:
        raise InvalidTask("position", f"is none of the queue {queue.name}")
    return position


def show(shape: Mapping[str, Any]) -> Response:
    """As it is: integers beyond 64 bits stay what they are."""
    return Response(json.dumps(shape, ensure_ascii=False, separators=(",", ":")), media_type="application/json")
