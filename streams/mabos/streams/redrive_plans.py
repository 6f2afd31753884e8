"""The plan of a redrive: which dead letters are published again as new tasks, under which names. Pure.

What it says is all that can be done by it. The name of a new task comes from the plan and the letter, so a plan that is
applied twice names no task anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, Self
from uuid import UUID, uuid5

from mabos.kafka.position import Position
from mabos.schemas.fields import new_task_id
from mabos.streams.letters import ViewedLetter
from mabos.streams.references import Reference
from mabos.streams.viewed_task import show_time

MAX_LETTERS = 10_000
"""The most dead letters of one plan."""
LIFE = timedelta(days=1)
"""How long a plan can be applied, and looked at."""

_SHOWN = 100


class Refusal(NamedTuple):
    """A letter that is not redriven."""

    letter: str
    """Its position."""
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A letter that is redriven."""

    partition: int
    offset: int
    task_id: str
    """The name of the new task."""
    agent_id: str
    action: str | None
    old_task_id: str
    """The task that the new one names as its own before: see :meth:`mabos.streams.letters.ViewedLetter.reference`."""

    def position(self, topic: str) -> Position:
        """Where the letter stands."""
        return Position(topic, self.partition, self.offset)


@dataclass(frozen=True, slots=True, kw_only=True)
class RedrivePlan:
    """What would be published, and what not."""

    queue: str
    """The queue."""
    topic: str
    """Its dead letters."""
    plan_id: str = field(default_factory=new_task_id)
    """A UUID."""
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    """When it was made; aware."""
    steps: tuple[Step, ...] = ()
    """By partition and offset: an agent's tasks in the order of their death."""
    refused: tuple[Refusal, ...] = ()
    """Letters that were asked for and are left out."""
    oldest_at: datetime | None = None
    """When the first of the letters died."""
    newest_at: datetime | None = None
    """When the last of them did."""
    has_more: bool = False
    """Whether more letters fit than one plan holds; these are the oldest."""
    payload_json: str | None = None
    """What is asked instead, of a single letter; None to ask what was asked."""

    @property
    def expires_at(self) -> datetime:
        """From when on it is forgotten."""
        return self.created_at + LIFE

    @property
    def agents(self) -> set[str]:
        """The agents of its tasks."""
        return {step.agent_id for step in self.steps}

    def to_json(self, applied_at: datetime | None = None) -> dict[str, Any]:
        """The JSON shape for people and programs: of tasks and refusals the first hundred."""
        return {
            "plan_id": self.plan_id,
            "count": len(self.steps),
            "agents": len(self.agents),
            "oldest_at": show_time(self.oldest_at),
            "newest_at": show_time(self.newest_at),
            "expires_at": show_time(self.expires_at),
            "applied_at": show_time(applied_at),
            "has_more": self.has_more,
            "tasks": [
                {
                    "letter": str(step.position(self.topic)),
                    "task_id": step.task_id,
                    "agent_id": step.agent_id,
                    "action": step.action,
                }
                for step in self.steps[:_SHOWN]
            ],
            "refused": [refusal._asdict() for refusal in self.refused[:_SHOWN]],
            "refused_count": len(self.refused),
        }

    def to_row(self) -> dict[str, Any]:
        """All of it as a JSON object, which :meth:`from_row` reads."""
        found: dict[str, Any] = asdict(self)
        found["refused"] = [list(refusal) for refusal in self.refused]
        for name in ("created_at", "oldest_at", "newest_at"):
            found[name] = None if found[name] is None else found[name].isoformat()
        return found

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """The plan in such an object."""
        values = dict(row)
        for name in ("created_at", "oldest_at", "newest_at"):
            values[name] = None if values[name] is None else datetime.fromisoformat(values[name])
        values["steps"] = tuple(Step(**step) for step in values["steps"])
        values["refused"] = tuple(Refusal(*refusal) for refusal in values["refused"])
        return cls(**values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What a plan is made of."""

    queue: str
    topic: str
    letters: tuple[ViewedLetter, ...]
    """The letters that were chosen."""
    missing: tuple[Refusal, ...] = ()
    """What was asked for and is not there."""
    unreadable: Mapping[tuple[int, int], str] = field(default_factory=dict)
    """Letters that are not as they must be, by partition and offset, with the reason."""
    has_more: bool = False
    payload_json: str | None = None


def make_plan(draft: Draft) -> RedrivePlan:
    """The plan for the letters that were chosen: of several letters of one task, one is taken."""
    plan = RedrivePlan(queue=draft.queue, topic=draft.topic)
    taken: dict[Reference, ViewedLetter] = {}
    refused = list(draft.missing)
    for letter in sorted(draft.letters, key=lambda letter: (letter.partition, letter.offset)):
        reference = letter.reference(draft.topic)
        why = _refuse(letter, draft) or (
            "another letter of this plan is of the same task" if reference in taken else None
        )
        if why is None and reference is not None:
            taken[reference] = letter
        else:
            refused.append(Refusal(str(letter.position(draft.topic)), why or ""))
    times = [letter.dead_at for letter in taken.values()]
    return RedrivePlan(
        queue=draft.queue,
        topic=draft.topic,
        plan_id=plan.plan_id,
        created_at=plan.created_at,
        steps=tuple(_steps(plan, taken.items())),
        refused=tuple(refused),
        oldest_at=min(times, default=None),
        newest_at=max(times, default=None),
        has_more=draft.has_more,
        payload_json=draft.payload_json,
    )


def _refuse(letter: ViewedLetter, draft: Draft) -> str | None:
    if letter.why_not is not None:
        return letter.why_not
    if letter.redriven_as is not None:
        return f"it is redriven already: task {letter.redriven_as.task_id} is {letter.redriven_as.state}"
    return draft.unreadable.get((letter.partition, letter.offset))


def _steps(plan: RedrivePlan, taken: Iterable[tuple[Reference, ViewedLetter]]) -> Iterable[Step]:
    for reference, letter in taken:
        yield Step(
            partition=letter.partition,
            offset=letter.offset,
            task_id=str(uuid5(UUID(plan.plan_id), str(letter.position(plan.topic)))),
            agent_id=reference.agent_id,
            action=letter.action,
            old_task_id=reference.task_id,
        )
