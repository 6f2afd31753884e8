"""``GET /api/dead-letters``, ``…/groups``, ``…/{position}``: records that no handler could handle."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Response

from mabos.gateway.access import needs
from mabos.gateway.errors import Refused
from mabos.gateway.events import read_position
from mabos.gateway.lettermodels import GroupQuery, LetterGroups, LetterPage, LetterQuery, WholeLetter
from mabos.gateway.models import Problem
from mabos.gateway.principals import Principal, Scope
from mabos.gateway.views import VIEW_ANSWERS, reach_of, show
from mabos.kafka.position import Position
from mabos.kafka.topics import Queue
from mabos.schemas.errors import InvalidTask
from mabos.streams.letter_contents import LetterReader
from mabos.streams.letter_inquiries import find_letters, group_letters, list_letters
from mabos.streams.letters import LetterFilter
from mabos.streams.view import AsyncTaskView

_LETTER_ANSWERS: dict[int | str, dict[str, Any]] = {
    404: {"model": Problem, "description": "The view has no such letter."},
    **VIEW_ANSWERS,
}
_PLACE = Path(description="topic:partition:offset of the letter.", examples=["mabos.tasks.dead-letters:7:3"])


def letter_routes(view: AsyncTaskView, queue: Queue, reader: LetterReader) -> APIRouter:
    """The routes that show dead letters."""
    router = APIRouter(prefix="/api/dead-letters", tags=["dead letters"])
    topic = queue.dead_letters

    @router.get("", response_model=LetterPage, responses=VIEW_ANSWERS, summary="List dead letters")
    async def list_dead_letters(
        query: Annotated[LetterQuery, Query()],
        caller: Principal = Depends(needs(Scope.OPS_READ)),  # noqa: B008 - FastAPI's way
    ) -> Response:
        """Dead letters, newest first. Those of no known agent are shown to callers who may reach all agents."""
        wanted = filter_of(query, caller)
        page = await view.ask(list_letters(wanted, topic, cursor=query.cursor, limit=query.limit))
        return show({"letters": [letter.to_json(topic) for letter in page.letters], "cursor": page.cursor})

    @router.get("/groups", response_model=LetterGroups, responses=VIEW_ANSWERS, summary="Group dead letters")
    async def group_dead_letters(
        query: Annotated[GroupQuery, Query()],
        caller: Principal = Depends(needs(Scope.OPS_READ)),  # noqa: B008 - FastAPI's way
    ) -> Response:
        """The causes of dead letters: code, action, and message but for numbers, ids and quoted parts."""
        groups = await view.ask(group_letters(filter_of(query, caller), topic))
        return show({"groups": [group.to_json() for group in groups]})

    @router.get("/{position}", response_model=WholeLetter, responses=_LETTER_ANSWERS, summary="Look at a dead letter")
    async def show_dead_letter(
        position: Annotated[str, _PLACE],
        caller: Principal = Depends(needs(Scope.OPS_READ, Scope.TASKS_READ)),  # noqa: B008 - FastAPI's way
    ) -> Response:
        """A dead letter with its record, read from the log, and the stack of the exception that was raised."""
        place = read_place("position", position, topic)
        found = await view.ask(find_letters([(place.partition, place.offset)], topic, agents=reach_of(caller)))
        if not found:
            raise Refused(404, "the view has no such dead letter")
        return show(found[0].to_json(topic) | await asyncio.to_thread(reader.read, place))

    return router


def filter_of(query: GroupQuery, caller: Principal) -> LetterFilter:
    """The letters that a caller asks for, and may see."""
    return LetterFilter(
        agent_id=query.agent_id,
        agents=reach_of(caller),
        action=query.action,
        code=query.code,
        cause_id=query.cause,
        since=query.since,
        until=query.until,
        is_redriven=query.redriven,
    )


def read_place(name: str, text: str, topic: str) -> Position:
    """The position of a letter.

    Raises:
        InvalidTask: It is none.
    """
    place = read_position(name, text)
    if place is None or place.topic != topic:
        raise InvalidTask(name, f"is no position in {topic}")
    return place
