"""Exactly-once delivery: responses, and the offsets of the tasks that they end, in one Kafka transaction (KIP-98, 447).

The reader does it all, between two polls. While nothing else is in hand, what is there is committed at once; under
load a transaction takes in what comes within an interval. A transaction that is aborted is done again with the same
responses: handlers do not run again for it. A worker that lost its place in the group cannot commit its offsets, so its
responses are aborted with them.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import partial

import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from mabos.consumers.answers import Answers
from mabos.consumers.assignment import Assignment, last_commits
from mabos.consumers.at_least_once import Commits
from mabos.consumers.delivery import Outgoing, Stored
from mabos.consumers.errors import WorkerFailed
from mabos.consumers.jobs import Job, names_of
from mabos.consumers.outbox import Outbox
from mabos.consumers.tenure import Tenure

log = structlog.stdlib.get_logger("mabos.worker")

_CALL_TIMEOUT_S = 20.0


class ExactlyOnce:
    """Sends in transactions.

    Args:
        config: The configuration of a transactional producer.
        outbox: Sends what must not be part of a transaction.
        stored: Is told what the broker has.
        answers: Makes smaller records of those that are too large.
        assignment: Whose offsets go along.
        commits: Says how offsets go along.
        interval_s: The longest that a transaction stays open under load.
        on_failure: Called with an error that only a restart can cure.

    Raises:
        WorkerFailed: No broker answers, or it refuses transactions to this user.
    """

    def __init__(  # noqa: PLR0913 - it is where all of these meet
        self,
        config: dict[str, object],
        outbox: Outbox,
        stored: Stored,
        answers: Answers,
        assignment: Assignment[Message],
        commits: Commits,
        *,
        interval_s: float,
        on_failure: Callable[[WorkerFailed], None],
    ) -> None:
        self._answers, self._assignment, self._commits = answers, assignment, commits
        self._interval_s, self._on_failure = interval_s, on_failure
        self._producer = Producer(config)
        try:
            self._producer.init_transactions(_CALL_TIMEOUT_S)
        except KafkaException as error:
            raise WorkerFailed(f"transactions cannot be used: {error.args[0].str()}") from error
        self._waiting: deque[Outgoing] = deque()  # appended by any thread, popped by the reader
        self._again: deque[Outgoing] = deque()  # was in a transaction that was aborted: goes first into the next one
        self._skipped: deque[tuple[Job, int | None]] = deque()
        self._sent: list[Outgoing] = []
        self._outbox, self._stored = outbox, stored
        self._refused: list[tuple[Outgoing, KafkaError]] = []
        self._begun_s: float | None = None

    def send(self, outgoing: Outgoing) -> None:
        """Have a record sent with the next transaction; from any thread."""
        self._waiting.append(outgoing)

    def skip(self, job: Job, response_offset: int | None) -> None:
        """A job is done with nothing to send; its offset goes along with the next transaction."""
        self._skipped.append((job, response_offset))

    def show(self, job: Job, response_offset: int) -> None:
        """A response must be seen by whoever takes over."""
        self._stored.show(job, response_offset)

    def hurry(self) -> None:
        """Nothing to be done: a commit sends what lingers, and comes at once when nothing is in hand."""

    def pause(self) -> None:
        """Nothing to be done: the reader takes reports, with all that a transaction needs."""

    def settle(self) -> None:
        """Send what waits, and commit when it is time."""
        self._outbox.resend()
        self._produce()
        if self._begun_s is None and not self._skipped:
            return
        is_late = self._begun_s is not None and time.monotonic() - self._begun_s >= self._interval_s
        if is_late or self._assignment.unfinished <= len(self._sent) + len(self._skipped):
            self._commit(())

    def leave(self, tenures: Collection[Tenure], timeout_s: float) -> None:
        """Commit all that is done of partitions that are about to go."""
        give_up_s = time.monotonic() + timeout_s
        self._produce()
        while self._again and time.monotonic() < give_up_s:
            self._produce()
        self._commit(tenures)

    def lose(self) -> None:
        """Partitions are gone: abort, so that nothing of theirs is seen; the rest is sent again."""
        if any(outgoing.job.tenure.is_over for outgoing in self._sent):
            self._abort()

    def stop(self) -> None:
        """End the producer; an open transaction is aborted."""
        if self._begun_s is not None:
            self._abort()

    @property
    def unstored(self) -> int:
        """How many records are not committed yet."""
        return len(self._again) + len(self._waiting) + len(self._sent)

    def _produce(self) -> None:
        while waiting := self._again or self._waiting:
            outgoing = waiting.popleft()
            if outgoing.job.tenure.is_over:
                continue
            try:
                if self._begun_s is None:
                    self._producer.begin_transaction()
                    self._begun_s = time.monotonic()
                self._produce_one(outgoing)
            except BufferError:
                waiting.appendleft(outgoing)
                self._producer.poll(0.01)
                return
            except KafkaException as error:
                waiting.appendleft(outgoing)
                self._recover(error)
                return
        try:
            self._producer.poll(0)
        except KafkaException as error:  # it is broken: a leave must go on all the same, and close the consumer
            self._recover(error)

    def _produce_one(self, outgoing: Outgoing) -> None:
        record = outgoing.record
        try:
            self._producer.produce(
                record.topic,
                key=record.key,
                value=record.value,
                partition=record.partition,
                headers=record.headers,
                on_delivery=partial(self._on_report, outgoing),
            )
        except KafkaException as error:
            if error.args[0].code() != KafkaError.MSG_SIZE_TOO_LARGE:
                raise
            self._shrink(outgoing, error.args[0])
        else:
            self._sent.append(outgoing)

    def _shrink(self, outgoing: Outgoing, error: KafkaError) -> None:
        smaller = self._answers.shrink(outgoing.job, outgoing.record)
        if smaller is None:
            self._on_failure(WorkerFailed(f"a record for {outgoing.record.topic} cannot be stored: {error.str()}"))
        else:
            log.warning("record too large, sending a smaller one", **names_of(outgoing.job))
            self._again.appendleft(replace(outgoing, record=smaller))

    def _on_report(self, outgoing: Outgoing, error: KafkaError | None, message: Message) -> None:
        if error is None:
            self._stored.add(outgoing, message.offset())
        elif error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            self._refused.append((outgoing, error))

    def _commit(self, leaving: Collection[Tenure]) -> None:
        """Commit what was sent, with the offsets of what it ends.

        Not before all of an aborted transaction is in this one: its offsets are noted already.
        """
        if self._again:
            return
        try:
            if self._begun_s is None:
                self._producer.begin_transaction()
                self._begun_s = time.monotonic()
            self._producer.flush(_CALL_TIMEOUT_S)
            if self._refused:
                self._abort()
                return
            while self._skipped:
                self._stored.skip(*self._skipped.popleft())
            self._stored.take()
            wanted = self._assignment.to_commit() | last_commits(leaving)
            places = self._commits.places(wanted)
            if places:
                group = self._commits.consumer.consumer_group_metadata()
                self._producer.send_offsets_to_transaction(places, group, _CALL_TIMEOUT_S)
            self._finish()
        except KafkaException as error:
            self._recover(error)
            return
        self._begun_s = None
        sent, self._sent = self._sent, []
        for place in places:
            self._assignment.note_committed(place.partition, place.offset)
        for outgoing in sent:
            if outgoing.on_stored is not None:
                outgoing.on_stored()

    def _finish(self) -> None:
        """Commit; one that timed out must be finished, and nothing else may be begun before (librdkafka#5423)."""
        give_up_s = time.monotonic() + 3 * _CALL_TIMEOUT_S
        while True:
            try:
                self._producer.commit_transaction(_CALL_TIMEOUT_S)
            except KafkaException as error:
                if not error.args[0].retriable() or time.monotonic() > give_up_s:
                    raise
            else:
                return

    def _recover(self, error: KafkaException) -> None:
        cause: KafkaError = error.args[0]
        if cause.fatal():
            self._on_failure(WorkerFailed(f"fenced, or the transactional producer is broken: {cause.str()}"))
        elif cause.txn_requires_abort():
            log.warning("transaction aborted, doing it again", cause=cause.str())
            self._abort()
        else:
            self._on_failure(WorkerFailed(f"a transaction in doubt: {cause.str()}"))

    def _abort(self) -> None:
        """Abort, and let what was sent wait for the next transaction."""
        try:
            self._producer.abort_transaction(_CALL_TIMEOUT_S)
        except KafkaException as error:
            self._on_failure(WorkerFailed(f"a transaction cannot be aborted: {error.args[0].str()}"))
            return
        self._begun_s = None
        refused = {id(outgoing): error for outgoing, error in self._refused}
        self._refused.clear()
        again = [outgoing for outgoing in self._sent if id(outgoing) not in refused]
        for outgoing in self._sent:
            if id(outgoing) in refused:
                self._shrink(outgoing, refused[id(outgoing)])
        self._again.extendleft(reversed(again))
        self._sent.clear()


def transactional(config: Mapping[str, object], transactional_id: str) -> dict[str, object]:
    """A producer's configuration, made transactional."""
    return {**config} | {
        "transactional.id": transactional_id,
        "transaction.timeout.ms": 10_000,  # what a dead worker leaves open holds up readers for so long
        "delivery.timeout.ms": 10_000,
        "retry.backoff.ms": 5,  # with 100 a commit takes 110 ms: AddOffsetsToTxn retries while the last one settles
    }
