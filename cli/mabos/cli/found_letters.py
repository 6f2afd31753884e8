"""Dead letters of the view as the command finds and prints them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mabos.cli.output import Output, one_line, print_note, print_record, print_rows
from mabos.cli.spans import read_moment, show_moment
from mabos.gateway.redriveruns import Wanted
from mabos.kafka.position import Position
from mabos.schemas.errors import InvalidTask
from mabos.schemas.jsontext import parse_object
from mabos.streams.letters import LetterFilter, LetterGroup, ViewedLetter
from mabos.streams.redrive_plans import RedrivePlan

_MESSAGE_CHARS = 60
_MAX_REFUSED = 10
_MAX_PARTITION, _MAX_OFFSET = 2**31 - 1, 2**63 - 1

Picks = tuple[str | None, str | None, str | None, str | None, str | None, str | None]
"""What a command picks letters by: agent, action, code, cause, since, until."""


def make_filter(*picks: str | None, redriven: bool | None) -> LetterFilter:
    """The filter of a command's options.

    Args:
        picks: As :data:`Picks` has them.
        redriven: Whether a task was published that does theirs again.

    Raises:
        InvalidTask: A time is none.
        InvalidQuery: Something else is refused; names it.
    """
    agent, action, code, cause, since, until = picks
    is_pattern = agent is not None and "*" in agent
    return LetterFilter(
        agent_id=None if is_pattern else agent,
        agents=(agent,) if agent is not None and is_pattern else None,
        action=action,
        code=code,
        cause_id=cause,
        since=read_moment("--since", since),
        until=read_moment("--until", until),
        is_redriven=redriven,
    )


def make_wanted(positions: Sequence[str], picks: Picks, payload: str | None, topic: str) -> Wanted:
    """Which letters a command wants redriven.

    Raises:
        InvalidTask: What it says is refused; names it.
    """
    if bool(positions) is any(pick is not None for pick in picks):
        raise InvalidTask("POSITION", "say positions, or what letters must fit: --cause, --agent, --since")
    if payload is not None and len(positions) != 1:
        raise InvalidTask("--payload", "is for a single position")
    return Wanted(
        places=tuple(read_place(text, topic) for text in positions),
        fitting=None if positions else make_filter(*picks, redriven=False),
        payload=None if payload is None else parse_object("--payload", payload),
    )


def read_place(text: str, topic: str) -> Position:
    """The position of a letter.

    Raises:
        InvalidTask: It is none.
    """
    try:
        place = Position.parse(text)
    except ValueError:
        raise InvalidTask("POSITION", f'"{text}" is not topic:partition:offset, such as {topic}:7:3') from None
    if place.topic != topic or place.partition > _MAX_PARTITION or place.offset > _MAX_OFFSET:
        raise InvalidTask("POSITION", f"{text} is no position in {topic}")
    return place


def print_letters(letters: Sequence[ViewedLetter], topic: str, output: Output) -> None:
    """Print a list of letters."""
    if output is not Output.TABLE:
        print_rows([letter.to_json(topic) for letter in letters], (), output)
    elif not letters:
        print_note("no dead letter fits")
    else:
        columns = ("died", "agent", "action", "code", "message", "redriven", "position")
        print_rows((_cells(letter, topic) for letter in letters), columns, output)


def print_groups(groups: Sequence[LetterGroup], output: Output) -> None:
    """Print the causes of letters."""
    if output is not Output.TABLE:
        print_rows([group.to_json() for group in groups], (), output)
    elif not groups:
        print_note("no dead letter fits")
    else:
        columns = ("cause", "letters", "waiting", "agents", "newest", "action", "code", "message")
        print_rows(map(_group_cells, groups), columns, output)


def show_letter(whole: Mapping[str, Any]) -> Iterator[str]:
    """The lines that tell of a letter.

    Args:
        whole: Its JSON shape, with what stands in it.
    """
    for name in ("position", "dead_at", "code", "message", "cause_id", "agent_id", "task_id", "action"):
        yield one_line(f"{name.replace('_', ' '):<9} {_show(whole[name])}")
    for name in ("attempts", "origin", "schema_id", "key"):
        yield one_line(f"{name.replace('_', ' '):<9} {_show(whole[name])}")
    yield from (one_line(f"header    {header['name']}: {header['value']}") for header in whole["headers"])
    for task in whole["redriven"]:
        yield one_line(f"redriven  task {task['task_id']} of {task['agent_id']}, {task['state']}")
    if whole["why_not"] is not None:
        yield one_line(f"cannot be redriven: {whole['why_not']}")
    if whole["stack"] is not None:
        yield from ("", "stack", *(f"  {one_line(line)}" for line in whole["stack"].splitlines()))
    if whole["payload"] is not None:
        shown = json.dumps(whole["payload"], ensure_ascii=False, indent=2)
        yield from ("", "payload", *(f"  {one_line(line)}" for line in shown.split("\n")))
    elif whole["raw"] is None:
        yield from ("", "the record is not in the log")
    else:
        yield from ("", "raw, in base64", f"  {whole['raw']}")


def print_plan(plan: RedrivePlan, output: Output) -> None:
    """Print what a plan would publish."""
    if output is not Output.TABLE:
        print_record(plan.to_json(), output)
        return
    print_refused(plan)
    if not plan.steps:
        print_note("there is nothing to redrive")
        return
    shown = plan.to_json()
    print_rows(shown["tasks"], ("letter", "task_id", "agent_id", "action"), output)
    more = f", the first {len(shown['tasks'])} are shown" if len(shown["tasks"]) < len(plan.steps) else ""
    print_note(
        f"{len(plan.steps)} tasks would be published{more}: `mabos dead-letters redrive --plan {plan.plan_id}` does it"
    )


def print_refused(plan: RedrivePlan) -> None:
    """Say which letters are left out, and why."""
    for refusal in plan.refused[:_MAX_REFUSED]:
        print_note(f"left out: {refusal.letter}: {refusal.why}")
    if len(plan.refused) > _MAX_REFUSED:
        print_note(f"left out: {len(plan.refused) - _MAX_REFUSED} more")


def _cells(letter: ViewedLetter, topic: str) -> dict[str, str]:
    return {
        "died": show_moment(letter.dead_at),
        "agent": letter.agent_id or "",
        "action": letter.action or "",
        "code": letter.code,
        "message": _cut(letter.message),
        "redriven": letter.redriven[0].state if letter.redriven else "",
        "position": str(letter.position(topic)),
    }


def _group_cells(group: LetterGroup) -> dict[str, str]:
    return {
        "cause": group.cause_id,
        "letters": str(group.count),
        "waiting": str(group.waiting),
        "agents": str(group.agents),
        "newest": show_moment(group.newest_at),
        "action": group.action or "",
        "code": group.code,
        "message": _cut(group.message),
    }


def _cut(text: str) -> str:
    return text if len(text) <= _MESSAGE_CHARS else text[: _MESSAGE_CHARS - 1] + "…"


def _show(value: object) -> str:
    return "-" if value is None else str(value)
