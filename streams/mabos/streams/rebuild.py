"""Makes the view of a queue anew, from the oldest record that the topics still have, beside the one that is in use.

The new tables are filled by one reader of all partitions, without a group, while the projectors keep the live ones.
Once they are as far as those, they take their place in one transaction; the projectors find that their partitions were
taken, and go on where the new tables end. Whoever ends the rebuild before that leaves the live view as it was.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import psycopg

from mabos.kafka.admin import Cluster
from mabos.kafka.clients import open_registry
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from mabos.schemas.registry import SchemaRegistry
from mabos.streams.ahead import ReadAhead
from mabos.streams.applying import apply_batch
from mabos.streams.database import (
    Connection,
    connect,
    drop_generation,
    ensure_view,
    explain,
    live_schema,
    next_schema,
    swap_generations,
)
from mabos.streams.errors import RebuildRuns
from mabos.streams.places import Claim, Place
from mabos.streams.reader import Reader
from mabos.streams.store import Store

_POLL_S = 0.2
_LOOK_EVERY_S = 1.0
_LOCK = 0x6D61626F + 2  # beside those of making views and of watching deadlines


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a rebuild is."""

    done: int
    """Offsets passed."""
    total: int
    """Offsets to pass, as far as the topics reach now."""


class Rebuild:
    """One rebuild of a queue's view.

    Args:
        settings: Where Kafka, the registry and the database are.
        registry: The registry; by default that of the settings.
        on_progress: Told now and then how far it is.
        batch_records: The most records of one transaction.
    """

    def __init__(
        self,
        settings: Settings,
        registry: SchemaRegistry | None = None,
        *,
        on_progress: Callable[[Progress], None] = lambda _: None,
        batch_records: int = 20_000,
    ) -> None:
        self._settings, self._queue = settings, Queue(name=settings.queue)
        self._live, self._next = live_schema(settings.queue), next_schema(settings.queue)
        self._cluster = Cluster(settings)
        self._registry = registry or open_registry(settings)
        self._on_progress, self._batch_records = on_progress, batch_records

    def run(self) -> int:
        """Make the view anew; returns how many records were read.

        Raises:
            RebuildRuns: Another rebuild of this view is under way.
            DatabaseUnavailable: The database is away; the live view is as it was.
            DatabaseRefused: A right is missing.
            BrokerUnavailable: No broker answers.
            TopicsDiffer: A topic does not exist.
        """
        try:
            with connect(self._settings, self._live, autocommit=True) as lock:
                self._lock(lock)
                drop_generation(self._settings, self._next)  # what one that was killed has left
                ensure_view(self._settings, self._next)
                try:
                    records = self._fill(lock)
                    swap_generations(self._settings, self._settings.queue)
                except BaseException:
                    drop_generation(self._settings, self._next)
                    raise
                return records
        except psycopg.Error as error:
            raise explain(self._settings, error) from error

    def _lock(self, connection: Connection) -> None:
        number = zlib.crc32(self._live.encode()) - 2**31
        held = connection.execute("SELECT pg_try_advisory_lock(%s, %s)", (_LOCK, number)).fetchone()
        if held is None or not held[0]:
            raise RebuildRuns("this view is being rebuilt already: wait for that")

    def _fill(self, live: Connection) -> int:
        """Read until the new tables are as far as the log is and the live ones are."""
        begins, ends = self._read_offsets()
        store = Store(connect(self._settings, self._next))
        reader = Reader(self._settings, self._registry, batch_records=self._batch_records)
        ahead = ReadAhead(reader)
        records, next_look_s = 0, 0.0
        try:
            claims = store.take(ends)
            reader.assign(claims, {place: (begins[place], end) for place, end in ends.items()})
            while True:
                batch = ahead.next(_POLL_S) or ahead.pass_markers()
                if batch:
                    ahead.during(partial(apply_batch, store, batch, claims))
                    records += batch.records
                if (now_s := time.monotonic()) < next_look_s and batch:
                    continue
                next_look_s = now_s + _LOOK_EVERY_S
                self._on_progress(_measure(begins, ends, claims))
                if all(claims[place].next_offset >= end for place, end in ends.items()):
                    ends = self._find_gap(live)
                    if all(claims[place].next_offset >= end for place, end in ends.items()):
                        return records
        finally:
            ahead.close()
            reader.close()
            store.close()

    def _read_offsets(self) -> tuple[dict[Place, int], dict[Place, int]]:
        begins: dict[Place, int] = {}
        ends: dict[Place, int] = {}
        for topic in self._queue.topics:
            begins |= {Place(topic, number): offset for number, offset in self._cluster.begin_offsets(topic).items()}
            ends |= {Place(topic, number): offset for number, offset in self._cluster.end_offsets(topic).items()}
        return begins, {place: end if end > begins[place] else 0 for place, end in ends.items()}

    def _find_gap(self, live: Connection) -> dict[Place, int]:
        """How far the new tables must be: as far as the live ones, which may have read a topic that is gone."""
        reached = self._read_live(live)
        _, ends = self._read_offsets()
        return {place: min(end, reached.get(place, 0)) for place, end in ends.items()}

    def _read_live(self, live: Connection) -> dict[Place, int]:
        try:
            rows = live.execute("SELECT topic, partition, next_offset FROM partitions").fetchall()
        except psycopg.errors.UndefinedTable:
            return {}
        return {Place(topic, partition): offset for topic, partition, offset in rows}


def _measure(begins: Mapping[Place, int], ends: Mapping[Place, int], claims: Mapping[Place, Claim]) -> Progress:
    total = sum(max(0, end - begins[place]) for place, end in ends.items())
    done = sum(
        min(max(0, claims[place].next_offset - begins[place]), max(0, end - begins[place]))
        for place, end in ends.items()
    )
    return Progress(done=done, total=total)
