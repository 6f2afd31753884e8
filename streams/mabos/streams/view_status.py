"""How far the view of a queue is, beside the log."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import psycopg

from mabos.kafka.admin import Cluster
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from mabos.streams.database import explain, live_schema, require_view
from mabos.streams.places import Place

_COUNT = "SELECT state, sum(tasks)::bigint FROM agent_states GROUP BY state HAVING sum(tasks) <> 0 ORDER BY state"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far one partition is."""

    next_offset: int
    """Every record before it is in the view."""
    end_offset: int
    """The offset that the next record in the log will get."""
    applied_at: datetime | None
    """When something was last applied; None if nothing ever was."""

    @property
    def lag(self) -> int:
        """Offsets between the two."""
        return max(0, self.end_offset - self.next_offset)


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewStatus:
    """How far a view is, and what it holds."""

    places: dict[Place, Progress]
    """Each partition, by topic and number."""
    states: dict[str, int]
    """Tasks by state."""
    poisoned: int
    """Records that the view could not take."""

    @property
    def lag(self) -> int:
        """Offsets that are not in the view yet, of all partitions."""
        return sum(progress.lag for progress in self.places.values())


def read_view_status(settings: Settings, cluster: Cluster) -> ViewStatus:
    """Look at a view and at the log.

    Raises:
        BrokerUnavailable: No broker answers.
        TopicsDiffer: A topic does not exist.
        DatabaseUnavailable: No database answers, or it does not let us in.
        DatabaseRefused: The tables are of another version.
        ViewMissing: The queue has no view yet.
    """
    queue = Queue(name=settings.queue)
    try:
        with require_view(settings, live_schema(settings.queue)) as connection:
            reached = {
                Place(topic, partition): (next_offset, applied_at)
                for topic, partition, next_offset, applied_at in connection.execute(
                    "SELECT topic, partition, next_offset, applied_at FROM partitions"
                )
            }
            counted = connection.execute(_COUNT).fetchall()
            (poisoned,) = connection.execute("SELECT count(*) FROM poisoned").fetchone() or (0,)
    except psycopg.Error as error:
        raise explain(settings, error) from error
    places = {}
    for topic in queue.topics:
        begins = cluster.begin_offsets(topic)
        for partition, end in sorted(cluster.end_offsets(topic).items()):
            next_offset, applied_at = reached.get(Place(topic, partition), (0, None))
            places[Place(topic, partition)] = Progress(
                next_offset=max(next_offset, begins[partition]), end_offset=end, applied_at=applied_at
            )
    return ViewStatus(places=places, states=dict(counted), poisoned=poisoned)
