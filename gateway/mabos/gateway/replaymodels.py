"""What goes in and out of the routes of replays, as pydantic models: they check requests and describe the API."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from mabos.consumers.plans import Deadlines
from mabos.consumers.selection import Selection
from mabos.gateway.models import Deadline, Id
from mabos.gateway.replaystore import Kind, ReplayRow, State
from mabos.schemas.errors import InvalidTask
from mabos.schemas.events import Status
from mabos.schemas.fields import to_ms

MAX_RATE_PER_S = 1_000_000.0
_MAX_OFFSET = 2**63 - 1
_ONLY_REPROCESS = ("deadlines", "replays", "rate_per_s")

Outcome = Literal["completed", "failed", "rejected", "cancelled", "expired", "timed_out", "unanswered"]
Offset = Annotated[int | None, Field(ge=0, le=_MAX_OFFSET)]


def _check_text(value: str) -> str:
    if "\0" in value:
        raise InvalidTask("action", "may not hold NUL")
    return value


class Stretch(BaseModel):
    """A stretch of a partition of the requests."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    partition: int = Field(ge=0, le=2**31 - 1, examples=[7])
    begin: Offset = Field(None, description="From this offset on; null for the oldest.", examples=[1200])
    end: Offset = Field(None, description="Before this offset; null for all there is.", examples=[None])


class NewReplay(BaseModel):
    """Which tasks of the past, and what shall become of them. What is not given leaves nothing out."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "examples": [
                {"kind": "inspect", "agent_id": "agent_1", "since": "2030-01-31T12:00:00Z"},
                {"kind": "reprocess", "action": "test", "statuses": ["failed"], "rate_per_s": 50},
            ]
        },
    )

    kind: Kind = Field(description="`inspect` counts them by outcome; `reprocess` publishes them again as new tasks.")
    agent_id: Id | None = Field(None, description="Of this agent: only its partition is read.")
    task_id: Id | None = Field(None, description="Of this name.")
    action: Annotated[str, AfterValidator(_check_text)] | None = Field(
        None, description="Of this kind.", max_length=255
    )
    statuses: list[Outcome] = Field([], description="With one of these outcomes.", max_length=7)
    since: Deadline | None = Field(None, description="Stored then or later; RFC 3339 with its zone.")
    until: Deadline | None = Field(None, description="Stored before; RFC 3339 with its zone.")
    partitions: list[Stretch] = Field([], description="Of these stretches only, one a partition.", max_length=1000)
    deadlines: Deadlines = Field(
        "drop",
        description="Old deadlines: dropped, kept, or shifted by the time that went by since. `reprocess` only.",
    )
    replays: bool = Field(False, description="Take what another replay published, too. `reprocess` only.")
    rate_per_s: float | None = Field(
        200.0,
        description="Publish so many a second; null for as fast as can be. `reprocess` only.",
        ge=0.01,
        le=MAX_RATE_PER_S,
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.kind == "inspect" and self.model_fields_set & set(_ONLY_REPROCESS):
            raise ValueError(f"{', '.join(_ONLY_REPROCESS)} are of a reprocess only")
        if len({stretch.partition for stretch in self.partitions}) < len(self.partitions):
            raise ValueError("partitions: one is named twice")
        return self

    def to_selection(self) -> Selection:
        """The selection that it means.

        Raises:
            InvalidSelection: It could never select anything.
        """
        begin = {one.partition: one.begin or 0 for one in self.partitions if one.begin is not None or one.end is None}
        end = {one.partition: one.end for one in self.partitions if one.end is not None}
        return Selection(
            agent_id=self.agent_id,
            task_id=self.task_id,
            action=self.action,
            statuses=frozenset(None if name == "unanswered" else Status(name) for name in self.statuses),
            since_ms=to_ms("since", self.since),
            until_ms=to_ms("until", self.until),
            begin=begin,
            end=end,
        )


class ReplaySelection(BaseModel):
    """Which tasks it takes."""

    agent_id: str | None = Field(examples=["agent_1"])
    task_id: str | None
    action: str | None = Field(examples=["test"])
    statuses: list[Outcome]
    since: datetime | None
    until: datetime | None
    partitions: list[Stretch]


class ReplayProgress(BaseModel):
    """How far it is; of one that ended, how far it came."""

    done: int = Field(examples=[1200])
    total: int | None = Field(description="Null while nobody knows.", examples=[5000])
    unit: str = Field(description="`records` while it reads, `tasks` while it publishes.", examples=["tasks"])
    rate_per_s: float | None = Field(description="How many it does a second.", examples=[49.8])
    seconds_left: float | None = Field(description="About how long it goes on; null unless it runs.", examples=[76.3])


class ReplayCount(BaseModel):
    """Tasks of one action, and of one outcome where outcomes were looked at."""

    action: str | None = Field(examples=["test"])
    outcome: Outcome | None = Field(description="Null where it was not looked at: a reprocess does not.")
    tasks: int = Field(examples=[5000])


class ReplayCounts(BaseModel):
    """What an inspection found, or a reprocess would publish."""

    tasks: int = Field(description="All of them.", examples=[5000])
    rows: list[ReplayCount] = Field(description="The most first.")
    passed_over: int = Field(description="Left out because another replay published them.", examples=[0])


class Replay(BaseModel):
    """A replay: a job of one gateway that every gateway can show, stop and go on with."""

    replay_id: str = Field(examples=["01980c5e-2f4b-7d3c-9a51-0d6c1a7f3b21"])
    kind: Kind
    state: State = Field(
        description="`counting`: a reprocess counts what it would publish. `ready`: it has, and waits for `apply`. "
        "`running`: it looks, or publishes. `interrupted`: its gateway is gone. `apply` goes on with a reprocess that "
        "is stopped, failed or interrupted once it has counted.",
        examples=["ready"],
    )
    selection: ReplaySelection
    deadlines: Deadlines
    replays: bool
    rate_per_s: float | None = Field(description="How many tasks a second it may publish.", examples=[50.0])
    created_by: str = Field(examples=["key:0123456789ab"])
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    progress: ReplayProgress
    counts: ReplayCounts | None = Field(description="Null until it has counted.")
    remarks: list[str] = Field(
        description="What was asked for and is not in the log.",
        examples=[["what was before is gone: the log begins at 3:17"]],
    )
    error: str | None = Field(description="Why it failed.")
    published: int | None = Field(
        description="How many of its tasks are published; null for one that never published.", examples=[1200]
    )


class ReplayList(BaseModel):
    """Replays, newest first: the newest 200 are kept."""

    replays: list[Replay]


def show_replay(row: ReplayRow) -> Replay:
    """A replay as the API shows it."""
    left, is_active = None, row.state in ("counting", "running")
    if is_active and row.total is not None and row.speed_per_s:
        left = round(max(0, row.total - row.done) / row.speed_per_s, 1)
    return Replay.model_validate(
        {
            **{name: getattr(row, name) for name in Replay.model_fields if hasattr(row, name)},
            "selection": {name: row.wanted[name] for name in ReplaySelection.model_fields},
            "deadlines": row.wanted["deadlines"],
            "replays": row.wanted["replays"],
            "progress": {
                "done": row.done,
                "total": row.total,
                "unit": row.unit,
                "rate_per_s": row.speed_per_s,
                "seconds_left": left,
            },
        }
    )
