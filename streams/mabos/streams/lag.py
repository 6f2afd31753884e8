"""How far consumer groups are behind in the topics of a queue. It looks, joins no group, and alters nothing."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mabos.consumers.log import read_log
from mabos.kafka.admin import Cluster
from mabos.kafka.errors import BrokerUnavailable, UnknownGroup
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A consumer that belongs to a group."""

    member_id: str
    """The group's name for it."""
    client_id: str
    """What it calls itself."""
    host: str
    """The address that it comes from."""

    def __str__(self) -> str:
        """Short, for people: the end of its id, and where it is."""
        return f"{self.member_id[-8:]}@{self.host}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionLag:
    """How far a group is behind in one partition."""

    topic: str
    partition: int
    committed: int | None
    """The next offset that the group wants; None if it has not committed any."""
    begin: int
    """The oldest offset that is still there."""
    end: int
    """The offset that the next record will get."""
    member: Member | None = None
    """Who has it now; None if nobody does."""
    oldest_at_ms: int | None = None
    """When the oldest record that waits was stored, in ms since the epoch; None if none waits, or nobody can tell."""

    @property
    def next_offset(self) -> int:
        """Where whoever takes it over would read on."""
        return self.begin if self.committed is None else max(self.begin, self.committed)

    @property
    def lag_records(self) -> int:
        """How many offsets wait, tasks in hand included."""
        return max(0, self.end - self.next_offset)

    @property
    def expired_records(self) -> int:
        """How many were gone before the group had done them."""
        return 0 if self.committed is None else max(0, self.begin - self.committed)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupLag:
    """How far a group is behind."""

    group: str
    state: str
    """What Kafka says of it, such as ``stable`` or ``empty``."""
    protocol: str
    """How its partitions are shared out: ``consumer`` is KIP-848, ``classic`` what was before."""
    members: tuple[Member, ...]
    """The consumers that belong to it, also those that have no partition."""
    partitions: tuple[PartitionLag, ...]

    @property
    def lag_records(self) -> int:
        """How many offsets wait in all its partitions."""
        return sum(place.lag_records for place in self.partitions)

    @property
    def oldest_at_ms(self) -> int | None:
        """When the oldest record that waits was stored, in ms since the epoch."""
        return min((place.oldest_at_ms for place in self.partitions if place.oldest_at_ms is not None), default=None)


class LagMeter:
    """Measures the lag of groups in one queue.

    Args:
        settings: Where Kafka is, and the queue.
        cluster: The same Kafka.
        topics: Some topics of the queue; None for all of them.
        finds_ages: Whether it reads since when the oldest record waits.
    """

    def __init__(
        self, settings: Settings, cluster: Cluster, *, topics: Sequence[str] | None = None, finds_ages: bool = True
    ) -> None:
        self._settings, self._cluster, self._finds_ages = settings, cluster, finds_ages
        queue = Queue(name=settings.queue)
        self._topics = topics or (queue.requests, queue.responses, queue.dead_letters, queue.controls)

    def measure(self, group: str) -> GroupLag:
        """The lag of one group, in each topic of the queue that it reads.

        Raises:
            BrokerUnavailable: No broker answers.
            TopicsDiffer: There is no such queue.
            UnknownGroup: There is no such group.
        """
        found = self._cluster.describe_group(group)
        members = [
            Member(member_id=one.member_id, client_id=one.client_id, host=one.host.lstrip("/")) for one in found.members
        ]
        holders = {
            (place.topic, place.partition): member
            for member, one in zip(members, found.members, strict=True)
            for place in one.assignment.topic_partitions
        }
        committed = self._cluster.committed_offsets(group)  # before the ends: what comes meanwhile is lag, never less
        read = {topic for topic, _ in holders} | committed.keys()
        partitions = [
            place
            for topic in self._topics
            if topic in read
            for place in self._look(topic, committed.get(topic, {}), holders)
        ]
        return GroupLag(
            group=group,
            state=found.state.name.lower().replace("_", " "),
            protocol=found.type.name.lower(),
            members=tuple(members),
            partitions=tuple(partitions),
        )

    def measure_all(self) -> list[GroupLag]:
        """The lag of each group that reads a topic of the queue; errors as :meth:`measure`."""
        self._cluster.end_offsets(self._topics[0])  # a queue that is not there is an error, not a queue without groups
        groups = []
        for group in self._cluster.list_groups():
            try:
                found = self.measure(group)
            except UnknownGroup:  # gone meanwhile
                continue
            if found.partitions:
                groups.append(found)
        return groups

    def _look(
        self, topic: str, committed: Mapping[int, int], holders: Mapping[tuple[str, int], Member]
    ) -> Iterable[PartitionLag]:
        begin, end = self._cluster.begin_offsets(topic), self._cluster.end_offsets(topic)
        after = {part: max(committed.get(part, 0), begin[part]) for part in end}
        oldest = self._find_times(topic, {part: offset for part, offset in after.items() if offset < end[part]})
        for part in sorted(end):
            yield PartitionLag(
                topic=topic,
                partition=part,
                committed=committed.get(part),
                begin=begin[part],
                end=end[part],
                member=holders.get((topic, part)),
                oldest_at_ms=oldest.get(part),
            )

    def _find_times(self, topic: str, offsets: Mapping[int, int]) -> dict[int, int]:
        """When the records at these offsets were stored; one that is no record, or cannot be read, is missing."""
        if not self._finds_ages:
            return {}
        one_each = {partition: offset + 1 for partition, offset in offsets.items()}
        try:
            return {
                message.partition() or 0: message.timestamp()[1]
                for message in read_log(self._settings, topic, offsets, one_each, fetch_bytes=1)
            }
        except BrokerUnavailable:
            return {}


def age_s(at_ms: int | None) -> float | None:
    """How long ago a time is, in seconds; not less than 0, since clocks differ."""
    return None if at_ms is None else max(0.0, round(time.time() - at_ms / 1000, 1))
