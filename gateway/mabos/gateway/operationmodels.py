"""What the operators' routes give, as pydantic models: they describe the API."""

from __future__ import annotations

from pydantic import BaseModel, Field


class WorkerPartition(BaseModel):
    """A partition of the requests, and how far its group is behind in it."""

    partition: int = Field(examples=[7])
    lag: int = Field(description="How many tasks wait, those in hand included.", examples=[2])
    committed: int | None = Field(
        description="The next offset that the group wants; null if it has not committed any.", examples=[40]
    )
    end: int = Field(description="The offset that the next task will get.", examples=[42])
    expired: int = Field(description="How many tasks the log dropped before the group had done them.", examples=[0])


class Worker(BaseModel):
    """A member of the group. One without partitions stands by."""

    member_id: str = Field(description="The group's name for it.", examples=["aUxvvVmtSPyxwg2FwO0ywg"])
    client_id: str = Field(description="What it calls itself.", examples=["mabos-worker"])
    host: str = Field(description="The address that it comes from.", examples=["10.0.0.7"])
    partitions: list[WorkerPartition]
    lag: int = Field(description="How many tasks wait in its partitions.", examples=[2])


class Workers(BaseModel):
    """The workers of a group."""

    group: str | None = Field(description="Null if no group has worked on the queue yet.", examples=["mabos"])
    state: str = Field(
        description="What Kafka says of it, such as `stable`, `empty` or `reconciling`; `absent` if it is not there.",
        examples=["stable"],
    )
    protocol: str | None = Field(
        description="`consumer` (KIP-848) or `classic`; null if the group is absent.", examples=["consumer"]
    )
    members: list[Worker]
    unassigned: list[WorkerPartition] = Field(description="Partitions that no member has.")
    lag: int = Field(description="How many tasks wait in all partitions.", examples=[2])
    others: list[str] = Field(description="Other groups that read the queue's requests.", examples=[[]])


class Topic(BaseModel):
    """A topic of the queue; of one that is missing, what is wanted."""

    name: str = Field(examples=["mabos.tasks.requests"])
    exists: bool
    partitions: int = Field(examples=[12])
    replicas: int = Field(description="Copies of each partition.", examples=[3])
    records: int | None = Field(
        description="Offsets from the oldest record to the end; null while a partition has no leader.", examples=[1042]
    )
    retention_ms: int | None = Field(description="How long it keeps a record; null for ever.", examples=[604_800_000])
    cleanup_policy: str = Field(examples=["delete"])
    in_sync: bool = Field(description="Whether it is there with all its copies.")
    lagging_partitions: int = Field(description="Partitions with a copy that is behind, or away.", examples=[0])
    leaderless_partitions: int = Field(description="Partitions that nobody can write or read.", examples=[0])
    drift: list[str] = Field(
        description="What is not as wanted, a line each; `mabos topics apply` mends what is safe to mend.",
        examples=[["retention.ms is 1000, wanted 604800000"]],
    )


class TopicList(BaseModel):
    """The topics of the queue."""

    topics: list[Topic]
