"""The projector: keeps the view of a queue, as one member of a group of them.

One loop on one thread: hear of the group, take partitions, read a batch, apply it. When the database is away the batch
stays in hand and the group is still heard; when the group changes its mind, all is dropped and taken anew from where
the view says that it is.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import psycopg
import structlog
from confluent_kafka import KafkaException

from mabos.kafka.admin import Cluster
from mabos.kafka.clients import open_registry
from mabos.kafka.errors import BrokerUnavailable
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from mabos.schemas.registry import SchemaRegistry
from mabos.streams.ahead import ReadAhead
from mabos.streams.applying import apply_batch
from mabos.streams.backlog import BacklogSampler
from mabos.streams.batch import Batch
from mabos.streams.database import connect, ensure_view, live_schema
from mabos.streams.errors import DatabaseUnavailable, ProjectorFailed
from mabos.streams.membership import Membership
from mabos.streams.places import Claim, Place
from mabos.streams.reader import Reader
from mabos.streams.store import Fenced, Store

log = structlog.stdlib.get_logger("mabos.view")

_POLL_S = 0.1
_AWAY_PAUSE_S = 0.5
_FENCED_PAUSE_S = 1.0  # if the group has given a partition to another, this is heard of before it is taken back
_FIRST_ANSWER_S = 5.0
_LOOK_EVERY_S = 1.0
_FORGET_EVERY_S = 60.0
_FORGET_TASKS = 2_000
_AWAY = (psycopg.OperationalError, psycopg.InterfaceError)


class Projector:
    """Applies what the topics of a queue say to its view.

    Args:
        settings: Where Kafka, the registry and the database are.
        registry: The registry; by default that of the settings.
        batch_records: The most records of one transaction.

    Raises:
        RegistryError: The schemas are not registered, or the registry is away and never told their ids.
    """

    def __init__(
        self, settings: Settings, registry: SchemaRegistry | None = None, *, batch_records: int = 20_000
    ) -> None:
        self._settings, self._queue = settings, Queue(name=settings.queue)
        self._schema = live_schema(settings.queue)
        self._membership = Membership(settings, self._queue.view_group, self._queue.requests)
        self._reader = Reader(settings, registry or open_registry(settings), batch_records=batch_records)
        self._ahead = ReadAhead(self._reader)
        self._sampler = BacklogSampler(settings)
        self._store: Store | None = None
        self._claims: dict[Place, Claim] | None = None
        self._changes_seen = 0
        self._batch = Batch()
        self._pause_until_s = 0.0
        self._next_lag_s = self._next_look_s = self._next_forget_s = 0.0
        self._is_stopping = False  # no Event: a signal handler that sets one can wait for its own thread for ever
        self.records = 0
        """Records applied since the start."""
        self.poisoned = 0
        """Of those, records that the view could not take."""
        self.batches = 0
        """Transactions since the start."""
        self.apply_s = 0.0
        """Seconds that they took."""
        self.lag: dict[Place, int] = {}
        """Records not applied yet, by partition; replaced as a whole, for other threads to read."""

    def run(self) -> None:
        """Work until :meth:`stop`; then leave the group. What is in the view is whole at any time.

        Raises:
            DatabaseUnavailable: The database is away at the start; later it is waited for.
            DatabaseRefused: The view is of another version, or a right is missing.
            BrokerUnavailable: No broker answers at the start; later it is waited for.
            TopicsDiffer: A topic does not exist.
            ProjectorFailed: Something that only a restart or a person can cure.
        """
        try:
            ensure_view(self._settings, self._schema)
            cluster = Cluster(self._settings, timeout_s=_FIRST_ANSWER_S)
            for topic in self._queue.topics:
                cluster.end_offsets(topic)
            self._membership.join()
            while not self._is_stopping:
                self._step()
        except KafkaException as error:
            raise ProjectorFailed(f"the consumer is broken: {error.args[0]}") from error
        finally:
            self._shut_down()

    def stop(self) -> None:
        """Ask it to stop; from any thread, or a signal handler."""
        self._is_stopping = True

    def unready(self) -> str | None:
        """Why it does not keep the view now, in one line; None when it does. From any thread."""
        if self._is_stopping:
            return "the projector is stopping"
        if self._store is None:
            return "the database does not answer"
        if not self._membership.partitions:
            return "the group has given no partitions to this projector yet"
        return None if self._claims is not None else "its partitions are not taken yet"

    def _step(self) -> None:
        self._membership.poll()
        if self._membership.changes != self._changes_seen:
            self._changes_seen = self._membership.changes
            self._give_up()
        now_s = time.monotonic()
        if self._claims is not None and now_s >= self._next_lag_s:
            self._next_lag_s = now_s + _LOOK_EVERY_S
            self.lag = self._reader.lag(self._claims)
        if time.monotonic() < self._pause_until_s:
            self._membership.poll(_POLL_S)
            return
        try:
            self._work()
        except Fenced:
            log.warning("partitions were taken by another projector, or the view was made anew: taking stock")
            self._give_up()
            self._pause(_FENCED_PAUSE_S)
        except (*_AWAY, DatabaseUnavailable) as error:
            self._lose_database(error)
        except BrokerUnavailable as error:
            log.warning("waiting for Kafka", cause=str(error))
            self._pause(_AWAY_PAUSE_S)

    def _work(self) -> None:
        if self._store is None:
            ensure_view(self._settings, self._schema)
            self._store = Store(connect(self._settings, self._schema))
            log.info("the database answers")
        if self._claims is None:
            self._claims = self._take(self._store)
        if not self._batch:
            self._batch = self._ahead.next(_POLL_S)
        if self._batch:
            self._apply(self._store, self._batch, self._claims)
        now_s = time.monotonic()
        if now_s >= self._next_look_s:
            self._next_look_s = now_s + _LOOK_EVERY_S
            self._look(self._store, now_s)

    def _take(self, store: Store) -> dict[Place, Claim]:
        """Take what the group has given, and read on from where the view is."""
        places = self._reader.places(self._membership.partitions)
        if not places:
            return {}
        claims = store.take(places)
        self._reader.assign(claims, self._check_log(claims))
        log.info("partitions taken", partitions=sorted(self._membership.partitions))
        return claims

    def _check_log(self, claims: dict[Place, Claim]) -> dict[Place, tuple[int, int]]:
        """What is to be read of each partition, from where to where.

        Says it when records were deleted before the view had them, and stops when the log is another one.
        """
        stretches: dict[Place, tuple[int, int]] = {}
        cluster = Cluster(self._settings, timeout_s=_FIRST_ANSWER_S)
        for topic in {place.topic for place in claims}:
            begins, ends = cluster.begin_offsets(topic), cluster.end_offsets(topic)
            for place, claim in claims.items():
                if place.topic != topic:
                    continue
                if place.partition not in ends or claim.next_offset > ends[place.partition]:
                    raise ProjectorFailed(
                        f"{topic}:{place.partition} ends before offset {claim.next_offset}, which the view has read: "
                        "the topic was made anew, so run `mabos view rebuild`"
                    )
                if 0 < claim.next_offset < begins[place.partition]:
                    log.warning(
                        "records were deleted before the view had read them",
                        partition=f"{topic}:{place.partition}",
                        first_lost=claim.next_offset,
                        first_kept=begins[place.partition],
                    )
                stretches[place] = max(claim.next_offset, begins[place.partition]), ends[place.partition]
        return stretches

    def _apply(self, store: Store, batch: Batch, claims: dict[Place, Claim]) -> None:
        started_s = time.monotonic()
        self.poisoned += self._ahead.during(lambda: apply_batch(store, batch, claims))
        self._batch = Batch()
        self.batches += 1
        self.records += batch.records
        self.apply_s += time.monotonic() - started_s

    def _look(self, store: Store, now_s: float) -> None:
        """What is to be done now and then, in between."""
        assert self._claims is not None  # noqa: S101 - it works
        marks = self._ahead.pass_markers()
        if marks:
            apply_batch(store, marks, self._claims)
        self._sampler.look(store, self._claims)
        if now_s >= self._next_forget_s and 0 in self._membership.partitions:  # one projector is enough
            limit = datetime.now(UTC) - timedelta(days=self._settings.view_retention_days)
            is_all = store.forget_before(limit, at_most=_FORGET_TASKS) < _FORGET_TASKS
            self._next_forget_s = now_s + (_FORGET_EVERY_S if is_all else 0.0)

    def _give_up(self) -> None:
        self._claims, self._batch = None, Batch()
        self._ahead.forget()
        self._sampler.forget()
        self._reader.assign({})
        self.lag = {}

    def _lose_database(self, error: Exception) -> None:
        """What is in hand is kept, and applied when the database is back, unless it was: then the fence says so."""
        if self._store is not None:
            log.warning("waiting for the database", cause=str(error).strip().splitlines()[0] if str(error) else "")
            self._store.close()
            self._store = None
        self._pause(_AWAY_PAUSE_S)

    def _pause(self, pause_s: float) -> None:
        self._pause_until_s = time.monotonic() + pause_s

    def _shut_down(self) -> None:
        if self._store is not None:
            self._store.close()
        self._ahead.close()
        self._reader.close()
        self._membership.leave()
