"""What the routes of dead letters take and give, as pydantic models."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from mabos.gateway.viewmodels import MAX_PAGE, State
from mabos.schemas.errors import InvalidTask
from mabos.streams.inquiries import DEFAULT_LIMIT
from mabos.streams.redrive_plans import MAX_LETTERS

_POSITION = "mabos.tasks.dead-letters:7:3"
_CAUSE = "9f86d081884c7d65"


class GroupQuery(BaseModel):
    """Which dead letters are wanted; what is not given leaves nothing out."""

    model_config = ConfigDict(extra="forbid")

    agent_id: str | None = Field(None, description="Of this agent.", min_length=1, max_length=255, examples=["agent_1"])
    action: str | None = Field(None, description="Of this kind.", min_length=1, max_length=255, examples=["test"])
    code: str | None = Field(None, description="With this code.", min_length=1, max_length=100)
    cause: str | None = Field(None, description="Of this cause.", min_length=1, max_length=64, examples=[_CAUSE])
    since: AwareDatetime | None = Field(None, description="Dead then or later.")
    until: AwareDatetime | None = Field(None, description="Dead before.")
    redriven: bool | None = Field(None, description="Whether a task was published that does theirs again.")


class LetterQuery(GroupQuery):
    """Which dead letters are wanted, and how many at a time."""

    cursor: str | None = Field(None, description="Where the page before said that it goes on.", max_length=100)
    limit: int = Field(DEFAULT_LIMIT, description="The most letters of the page.", ge=1, le=MAX_PAGE)


class RedrivenTask(BaseModel):
    """A task that does a dead letter's again."""

    task_id: str = Field(examples=["0d4c1c1e-6c3a-5b0e-9d63-6f2c0b1a9f11"])
    agent_id: str = Field(examples=["agent_1"])
    state: State


class Letter(BaseModel):
    """A dead letter: a record that no handler could handle."""

    position: str = Field(description="topic:partition:offset of the letter.", examples=[_POSITION])
    dead_at: datetime
    code: str = Field(description="Why, a word for programs.", examples=["handler_failed"])
    message: str = Field(description="Why, a line for people.", examples=["ValueError: no such customer"])
    cause_id: str = Field(description="The same for all letters of one cause.", examples=[_CAUSE])
    agent_id: str | None = Field(
        description="The agent, or what the record says is one; null where none is known.", examples=["agent_1"]
    )
    task_id: str | None = Field(description="The task; null where the record was not decodable.", examples=["1"])
    action: str | None = Field(description="The payload's `action`.", examples=["test"])
    attempts: int | None = Field(description="How many attempts were made.", examples=[3])
    origin: str | None = Field(description="Where the request stands.", examples=["mabos.tasks.requests:7:42"])
    redriven: list[RedrivenTask] = Field(description="The tasks that do its own again, the newest first.")
    can_redrive: bool = Field(description="Whether it can be redriven, as far as the view knows.")
    why_not: str | None = Field(description="Why it cannot be.", examples=[None])


class LetterHeader(BaseModel):
    """A header of the record, as text."""

    name: str
    value: str


class WholeLetter(Letter):
    """A dead letter with the record in it, read from the log; of one that the log no more has, all of that is null."""

    stack: str | None = Field(description="The stack of the exception that its handler raised.")
    headers: list[LetterHeader] = Field(description="The headers that the record had.")
    key: str | None = Field(description="The record's key, as text.", examples=["agent_1"])
    payload: dict[str, object] | str | None = Field(
        description="What was asked, where the record is decodable by now.", examples=[{"action": "test"}]
    )
    raw: str | None = Field(description="The record's value in base64; null where it was left out.")
    schema_id: int | None = Field(description="The schema that it was written with, as it says.", examples=[1])


class LetterPage(BaseModel):
    """A page of dead letters, newest first."""

    letters: list[Letter]
    cursor: str | None = Field(description="Ask with it for the next page; null when there is none.")


class LetterGroup(BaseModel):
    """What dead letters of one cause have in common."""

    cause_id: str = Field(examples=[_CAUSE])
    code: str = Field(description="A word for programs.", examples=["handler_failed"])
    message: str = Field(description="That of the newest.", examples=["ValueError: no such customer"])
    action: str | None = Field(examples=["test"])
    count: int = Field(description="How many letters.", examples=[12])
    waiting: int = Field(description="Of those, letters that were not redriven.", examples=[12])
    agents: int = Field(description="How many agents they are of.", examples=[3])
    oldest_at: datetime
    newest_at: datetime


class LetterGroups(BaseModel):
    """The causes of dead letters, the most frequent first, 200 at most."""

    groups: list[LetterGroup]


class NewRedrive(BaseModel):
    """Which dead letters to redrive: those at some positions, or those that fit and were not redriven yet."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"positions": [_POSITION]},
                {"positions": [_POSITION], "payload": {"action": "test"}},
                {"cause_id": _CAUSE, "agent_id": "agent_1"},
            ]
        },
    )

    positions: list[str] = Field(
        [], description="topic:partition:offset of each; without any, all that fit the rest.", max_length=MAX_LETTERS
    )
    cause_id: str | None = Field(None, description="Of this cause.", min_length=1, max_length=64)
    agent_id: str | None = Field(None, description="Of this agent.", min_length=1, max_length=255)
    action: str | None = Field(None, description="Of this kind.", min_length=1, max_length=255)
    code: str | None = Field(None, description="With this code.", min_length=1, max_length=100)
    since: AwareDatetime | None = Field(None, description="Dead then or later.")
    until: AwareDatetime | None = Field(None, description="Dead before.")
    payload: dict[str, object] | None = Field(
        None, description="What to ask instead of what was asked; of a single position only."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        """Refuse what leaves open which letters are meant."""
        fitting = (self.cause_id, self.agent_id, self.action, self.code, self.since, self.until)
        if bool(self.positions) is any(value is not None for value in fitting):
            raise InvalidTask("positions", "say positions, or what letters must fit: a cause, an agent, a time")
        if self.payload is not None and len(self.positions) != 1:
            raise InvalidTask("payload", "is for a single position")
        return self


class PlannedTask(BaseModel):
    """A task that a plan publishes."""

    letter: str = Field(description="The position of its letter.", examples=[_POSITION])
    task_id: str = Field(description="Its name.", examples=["0d4c1c1e-6c3a-5b0e-9d63-6f2c0b1a9f11"])
    agent_id: str = Field(examples=["agent_1"])
    action: str | None = Field(examples=["test"])


class RefusedLetter(BaseModel):
    """A letter that is not redriven."""

    letter: str = Field(examples=[_POSITION])
    why: str = Field(examples=["the record is still no task request"])


class RedrivePlan(BaseModel):
    """What a redrive would publish, or has published."""

    plan_id: str = Field(examples=["0191f0c2-6c3a-7b0e-9d63-6f2c0b1a9f11"])
    count: int = Field(description="How many tasks.", examples=[12])
    agents: int = Field(description="Of how many agents.", examples=[3])
    oldest_at: datetime | None = Field(description="When the first of the letters died.")
    newest_at: datetime | None = Field(description="When the last of them did.")
    expires_at: datetime = Field(description="Until then it can be applied.")
    applied_at: datetime | None = Field(description="When all of it was published.")
    has_more: bool = Field(description="Whether more letters fit than one plan holds: these are the oldest.")
    tasks: list[PlannedTask] = Field(description="The first hundred.")
    refused: list[RefusedLetter] = Field(description="Letters that are left out, the first hundred.")
    refused_count: int = Field(description="How many letters are left out.", examples=[0])


class PublishedTask(BaseModel):
    """A task that was published."""

    letter: str = Field(examples=[_POSITION])
    task_id: str = Field(examples=["0d4c1c1e-6c3a-5b0e-9d63-6f2c0b1a9f11"])
    position: str = Field(examples=["mabos.tasks.requests:7:42"])


class RedriveApplied(BaseModel):
    """What a redrive has published."""

    plan_id: str = Field(examples=["0191f0c2-6c3a-7b0e-9d63-6f2c0b1a9f11"])
    published: int = Field(examples=[12])
    tasks: list[PublishedTask]
    refused: list[RefusedLetter] = Field(description="Letters of the plan that could not be published after all.")
