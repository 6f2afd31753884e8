"""What the routes of the view give, as pydantic models: they describe the API; the view has checked what it holds."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from mabos.streams.filters import MAX_TEXT_CHARS
from mabos.streams.inquiries import DEFAULT_LIMIT

MAX_PAGE = 500
"""The most tasks or agents of a page."""

State = Literal[
    "unasked", "queued", "in_progress", "completed", "failed", "rejected", "cancelled", "expired", "timed_out"
]
Unit = Literal["minute", "hour", "day"]


class TaskQuery(BaseModel):
    """Which tasks are wanted; what is not given leaves nothing out."""

    model_config = ConfigDict(extra="forbid")

    agent_id: str | None = Field(None, description="Of this agent.", min_length=1, max_length=255, examples=["agent_1"])
    action: str | None = Field(None, description="Of this kind.", min_length=1, max_length=255, examples=["test"])
    state: list[State] = Field([], description="In one of these states.")
    since: AwareDatetime | None = Field(None, description="Requested then or later.")
    until: AwareDatetime | None = Field(None, description="Requested before.")
    text: str | None = Field(
        None, description="With this text in payload, result or error.", min_length=1, max_length=MAX_TEXT_CHARS
    )
    parent_task_id: str | None = Field(None, description="Sent by the handler of this task.", max_length=255)
    parent_agent_id: str | None = Field(None, description="That task's agent: both, or neither.", max_length=255)
    replay_of_task_id: str | None = Field(None, description="Doing this task again.", max_length=255)
    replay_of_agent_id: str | None = Field(None, description="That task's agent.", max_length=255)
    redrive_of_task_id: str | None = Field(None, description="Doing this dead-lettered task again.", max_length=255)
    redrive_of_agent_id: str | None = Field(None, description="That task's agent.", max_length=255)
    cursor: str | None = Field(None, description="Where the page before said that it goes on.", max_length=2000)
    limit: int = Field(DEFAULT_LIMIT, description="The most tasks of the page.", ge=1, le=MAX_PAGE)


class TaskReference(BaseModel):
    """Another task."""

    task_id: str = Field(examples=["1"])
    agent_id: str = Field(examples=["agent_1"])


class Caller(BaseModel):
    """Who asks, as the gateway knows it, and what that caller may do."""

    name: str = Field(description="`local` where the gateway is open.", examples=["key:3f9a2c41d07b"])
    scopes: list[str] = Field(examples=[["tasks:read", "tasks:write"]])
    agents: list[str] = Field(description="Patterns of agents, `*` for any text.", examples=[["*"]])


class TaskPositions(BaseModel):
    """Where a task stands in the log: topic:partition:offset each, null where there is nothing yet."""

    request: str | None = Field(examples=["mabos.tasks.requests:7:42"])
    progress: str | None
    response: str | None = Field(examples=["mabos.tasks.responses:7:42"])


class TaskFailure(BaseModel):
    """Why a task did not complete."""

    code: str = Field(description="A word for programs.", examples=["handler_failed"])
    message: str | None = Field(description="A line for people.")
    retryable: bool | None = Field(description="Whether sending the task again could help.")


class TaskSummary(BaseModel):
    """A task as lists have it. Times are those of the log; `started_at` is the worker's."""

    task_id: str = Field(examples=["1"])
    agent_id: str = Field(examples=["agent_1"])
    action: str | None = Field(description="The payload's `action`.", examples=["test"])
    state: State = Field(
        description="`queued`, `in_progress`, or how it ended; `unasked` while nothing but a cancel was read.",
        examples=["completed"],
    )
    requested_at: datetime
    started_at: datetime | None
    answered_at: datetime | None
    progress_at: datetime | None
    cancel_requested_at: datetime | None
    deadline: datetime | None
    wait_ms: int | None = Field(description="How long it waited before it ran.", examples=[12])
    run_ms: int | None = Field(description="How long it ran.", examples=[250])
    attempt: int | None = Field(description="Which attempt answered.", examples=[1])
    error: TaskFailure | None
    cancel_reason: str | None
    duplicates: int = Field(description="How many more times it was asked.", examples=[0])
    superseded: int = Field(
        description="How many answers came after the outcome; they count for nothing.", examples=[0]
    )
    parent: TaskReference | None = Field(description="The task whose handler sent this one.")
    replay_of: TaskReference | None = Field(description="The task that this one does again.")
    redrive_of: TaskReference | None = Field(description="The dead-lettered task that this one does again.")
    positions: TaskPositions


class WholeTask(TaskSummary):
    """A task with what was asked and answered: JSON objects, or text as it is where a foreign program sent no JSON."""

    payload: dict[str, object] | str | None = Field(examples=[{"action": "test"}])
    result: dict[str, object] | str | None = Field(examples=[{"members": 1}])
    progress: dict[str, object] | str | None


class TaskPage(BaseModel):
    """A page of tasks, newest first."""

    tasks: list[TaskSummary]
    cursor: str | None = Field(description="Ask with it for the next page; null when there is none.")
    searched_to: datetime | None = Field(
        description="Set when a search stopped early: older tasks were not looked at; `cursor` goes on there."
    )


class Percentiles(BaseModel):
    """Of durations, in ms; null where nothing was measured. Never too low, at most a fifth too high."""

    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


class Traffic(BaseModel):
    """What was asked and answered in some time."""

    requested: int = Field(examples=[120])
    answered: int = Field(examples=[118])
    outcomes: dict[str, int] = Field(
        description="Tasks answered, by state.", examples=[{"completed": 117, "failed": 1}]
    )
    wait: Percentiles
    run: Percentiles


class Agent(Traffic):
    """An agent: what waits for it, and its traffic of late."""

    agent_id: str = Field(examples=["agent_1"])
    waiting: int = Field(description="Tasks without an outcome.", examples=[2])
    oldest_waiting_at: datetime | None
    requested_per_s: float
    answered_per_s: float


class AgentPage(BaseModel):
    """Agents in the order of their ids."""

    agents: list[Agent]


class StatsPart(Traffic):
    """A minute, an hour or a day."""

    begin: datetime
    queued: int | None = Field(
        description="The most tasks that waited at a moment of it; null where that was not sampled, as before the view "
        "was up to date, or when it is asked of some agents or of one action.",
        examples=[3],
    )
    oldest_waiting_s: float | None = Field(
        description="The longest that a task had waited at a moment of it; 0 where nothing waited, null as `queued`.",
        examples=[1.25],
    )


class StatsWindow(BaseModel):
    """The traffic of a window; parts without traffic and without samples of what waited are left out."""

    total: Traffic
    stretches: list[StatsPart]
