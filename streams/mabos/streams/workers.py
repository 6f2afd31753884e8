"""Who does the tasks of a queue: the members of the group that works on it, and how far behind each is."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from mabos.kafka.admin import Cluster
from mabos.kafka.errors import UnknownGroup
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from mabos.streams.lag import GroupLag, LagMeter, Member, PartitionLag

NOBODY = "absent"
"""The state of a group that is not there, or reads none of the queue's requests."""
_REMEMBER_S = 10.0  # which groups there are: to find out costs a question for each group of the cluster that is empty
_MAX_GROUPS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerLag:
    """A worker, and how far behind it is."""

    member: Member
    """The worker."""
    partitions: tuple[PartitionLag, ...]
    """Those of the requests that it has; none where there are more workers than partitions."""

    @property
    def lag_records(self) -> int:
        """How many tasks wait in its partitions, those in its hand included."""
        return sum(place.lag_records for place in self.partitions)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerGroup:
    """The workers of a group."""

    group: str | None
    """The group; None if none has worked on the queue yet."""
    state: str
    """What Kafka says of it, such as ``stable`` or ``empty``; or :data:`NOBODY`."""
    protocol: str | None
    """How its partitions are shared out: ``consumer`` is KIP-848, ``classic`` what was before; None if it is absent."""
    workers: tuple[WorkerLag, ...] = ()
    """Its members, by host and id."""
    unassigned: tuple[PartitionLag, ...] = ()
    """Partitions that nobody has."""
    others: tuple[str, ...] = ()
    """Other groups that read the requests."""

    @property
    def lag_records(self) -> int:
        """How many tasks wait in all partitions."""
        return sum(worker.lag_records for worker in self.workers) + sum(place.lag_records for place in self.unassigned)


def arrange(lag: GroupLag, others: tuple[str, ...] = ()) -> WorkerGroup:
    """The lag of a group, by worker. Pure."""
    members = sorted(lag.members, key=lambda member: (member.host, member.member_id))
    return WorkerGroup(
        group=lag.group,
        state=lag.state,
        protocol=lag.protocol,
        workers=tuple(
            WorkerLag(member=member, partitions=tuple(place for place in lag.partitions if place.member == member))
            for member in members
        ),
        unassigned=tuple(place for place in lag.partitions if place.member is None),
        others=others,
    )


class WorkerWatch:
    """Looks who works on a queue; from any thread. Each look blocks until Kafka has answered.

    Args:
        settings: Where Kafka is, and the queue.
        cluster: The same Kafka.
        clock: Monotonic seconds.
    """

    def __init__(self, settings: Settings, cluster: Cluster, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._cluster, self._clock = cluster, clock
        self._requests = Queue(name=settings.queue).requests
        self._meter = LagMeter(settings, cluster, topics=[self._requests], finds_ages=False)
        self._own = Queue(name=settings.queue).view_group
        self._found: tuple[float, list[str]] = (float("-inf"), [])

    def look(self, group: str | None = None) -> WorkerGroup:
        """The workers of a group.

        Args:
            group: The group; None for the one with the most members of those that read the requests. The view's own
                is none of them.

        Raises:
            BrokerUnavailable: No broker answers.
            BrokerRefused: A right is missing.
            TopicsDiffer: There is no such queue.
        """
        names = self._find_groups()
        wanted = group if group is not None else next(iter(names), None)
        others = tuple(name for name in names if name != wanted)
        absent = WorkerGroup(group=wanted, state=NOBODY, protocol=None, others=others)
        if wanted is None:
            return absent
        try:
            found = self._meter.measure(wanted)
        except UnknownGroup:
            return absent
        return arrange(found, others) if found.partitions else absent

    def _find_groups(self) -> list[str]:
        """The groups that read the requests, the one with the most members first."""
        found_at, names = self._found
        if names and self._clock() < found_at + _REMEMBER_S:
            return names
        self._cluster.end_offsets(self._requests)  # a queue that is not there is an error, not a queue without workers
        groups = [name for name in self._cluster.list_groups() if name != self._own][:_MAX_GROUPS]
        members = self._cluster.count_members(groups, self._requests)
        names = sorted(
            (name for name in groups if members.get(name) or self._requests in self._cluster.committed_offsets(name)),
            key=lambda name: (-members.get(name, 0), name),
        )
        self._found = (self._clock(), names)
        return names
