"""The worker: a member of the consumer group. It reads, hands over, and lets go in order.

Only the thread in :meth:`Worker.run` touches the consumer: calls from another would wait for the poll in hand. Handlers
run elsewhere (:mod:`mabos.consumers.engine`), so a slow one never keeps the worker from its next poll.
"""

from __future__ import annotations

import threading
import time

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from mabos.consumers.agents import AgentGroup
from mabos.consumers.appetite import BATCH_RECORDS, SATED_PAUSE_S, Appetite
from mabos.consumers.assembly import Parts, assemble
from mabos.consumers.assignment import Assignment
from mabos.consumers.engine import FROZEN_S
from mabos.consumers.errors import WorkerFailed
from mabos.consumers.flow import Bounds, FlowControl
from mabos.consumers.jobs import longest_wait_s, size_of
from mabos.consumers.limits import WorkerLimits
from mabos.consumers.metrics import Snapshot, WorkerMetrics
from mabos.consumers.tenure import Tenure
from mabos.kafka.admin import Cluster
from mabos.kafka.clients import librdkafka_config, open_registry
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from mabos.schemas.errors import MabosError
from mabos.schemas.registry import SchemaRegistry

log = structlog.stdlib.get_logger("mabos.worker")

_IDLE_POLL_S = 0.1
_BUSY_POLL_S = 0.002  # a transaction is committed between two polls, and what is in hand may be ready at any time
_FINISH_POLL_S = 0.005
_CLOSE_TIMEOUT_S = 10.0
_LAG_INTERVAL_S = 1.0
_LONG_SESSION_S = 15.0
_FIRST_ANSWER_S = 5.0
_SILENT_S = 30.0  # a worker whose reader was not seen for so long is not ready: it hangs, or was frozen
_LAST_WORDS_S = 1.0  # what is cut off after the grace may still get out, but an outage shall not double the grace
_WAKING_S = 1.0
_PLENTY_RECORDS = 10_000
_PLENTY_LANES, _PLENTY_SHARE = 32, 1.5


class Worker:
    """Runs the handlers of a group of agents.

    Args:
        agents: The handlers.
        settings: Where Kafka and the registry are.
        registry: The registry; by default that of the settings.
        limits: How much it takes on, and how its answers are delivered.

    Raises:
        RegistryError: The schemas are not registered, or the registry is away and never told their ids.
        WorkerFailed: With exactly-once delivery: no broker answers.
    """

    def __init__(
        self,
        agents: AgentGroup,
        settings: Settings,
        registry: SchemaRegistry | None = None,
        *,
        limits: WorkerLimits | None = None,
    ) -> None:
        self._settings, self._queue = settings, Queue(name=settings.queue)
        self._limits = limits or WorkerLimits()
        self._assignment: Assignment[Message] = Assignment()
        self._opening: dict[int, Tenure] = {}  # their ledger is known, that they are open stands not yet with the group
        self._flow = FlowControl(
            Bounds(
                records=self._limits.max_unfinished,
                size_bytes=self._limits.max_unfinished_bytes,
                ahead=self._limits.max_ahead,
                plenty=_PLENTY_RECORDS,
            )
        )
        self._is_stopping = False  # no Event: a signal handler that sets one can wait for its own thread for ever
        self._failure: MabosError | None = None
        self.metrics = WorkerMetrics(agents.actions, self._look)
        """What it counts."""
        self._parts: Parts = assemble(
            agents,
            settings,
            registry or open_registry(settings),
            self._limits,
            self._assignment,
            self.metrics,
            self._fail,
        )
        self._engine, self._delivery = self._parts.engine, self._parts.delivery
        self._consumer = Consumer(
            librdkafka_config(settings, "worker", client_id="mabos-worker", group=agents.name)
            | {"on_commit": self._on_commit}
        )
        self._parts.commits.consumer = self._consumer
        self._lag: dict[int, int] = {}  # replaced as a whole, never changed: another thread reads it
        self._next_lag_s = 0.0
        self._appetite = Appetite()
        self._polled_s = time.monotonic()
        self._awake_s = 0.0
        self.assigned = threading.Event()
        """Set once the group has given this worker its first partitions."""

    def run(self) -> None:
        """Work until :meth:`stop`, then finish what is in hand and leave the group.

        Raises:
            WorkerFailed: Something that only a restart can cure; nothing unfinished was committed.
        """
        self._engine.start()
        self._parts.takeovers.start()
        try:
            self._check_topics()
            self._warn_of_long_session()
            self._parts.controls.start()  # a cancel counts, also one that came while no worker was there
            self._consumer.subscribe(
                [self._queue.requests], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
            )
            while not self._is_stopping and self._failure is None:
                self._read()
                self._settle()
        except KafkaException as error:
            self._fail(WorkerFailed(f"the consumer is broken: {error.args[0]}"))
        finally:
            self._shut_down()
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Ask the worker to stop; from any thread, or a signal handler."""
        self._is_stopping = True

    def unready(self) -> str | None:
        """Why it does not take tasks now, in one line; None when it does. From any thread."""
        if self._is_stopping:
            return "the worker is stopping"
        if not self.assigned.is_set():
            return "the group has given no partitions to this worker yet"
        silent_s = time.monotonic() - self._engine.reader_seen_s
        if silent_s > _SILENT_S:
            return f"the reader was not seen for {silent_s:.0f} s"
        if self._engine.is_stuck(_SILENT_S):
            return f"tasks wait, and none was begun for {_SILENT_S:.0f} s"
        return None

    def _look(self) -> Snapshot:
        """What is in hand now; on the thread that scrapes, so it copies in one step what others change."""
        engine, tenures = self._engine, list(self._assignment.tenures.values())
        return Snapshot(
            tasks_in_hand=len(engine.in_hand),
            tasks_waiting=len(engine.lanes),
            deepest_lane_tasks=engine.lanes.deepest,
            oldest_waiting_s=longest_wait_s(engine.lanes.firsts()),
            lag_records=self._lag,
            partitions_assigned=len(self._assignment.partitions),
            held_bytes=sum(tenure.held_bytes for tenure in tenures),
            unacknowledged_records=self._delivery.unstored,
        )

    def _check_topics(self) -> None:
        """Under KIP-848 a missing topic is no error, and a worker would wait for ever."""
        try:
            topics = self._consumer.list_topics(timeout=_FIRST_ANSWER_S).topics
        except KafkaException as error:
            servers = self._settings.bootstrap_servers
            raise WorkerFailed(
                f"no Kafka answers at {servers}: start one with `mabos up`, or set MABOS_BOOTSTRAP_SERVERS"
            ) from error
        for name in (self._queue.requests, self._queue.responses, self._queue.dead_letters):
            if name not in topics:
                raise WorkerFailed(f"topic {name} does not exist: run `mabos topics apply`")

    def _warn_of_long_session(self) -> None:
        """Under KIP-848 the broker decides how soon a dead worker is noticed, and by default it takes its time."""
        if self._settings.group_protocol != "consumer":
            return
        session_s = Cluster(self._settings, timeout_s=_FIRST_ANSWER_S).consumer_session_s()
        if session_s is not None and session_s > _LONG_SESSION_S:
            log.warning(
                "the tasks of a worker that dies wait this long for another: lower group.consumer.session.timeout.ms "
                "and group.consumer.min.session.timeout.ms on the brokers, or set MABOS_GROUP_PROTOCOL=classic",
                session_s=session_s,
            )

    # Between two polls.

    def _read(self) -> None:
        """Accept the next record as soon as there is one, and then all that came with it.

        No record is in hand while the consumer is called: its callbacks may take the partition away and give it back at
        an earlier offset, and accepting the record after that would skip those before it.
        """
        is_sated = self._is_sated()
        if is_sated:
            time.sleep(SATED_PAUSE_S)
        elif self._engine.supply.is_more:
            self._tell_that_it_polls()
            self._take_batch()
            return
        is_busy = is_sated or (self._limits.delivery == "exactly-once" and self._assignment.unfinished)
        first = self._consumer.poll(_BUSY_POLL_S if is_busy else _IDLE_POLL_S)
        self._tell_that_it_polls()
        if first is not None:
            self._accept([first])
            if not is_sated:
                self._take_batch()

    def _take_batch(self) -> None:
        count = min(BATCH_RECORDS, self._flow.room)
        messages = self._consumer.consume(count, 0)
        self._accept(messages)
        self._engine.expect(is_more=len(messages) == count)

    def _tell_that_it_polls(self) -> None:
        """After a freeze not at once: what the group has decided meanwhile comes with the next heartbeat."""
        now_s = time.monotonic()
        if now_s - self._polled_s > FROZEN_S:
            self._awake_s = now_s + _WAKING_S
        self._polled_s = now_s
        if now_s >= self._awake_s:
            self._engine.reader_seen_s = now_s

    def _is_sated(self) -> bool:
        return self._appetite.is_sated(
            on_the_way=self._assignment.early + self._engine.supply.unseen,
            waiting=len(self._engine.lanes),
            has_plenty=self._has_plenty_of_lanes(),
            now_s=time.monotonic(),
        )

    def _has_plenty_of_lanes(self) -> bool:
        """Whether all places are taken, and so many agents wait for one that reading on would find no better work."""
        ready = self._engine.lanes.ready
        return ready >= _PLENTY_LANES and len(self._engine.in_hand) + ready >= _PLENTY_SHARE * self._limits.concurrency

    def _accept(self, messages: list[Message]) -> None:
        tenures = self._assignment.tenures
        batch: list[Message] = []
        for message in messages:
            error = message.error()
            if error is not None:
                self._note_error(error)
                continue
            partition = message.partition()
            tenure = tenures.get(partition)  # type: ignore[arg-type]  # a record without an error has a place
            if tenure is None:
                self._assignment.keep(partition, message, size_of(message))
            elif tenure.offsets.start(message.offset()):  # type: ignore[arg-type]  # as above
                tenure.held_bytes += len(message) + len(message.key() or b"")  # size_of(), written out for speed
                batch.append(message)
        if batch:
            self._engine.submit(batch)

    def _settle(self) -> None:
        """Note what is done, commit it, open, pause and resume partitions."""
        self._delivery.settle()
        for tenure in self._parts.takeovers.take():
            self._announce(tenure)
        now_s = time.monotonic()
        if now_s >= self._next_lag_s:
            self._next_lag_s = now_s + _LAG_INTERVAL_S
            self._lag = self._measure_lag()
        has_enough = self._appetite.is_overfed or self._assignment.early > 0
        pause, resume = self._flow.decide(self._assignment.loads(), has_enough=has_enough)
        if pause:
            self._consumer.pause(self._places(pause))
        if resume:
            self._consumer.resume(self._places(resume))

    def _measure_lag(self) -> dict[int, int]:
        """Records after the committed offset by partition, as far as the client has heard of the log's end."""
        lag = {}
        for partition, tenure in self._assignment.tenures.items():
            place = TopicPartition(self._queue.requests, partition)
            _, end = self._consumer.get_watermark_offsets(place, cached=True) or (0, -1)
            committed = tenure.offsets.committable if tenure.committed is None else tenure.committed
            if end >= 0:
                lag[partition] = max(0, end - committed)
        return lag

    # Partitions that come.

    def _on_assign(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        added = {place.partition for place in partitions}
        self._assignment.add(added)
        self.metrics.note_rebalance("assigned", len(added))
        self._parts.takeovers.begin(added)
        if added:
            self.assigned.set()
        log.info("partitions assigned", added=sorted(added), now=sorted(self._assignment.partitions))

    def _announce(self, tenure: Tenure) -> None:
        """Before anything of it runs, a partition's bookmark must say so: then who comes next looks for suspects."""
        self._opening[tenure.partition] = tenure
        place = tenure.offsets.committable, tenure.bookmark(has_left=False)
        commits = self._parts.commits
        if not commits.send(commits.places({tenure.partition: place})):
            self._open(tenure.partition)

    def _on_commit(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        self._parts.commits.on_commit(error, partitions)
        for place in partitions:
            self._open(place.partition)

    def _open(self, partition: int) -> None:
        tenure = self._opening.pop(partition, None)
        if tenure is not None and self._assignment.is_waiting(partition):
            self._engine.open(tenure)
            self._accept(self._assignment.open(tenure))

    # Partitions that go.

    def _on_revoke(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        """Finish or hand over before the next owner may begin."""
        removed = {place.partition for place in partitions} & self._assignment.partitions
        if not removed:  # as when it leaves: all is settled, and the engine may have ended
            return
        self.metrics.note_rebalance("revoked", len(removed))
        deadline_s = time.monotonic() + self._limits.grace_s
        self._delivery.leave(self._finish_in_hand(removed, deadline_s), deadline_s - time.monotonic())
        self._forget(removed)
        log.info("partitions revoked", removed=sorted(removed), now=sorted(self._assignment.partitions))

    def _on_lost(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        """Another worker has them already: nothing here counts any more."""
        lost = {place.partition for place in partitions} & self._assignment.partitions
        if not lost:  # as when it leaves without a broker, maybe long after the engine has ended
            return
        self.metrics.note_rebalance("lost", len(lost))
        self._forget(lost)
        self._delivery.lose()
        log.warning("partitions lost", removed=sorted(lost))

    def _forget(self, partitions: set[int]) -> None:
        gone = self._assignment.remove(partitions)
        self._engine.close(gone)
        self._parts.takeovers.forget(partitions)
        self._flow.forget(partitions)
        for partition in partitions:
            self._opening.pop(partition, None)

    def _finish_in_hand(self, partitions: frozenset[int] | set[int], deadline_s: float) -> list[Tenure]:
        """Begin nothing more of some partitions, and wait for what is in hand of them, within the grace."""
        tenures = [tenure for p, tenure in self._assignment.tenures.items() if p in partitions]
        self._engine.release(tenures)
        if tenures:
            log.info("finishing what is in hand", partitions=sorted(partitions))
        while time.monotonic() < deadline_s and self._failure is None:
            self._polled_s = self._engine.reader_seen_s = time.monotonic()
            self._delivery.settle()
            if all(tenure.offsets.unfinished <= tenure.dropped for tenure in tenures):
                return tenures
            time.sleep(_FINISH_POLL_S)
        log.warning("grace is over, tasks in hand are cut off", partitions=sorted(partitions))
        return tenures

    def _shut_down(self) -> None:
        """Stop in the order in which nothing is lost.

        1. Nothing new begins, and what is in hand finishes: its answers go to the delivery.
        2. What is acknowledged is committed, while this worker still is a member: only that counts as done.
        3. It leaves the group, so that the others need not wait for its session to end.
        4. The engine and the delivery end.
        """
        self._parts.takeovers.stop()
        self._parts.controls.stop()
        deadline_s = time.monotonic() + self._limits.grace_s
        tenures = self._finish_in_hand(self._assignment.partitions, deadline_s)
        leaving = threading.Thread(target=self._leave, args=(tenures, deadline_s), name="mabos-leave", daemon=True)
        leaving.start()
        leaving.join(max(_LAST_WORDS_S, deadline_s - time.monotonic()) + _CLOSE_TIMEOUT_S)
        self._engine.close(tenures)  # what still runs is not answered any more, whatever comes of it
        self._parts.asker.stop()  # before the engine: a plain handler that waits on its thread would hold up its end
        self._engine.stop()
        self._delivery.stop()
        self._parts.outbox.stop(_LAST_WORDS_S)

    def _leave(self, tenures: list[Tenure], deadline_s: float) -> None:
        """In a thread of its own: without a broker a commit takes 45 s, and a close can hang (librdkafka#4486)."""
        self._delivery.leave(tenures, deadline_s - time.monotonic())
        self._assignment.remove(self._assignment.partitions)
        self._consumer.close()

    def _places(self, partitions: set[int]) -> list[TopicPartition]:
        return [TopicPartition(self._queue.requests, partition) for partition in partitions]

    def _note_error(self, error: KafkaError) -> None:
        if error.fatal():
            self._fail(WorkerFailed(f"the consumer is broken: {error.str()}"))
        else:
            log.warning("consumer error", cause=error.str())

    def _fail(self, error: MabosError) -> None:
        self._failure = self._failure or error
