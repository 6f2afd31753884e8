"""The worker: a member of the consumer group. It reads, hands over, and commits what is done.

Only the thread in :meth:`Worker.run` touches the consumer: calls from another would wait for the poll in hand. Handlers
run elsewhere (:mod:`mabos.consumers.engine`), so a slow one never keeps the worker from its next poll.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from dataclasses import dataclass

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from mabos.consumers.agents import AgentGroup
from mabos.consumers.answers import Answers
from mabos.consumers.assignment import Assignment
from mabos.consumers.attempts import Attempts
from mabos.consumers.engine import Engine
from mabos.consumers.errors import WorkerFailed
from mabos.consumers.flow import FlowControl
from mabos.consumers.holds import Holds
from mabos.consumers.intake import Intake
from mabos.consumers.jobs import Job
from mabos.consumers.outbox import Outbox
from mabos.kafka.clients import librdkafka_config, open_registry
from mabos.kafka.position import Position
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from mabos.producers.errors import PublishFailed
from mabos.producers.publisher import Publisher
from mabos.schemas.codec import REQUEST, RESPONSE, Codec
from mabos.schemas.errors import MabosError, RegistryUnavailable
from mabos.schemas.registry import SchemaRegistry

log = structlog.stdlib.get_logger("mabos.worker")

_BATCH_RECORDS = 500
_IDLE_POLL_S = 0.1
_CLOSE_TIMEOUT_S = 10.0
_FIRST_ANSWER_S = 5.0
_HOLD_S = 2.0
_LAST_WORDS_S = 1.0  # what is cut off after the grace may still get out, but an outage shall not double the grace


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerLimits:
    """How much a worker takes on."""

    concurrency: int = 64
    """The most tasks in hand at a time."""
    max_unfinished: int = 10_000
    """The most records read and not finished; above it, the partitions that hold too many are paused."""
    commit_interval_s: float = 0.5
    """How often offsets are committed while tasks finish."""
    grace_s: float = 25.0
    """How long tasks in hand may go on when the worker stops or loses their partition."""


class Worker:
    """Runs the handlers of a group of agents.

    Args:
        agents: The handlers.
        settings: Where Kafka and the registry are.
        registry: The registry; by default that of the settings.
        limits: How much it takes on.

    Raises:
        RegistryError: The schemas are not registered, or the registry is away and never told their ids.
    """

    def __init__(
        self,
        agents: AgentGroup,
        settings: Settings,
        registry: SchemaRegistry | None = None,
        *,
        limits: WorkerLimits | None = None,
    ) -> None:
        registry = registry or open_registry(settings)
        queue = Queue(name=settings.queue)
        codec = Codec.for_topic(REQUEST, queue.requests, registry)
        answers = Answers(Codec.for_topic(RESPONSE, queue.responses, registry), queue)
        self._settings, self._queue = settings, queue
        self._limits = limits or WorkerLimits()
        self._publisher = Publisher(settings, client_id="mabos-worker")
        self._outbox = Outbox(self._publisher, on_failure=self._fail)
        self._intake = Intake(codec, answers, self._outbox, on_done=self._note_done)
        attempts = Attempts(agents, topic=queue.requests, max_result_bytes=settings.max_payload_bytes)
        self._engine = Engine(
            attempts,
            answers,
            self._outbox,
            concurrency=self._limits.concurrency,
            on_done=self._note_job_done,
            on_failure=self._fail,
        )
        self._consumer = Consumer(
            librdkafka_config(settings, "worker", client_id="mabos-worker", group=agents.name)
            | {"on_commit": self._on_commit}
        )
        self._assignment = Assignment()
        self._flow = FlowControl(self._limits.max_unfinished)
        self._holds = Holds(_HOLD_S)
        self._done: deque[tuple[int, int]] = deque()
        self._progress = threading.Event()
        self._is_stopping = False  # no Event: a signal handler that sets one can wait for its own thread for ever
        self._failure: MabosError | None = None
        self._next_commit_s = 0.0
        self.assigned = threading.Event()
        """Set once the group has given this worker its first partitions."""

    def run(self) -> None:
        """Work until :meth:`stop`, then finish what is in hand and leave the group.

        Raises:
            WorkerFailed: Something that only a restart can cure; nothing unfinished was committed.
        """
        self._engine.start()
        try:
            self._check_topics()
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

    def _read(self) -> None:
        """Accept the next record as soon as there is one, and then all that came with it.

        No record is in hand while the consumer is called: its callbacks may take the partition away and give it back at
        an earlier offset, and accepting the record after that would skip those before it.
        """
        first = self._consumer.poll(_IDLE_POLL_S)
        if first is not None:
            self._accept([first])
            self._accept(self._consumer.consume(_BATCH_RECORDS, 0))

    def _accept(self, messages: list[Message]) -> None:
        jobs: list[Job] = []
        for message in messages:
            error = message.error()
            if error is not None:
                self._note_error(error)
                continue
            partition, offset = message.partition(), message.offset()
            assert partition is not None  # noqa: S101 - a record without an error has a place
            assert offset is not None  # noqa: S101
            if partition in self._holds or not self._assignment.expects(partition, offset):
                continue
            try:
                job = self._intake.read(message, Position(self._queue.requests, partition, offset))
            except RegistryUnavailable as error:
                self._holds.hold(partition, offset, now_s=time.monotonic())
                log.warning("partition held: writer schema unknown", partition=partition, cause=str(error))
                continue
            self._assignment.start(partition, offset)
            if job is not None:
                jobs.append(job)
        if jobs:
            self._engine.submit(jobs)

    def _settle(self) -> None:
        """Between two polls: note what is done, commit it, pause and resume partitions."""
        self._outbox.resend()
        self._collect_done()
        now_s = time.monotonic()
        if now_s >= self._next_commit_s:
            self._next_commit_s = now_s + self._limits.commit_interval_s
            self._commit(wait=False)
        for partition, offset in self._holds.release(now_s=now_s).items():
            self._consumer.seek(TopicPartition(self._queue.requests, partition, offset))
        pause, resume = self._flow.decide(self._assignment.unfinished(), self._holds.partitions)
        if pause:
            self._consumer.pause(self._places(pause))
        if resume:
            self._consumer.resume(self._places(resume))

    def _collect_done(self) -> None:
        while self._done:
            self._assignment.finish(*self._done.popleft())

    def _commit(self, *, wait: bool) -> None:
        offsets = [
            TopicPartition(self._queue.requests, partition, offset)
            for partition, offset in self._assignment.to_commit().items()
        ]
        if not offsets:
            return
        try:
            if wait:
                self._on_commit(None, self._consumer.commit(offsets=offsets, asynchronous=False) or [])
            else:
                self._consumer.commit(offsets=offsets, asynchronous=True)
        except KafkaException as error:
            log.warning("commit failed, it will be tried again", cause=str(error.args[0]))

    def _on_commit(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        for place in partitions:
            if error is None and place.error is None:
                self._assignment.note_committed(place.partition, place.offset)
            else:  # as under KIP-848 when the member epoch moved on meanwhile: the next commit carries it again
                log.info("commit not taken, it will be tried again", partition=place.partition, cause=str(error))

    def _on_assign(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        added = {place.partition for place in partitions}
        self._assignment.add(added)
        if added:
            self.assigned.set()
        log.info("partitions assigned", added=sorted(added), now=sorted(self._assignment.partitions))

    def _on_revoke(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        """Finish or hand over before the next owner may begin."""
        removed = {place.partition for place in partitions} & self._assignment.partitions
        if not removed:  # as when it leaves: all is settled, and the engine may have ended
            return
        self._finish_in_hand(removed)
        self._commit(wait=True)
        self._forget(removed)
        self._engine.drop(removed)
        log.info("partitions revoked", removed=sorted(removed), now=sorted(self._assignment.partitions))

    def _on_lost(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        """Another worker has them already: nothing here counts any more."""
        lost = {place.partition for place in partitions} & self._assignment.partitions
        if not lost:  # as when it leaves without a broker, maybe long after the engine has ended
            return
        self._forget(lost)
        self._engine.drop(lost)
        self._engine.cancel(lost)
        log.warning("partitions lost", removed=sorted(lost))

    def _forget(self, partitions: set[int]) -> None:
        self._assignment.remove(partitions)
        self._holds.forget(partitions)
        self._flow.forget(partitions)

    def _finish_in_hand(self, partitions: frozenset[int] | set[int]) -> None:
        """Hand back what comes after all that was begun, and wait for the rest, within the grace."""
        handed_back = Counter(job.partition for job in self._engine.hand_back(set(partitions)))
        if partitions:
            log.info("finishing what is in hand", partitions=sorted(partitions), handed_back=handed_back.total())
        deadline = time.monotonic() + self._limits.grace_s
        while time.monotonic() < deadline and self._failure is None:
            self._progress.clear()
            # again and again: what fails last would wait for another attempt, which its next owner can make
            handed_back.update(job.partition for job in self._engine.hand_back(set(partitions)))
            self._outbox.resend()
            self._collect_done()
            unfinished = self._assignment.unfinished()
            if all(unfinished.get(partition, 0) <= handed_back[partition] for partition in partitions):
                return
            self._progress.wait(_IDLE_POLL_S)
        log.warning("grace is over, tasks in hand are cut off", partitions=sorted(partitions))
        self._engine.drop(set(partitions))
        self._engine.cancel(set(partitions))

    def _shut_down(self) -> None:
        """Stop in the order in which nothing is lost.

        1. Nothing new begins, and what is in hand finishes: its answers go to the publisher.
        2. The publisher flushes: only acknowledged answers count as done.
        3. What is done is committed, while this worker still is a member.
        4. It leaves the group, so that the others need not wait for its session to end.
        5. The engine and the publisher end.
        """
        deadline_s = time.monotonic() + self._limits.grace_s
        self._finish_in_hand(self._assignment.partitions)
        self._publisher.flush(max(_LAST_WORDS_S, deadline_s - time.monotonic()))
        self._collect_done()
        leaving = threading.Thread(target=self._leave, name="mabos-leave", daemon=True)
        leaving.start()
        leaving.join(_CLOSE_TIMEOUT_S)  # without a broker a commit takes 45 s, and a close can hang (librdkafka#4486)
        self._engine.stop()
        try:
            self._publisher.stop(_LAST_WORDS_S)
        except PublishFailed as error:
            self._fail(WorkerFailed(str(error)))

    def _leave(self) -> None:
        self._commit(wait=True)
        self._assignment.remove(self._assignment.partitions)
        self._consumer.close()

    def _places(self, partitions: set[int]) -> list[TopicPartition]:
        return [TopicPartition(self._queue.requests, partition) for partition in partitions]

    def _note_job_done(self, job: Job) -> None:
        self._note_done(job.partition, job.offset)

    def _note_done(self, partition: int, offset: int) -> None:
        self._done.append((partition, offset))
        self._progress.set()

    def _note_error(self, error: KafkaError) -> None:
        if error.fatal():
            self._fail(WorkerFailed(f"the consumer is broken: {error.str()}"))
        else:
            log.warning("consumer error", cause=error.str())

    def _fail(self, error: MabosError) -> None:
        self._failure = self._failure or error
        self._progress.set()
