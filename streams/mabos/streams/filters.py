"""Which tasks are wanted: a filter, checked once, and who may see what. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from mabos.streams.errors import InvalidQuery
from mabos.streams.references import Reference
from mabos.streams.task_rows import OUTCOMES

if TYPE_CHECKING:
    from mabos.streams.viewed_task import ViewedTask  # which imports this module

OPEN_STATES = ("queued", "in_progress")
"""The states of tasks that were asked and have no outcome."""
STATES = ("unasked", *OPEN_STATES, *OUTCOMES)
"""What ``state`` may be."""
MAX_TEXT_CHARS = 200

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")  # PostgreSQL takes neither


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFilter:
    """Which tasks are wanted; what is not given leaves nothing out.

    Raises:
        InvalidQuery: A field is refused; names it.
    """

    agent_id: str | None = None
    """Tasks of this agent."""
    agents: tuple[str, ...] | None = None
    """Of agents whose ids fit one of these patterns only, ``*`` standing for any text: what the caller may see."""
    action: str | None = None
    """Tasks of this kind."""
    states: tuple[str, ...] = ()
    """In one of these states."""
    since: datetime | None = None
    """Requested then or later; aware."""
    until: datetime | None = None
    """Requested before; aware."""
    text: str | None = None
    """With this text in the payload, the result or the error's message, in small or capital letters."""
    parent: Reference | None = None
    """Made by the handler of this task."""
    replay_of: Reference | None = None
    """Done again for this task."""
    redrive_of: Reference | None = None
    """Done again for this dead-lettered task."""

    def __post_init__(self) -> None:
        """Refuse by name what cannot be."""
        check_agent_patterns(self.agents)
        links = {"parent": self.parent, "replay_of": self.replay_of, "redrive_of": self.redrive_of}
        for name, link in links.items():
            for part in link or ():
                check_storable(name, part)
        for name, value in (("agent_id", self.agent_id), ("action", self.action), ("text", self.text)):
            check_storable(name, value)
        for state in self.states:
            if state not in STATES:
                raise InvalidQuery("state", f'"{state}" is none: there are {", ".join(STATES)}')
        for name, moment in (("since", self.since), ("until", self.until)):
            if moment is not None and moment.tzinfo is None:
                raise InvalidQuery(name, "has no time zone")
        if self.text is not None and not 0 < len(self.text) <= MAX_TEXT_CHARS:
            raise InvalidQuery("text", f"must have 1 to {MAX_TEXT_CHARS} characters, not {len(self.text)}")

    @property
    def sees_nothing(self) -> bool:
        """Whether no task can fit, since the agent is none of those that the caller may see."""
        if self.agents is None:
            return False
        return not self.agents if self.agent_id is None else not may_see(self.agents, self.agent_id)

    @property
    def sees_all_agents(self) -> bool:
        """Whether the tasks of any agent fit."""
        return self.agent_id is None and narrow(self.agents) is None

    def fits(self, task: ViewedTask) -> bool:
        """Whether a task fits by agent, action, state and time; the text and the links are not looked at."""
        return (
            self.agent_id in (None, task.agent_id)
            and may_see(self.agents, task.agent_id)
            and self.action in (None, task.action)
            and (not self.states or task.state in self.states)
            and (self.since is None or self.since <= task.requested_at)
            and (self.until is None or task.requested_at < self.until)
        )


def check_storable(field: str, value: str | None) -> None:
    """Refuse a text that no row can hold.

    Raises:
        InvalidQuery: It is one; names the field.
    """
    if value is not None and _UNSTORABLE.search(value):
        raise InvalidQuery(field, "must not hold NUL or lone surrogates")


def check_agent_patterns(patterns: Sequence[str] | None) -> None:
    """Refuse patterns that no agent's id can fit.

    Raises:
        InvalidQuery: One is empty or cannot be stored.
    """
    for pattern in patterns or ():
        check_storable("agents", pattern)
        if not pattern:
            raise InvalidQuery("agents", "a pattern must not be empty")


def may_see(patterns: Sequence[str] | None, agent_id: str) -> bool:
    """Whether an agent's id fits one of the patterns; None is everybody."""
    if patterns is None:
        return True
    return any(
        re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), agent_id, re.DOTALL) is not None
        for pattern in patterns
    )


def narrow(patterns: Sequence[str] | None) -> tuple[list[str], list[str]] | None:
    """Patterns as SQL takes them: ids as they are, and what stands in a LIKE; None where all agents fit."""
    if patterns is None or "*" in patterns:
        return None
    return [p for p in patterns if "*" not in p], [to_like(p) for p in patterns if "*" in p]


def to_like(pattern: str) -> str:
    """A pattern of ours as one of LIKE's."""
    return "%".join(escape_like(part) for part in pattern.split("*"))


def escape_like(text: str) -> str:
    """A text that LIKE takes as it is."""
    return re.sub(r"([\\%_])", r"\\\1", text)
