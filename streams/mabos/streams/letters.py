"""Dead letters as the view has them: which are wanted, rows, cursors, groups, and their JSON shapes. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, Self

from mabos.kafka.position import Position
from mabos.streams.errors import InvalidQuery
from mabos.streams.filters import check_agent_patterns, check_storable, may_see
from mabos.streams.references import Reference
from mabos.streams.viewed_task import show_time

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_CURSOR = re.compile(r"1-(\d{1,17})-(\d{1,10})-(\d{1,19})", re.ASCII)
_AT_WORK = frozenset({"queued", "in_progress", "completed"})
_WHY_NOT = {
    "bad_key": "its key is not the id of its agent: publish the task anew",
    "left_out": "the record was too large for a letter, so it is not kept",
    "undecodable": "the record is no task request",
}
MAY_BECOME_READABLE = frozenset({"unknown_schema"})
"""Codes of records that may be decodable by now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterFilter:
    """Which dead letters are wanted; what is not given leaves nothing out.

    Raises:
        InvalidQuery: A field is refused; names it.
    """

    agent_id: str | None = None
    """Of this agent."""
    agents: tuple[str, ...] | None = None
    """Of agents whose ids fit one of these patterns only: what the caller may see; no letter without one."""
    action: str | None = None
    """Of tasks of this kind."""
    code: str | None = None
    """With this code."""
    cause_id: str | None = None
    """Of this cause."""
    since: datetime | None = None
    """Dead then or later; aware."""
    until: datetime | None = None
    """Dead before; aware."""
    is_redriven: bool | None = None
    """Whether a task was published that does theirs again."""

    def __post_init__(self) -> None:
        """Refuse by name what cannot be."""
        check_agent_patterns(self.agents)
        for name in ("agent_id", "action", "code", "cause_id"):
            check_storable(name, getattr(self, name))
        for name, moment in (("since", self.since), ("until", self.until)):
            if moment is not None and moment.tzinfo is None:
                raise InvalidQuery(name, "has no time zone")

    @property
    def sees_nothing(self) -> bool:
        """Whether no letter can fit, since the agent is none of those that the caller may see."""
        if self.agents is None:
            return False
        return not self.agents if self.agent_id is None else not may_see(self.agents, self.agent_id)


class LetterCursor(NamedTuple):
    """A letter's place in the order of lists: what comes after it is next."""

    dead_at: datetime
    partition: int
    offset: int

    def __str__(self) -> str:
        """The text form, which :meth:`parse` reads."""
        return f"1-{(self.dead_at - _EPOCH) // _MICROSECOND}-{self.partition}-{self.offset}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The cursor that a text means.

        Raises:
            InvalidQuery: It is none that a list gave.
        """
        refused = InvalidQuery("cursor", "is none that a list gave: leave it out to begin at the newest letter")
        found = _CURSOR.fullmatch(text)
        if found is None:
            raise refused
        at_us, partition, offset = map(int, found.groups())
        if partition >= 2**31 or offset >= 2**63:
            raise refused
        return cls(_EPOCH + at_us * _MICROSECOND, partition, offset)


class Redriven(NamedTuple):
    """A task that does a dead letter's again."""

    task_id: str
    agent_id: str
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewedLetter:
    """A row of ``dead_letters``; the comments of its columns say what each field means. Times are aware, in UTC."""

    dead_at: datetime
    partition: int
    offset: int
    code: str
    message: str
    cause_id: str
    agent_id: str | None
    task_id: str | None
    action: str | None
    attempts: int | None
    is_whole: bool
    origin: str | None
    redriven: tuple[Redriven, ...]
    """The tasks that do its own again, the newest first."""

    @classmethod
    def from_row(cls, row: Sequence[Any]) -> Self:
        """The letter of a row, whose values stand in the order of the fields."""
        *values, redriven = row
        return cls(**dict(zip(cls.__slots__, values, strict=False)), redriven=tuple(Redriven(*r) for r in redriven))

    @property
    def cursor(self) -> LetterCursor:
        """Its place in the order of lists."""
        return LetterCursor(self.dead_at, self.partition, self.offset)

    @property
    def why_not(self) -> str | None:
        """Why it cannot be redriven; None where, as far as the view knows, it can."""
        if not self.is_whole:
            return _WHY_NOT["left_out"]
        if self.code == "bad_key":
            return _WHY_NOT["bad_key"]
        if self.agent_id is None or (self.task_id is None and self.code not in MAY_BECOME_READABLE):
            return _WHY_NOT["undecodable"]
        return None

    @property
    def redriven_as(self) -> Redriven | None:
        """A task that does its own again, and is under way or completed; None where there is none."""
        return next((task for task in self.redriven if task.state in _AT_WORK), None)

    def position(self, topic: str) -> Position:
        """Where it stands in its topic."""
        return Position(topic, self.partition, self.offset)

    def reference(self, topic: str) -> Reference | None:
        """What a task that does it again names: its task, or where that was never known, the letter itself."""
        if self.agent_id is None:
            return None
        return Reference(self.task_id or str(self.position(topic)), self.agent_id)

    def to_json(self, topic: str) -> dict[str, Any]:
        """The JSON shape, times as RFC 3339 text."""
        return {
            "position": str(self.position(topic)),
            "dead_at": show_time(self.dead_at),
            "code": self.code,
            "message": self.message,
            "cause_id": self.cause_id,
            "agent_id": self.agent_id,
            "task_id": self.task_id,
            "action": self.action,
            "attempts": self.attempts,
            "origin": self.origin,
            "redriven": [task._asdict() for task in self.redriven],
            "can_redrive": self.why_not is None,
            "why_not": self.why_not,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterGroup:
    """What letters of one cause have in common."""

    cause_id: str
    code: str
    action: str | None
    count: int
    waiting: int
    """Of those, letters that were not redriven."""
    agents: int
    """How many agents they are of."""
    oldest_at: datetime
    newest_at: datetime
    message: str
    """Of the newest."""

    @classmethod
    def from_row(cls, row: Sequence[Any]) -> Self:
        """The group of a row, whose values stand in the order of the fields."""
        return cls(**dict(zip(cls.__slots__, row, strict=True)))

    def to_json(self) -> dict[str, Any]:
        """The JSON shape, times as RFC 3339 text."""
        shape: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        return shape | {"oldest_at": show_time(self.oldest_at), "newest_at": show_time(self.newest_at)}
