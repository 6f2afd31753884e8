"""Samples how much waits in the partitions of a projector, every few seconds.

What the view says is true of now only once it has what stood in the log a moment ago: so the ends of the log are asked
for first, and a partition is sampled when the view has come to them. While it catches up, nothing is sampled.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import psycopg
import structlog

from mabos.kafka.admin import Cluster
from mabos.kafka.errors import BrokerUnavailable
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from mabos.streams.places import Claim, Place
from mabos.streams.store import Store

log = structlog.stdlib.get_logger("mabos.view")

EVERY_S = 5.0
PATIENCE_S = 5.0
"""A partition that has not come so far within this time is left out."""

_SHARE = 20  # of its time a projector spends at most this part in counting what waits: there may be millions
_ASK_S = 2.0


class Ends:
    """How far the log was at a moment, and how far the view must be to tell what waited then. Pure.

    Args:
        ends: The ends of the log, by partition of a topic.
        at_s: When they were asked for, by the clock of whoever asks.
    """

    def __init__(self, ends: Mapping[Place, int], at_s: float) -> None:
        self._ends, self._at_s = ends, at_s

    def reached(self, claims: Mapping[Place, Claim]) -> set[int]:
        """The partitions of which the view has all that there was."""
        behind = {at.partition for at, claim in claims.items() if claim.next_offset < self._ends.get(at, 0)}
        return {at.partition for at in claims} - behind

    def is_over(self, claims: Mapping[Place, Claim], now_s: float) -> bool:
        """Whether there is nothing more to wait for, for all have come so far, or the moment is too long ago."""
        return now_s >= self._at_s + PATIENCE_S or len(self.reached(claims)) == len({at.partition for at in claims})


class BacklogSampler:
    """Samples what waits. To be called about once a second, from one thread.

    Args:
        settings: Where Kafka is.
        clock: Seconds since some moment.
    """

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings, self._queue, self._clock = settings, Queue(name=settings.queue), clock
        self._cluster: Cluster | None = None
        self._ends: Ends | None = None
        self._next_s = 0.0

    def look(self, store: Store, claims: Mapping[Place, Claim]) -> None:
        """Take a sample, when it is time for one and the view can tell.

        Raises:
            psycopg.OperationalError: The database went away.
        """
        now_s = self._clock()
        topics = (self._queue.requests, self._queue.responses)
        wanted = {at: claim for at, claim in claims.items() if at.topic in topics}
        if not wanted or now_s < self._next_s:
            return
        try:
            self._ends = self._ends or Ends(self._read_ends(), now_s)
        except BrokerUnavailable:  # the projector says so itself
            self._next_s = now_s + EVERY_S
            return
        if not self._ends.is_over(wanted, now_s):
            return
        reached = self._ends.reached(wanted)
        requests = {at: wanted[at] for at in wanted if at.topic == self._queue.requests and at.partition in reached}
        self._ends, began_s = None, self._clock()
        try:
            store.sample_backlog(requests, datetime.now(UTC))
        except psycopg.errors.QueryCanceled:
            log.warning("too many tasks wait to count them in time: no sample")
        ended_s = self._clock()
        self._next_s = ended_s + max(EVERY_S, _SHARE * (ended_s - began_s))

    def forget(self) -> None:
        """Other partitions from now on."""
        self._ends = None

    def _read_ends(self) -> dict[Place, int]:
        self._cluster = self._cluster or Cluster(self._settings, timeout_s=_ASK_S)
        return {
            Place(topic, partition): offset
            for topic in (self._queue.requests, self._queue.responses)
            for partition, offset in self._cluster.end_offsets(topic).items()
        }
