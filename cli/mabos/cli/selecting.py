"""Options that pick tasks of the past, and what they mean."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated

import typer

from mabos.cli.spans import read_moment_ms
from mabos.consumers.selection import Selection
from mabos.kafka.topics import Queue
from mabos.schemas.events import Status


class Outcome(StrEnum):
    """What became of a task, as people say it."""

    COMPLETED = "completed"
    FAILED = "failed"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    TIMED_OUT = "timed_out"
    UNANSWERED = "unanswered"


AgentOption = Annotated[str | None, typer.Option("--agent", "-a", help="Of this agent: reads its partition only.")]
TaskOption = Annotated[str | None, typer.Option("--task-id", help="Of this name.")]
ActionOption = Annotated[str | None, typer.Option("--action", help="With this action.")]
StatusOption = Annotated[
    list[Outcome] | None,
    typer.Option("--status", metavar="OUTCOME", help=f"With this outcome; repeat for more: {', '.join(Outcome)}."),
]
SinceOption = Annotated[
    str | None,
    typer.Option("--since", help="Asked since: a time (RFC 3339), or how long ago: 90s, 15m, 2h, 7d."),
]
UntilOption = Annotated[str | None, typer.Option("--until", help="Asked before: as --since.")]
FromOption = Annotated[
    list[str] | None,
    typer.Option(
        "--from",
        metavar="PARTITION:OFFSET",
        help="From this offset on; repeat for more partitions. Those that --from and --to do not name are not read.",
    ),
]
ToOption = Annotated[
    list[str] | None, typer.Option("--to", metavar="PARTITION:OFFSET", help="Before this offset; else up to now.")
]

_PLACE = re.compile(r"(\d{1,9}):(\d{1,18})\Z", re.ASCII)


def select(  # noqa: PLR0913, PLR0917 - one parameter per option
    queue: str,
    agent: str | None,
    task_id: str | None,
    action: str | None,
    status: list[Outcome] | None,
    since: str | None,
    until: str | None,
    begin: list[str] | None,
    end: list[str] | None,
) -> Selection:
    """The selection that a command's options mean.

    Raises:
        InvalidTask: A time is none.
        InvalidSelection: They could never select anything.
        BadParameter: A place is none.
    """
    return Selection(
        agent_id=agent,
        task_id=task_id,
        action=action,
        statuses=frozenset(None if one is Outcome.UNANSWERED else Status(one.value) for one in status or ()),
        since_ms=read_moment_ms("--since", since),
        until_ms=read_moment_ms("--until", until),
        begin=read_places("--from", begin or [], queue),
        end=read_places("--to", end or [], queue),
    )


def read_places(name: str, texts: list[str], queue: str) -> dict[int, int]:
    """Offsets by partition, from texts such as ``3:1200``, or a whole position of a request.

    Raises:
        BadParameter: One is neither, or names a partition for the second time.
    """
    places: dict[int, int] = {}
    for text in texts:
        found = _PLACE.match(text.removeprefix(f"{Queue(name=queue).requests}:"))
        if found is None:
            raise typer.BadParameter(f'"{text}" is not PARTITION:OFFSET, such as 3:1200', param_hint=name)
        if int(found[1]) in places:
            raise typer.BadParameter(f"partition {found[1]} is named twice", param_hint=name)
        places[int(found[1])] = int(found[2])
    return places
