"""Exactly-once delivery: responses, and the offsets of the tasks that they end, in one Kafka transaction (KIP-98, 447).

The reader does it all, between two polls. While nothing else is in hand, what is there is committed at once; under
load a transaction takes in what comes within an interval. A transaction that is aborted is done again with the same
responses: handlers do not run again for it. A worker that lost its place in the group cannot commit its offsets, so its
responses are aborted with them.

An outage breaks the producer, not the worker: there is a new one as soon as a broker answers
(:mod:`mabos.consumers.transactions`). What no commit was tried for is done again then. Where one was tried and its
answer is missing, the log is asked first: one record of the transaction is there, or none is.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection
from contextlib import suppress
from functools import partial

import structlog
from confluent_kafka import KafkaError, KafkaException, Message

from mabos.consumers.answers import Answers
from mabos.consumers.assignment import Assignment, current_commits, last_commits
from mabos.consumers.at_least_once import Commits
from mabos.consumers.delivery import Outgoing, Stored
from mabos.consumers.errors import WorkerFailed
from mabos.consumers.jobs import Job, names_of
from mabos.consumers.outbox import Outbox
from mabos.consumers.parcel import Parcel, fit
from mabos.consumers.tenure import Tenure
from mabos.consumers.transactions import Remedy, Transactions, choose_remedy
from mabos.producers.publisher import Record
from mabos.schemas.errors import MabosError

log = structlog.stdlib.get_logger("mabos.worker")

_CALL_TIMEOUT_S = 10.0
_START_TIMEOUT_S = 20.0
_GLANCE_S = 0.5  # the reader shall be back at its polls soon, also while no broker answers
_LAST_WORDS_S = 1.0  # as in at-least-once delivery
_LEAVE_TRIES = 20
_LEAVE_PAUSE_S = 0.1  # what the group refuses it may take once the client has heard of its new epoch


class ExactlyOnce:
    """Sends in transactions.

    Args:
        transactions: Makes them.
        is_on_log: Whether readers of committed records see a record at an offset, once its transaction has ended.
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
        transactions: Transactions,
        is_on_log: Callable[[Record, int], bool],
        outbox: Outbox,
        stored: Stored,
        answers: Answers,
        assignment: Assignment[Message],
        commits: Commits,
        *,
        interval_s: float,
        on_failure: Callable[[WorkerFailed], None],
    ) -> None:
        self._transactions, self._is_on_log = transactions, is_on_log
        self._outbox, self._stored, self._answers = outbox, stored, answers
        self._assignment, self._commits = assignment, commits
        self._interval_s, self._on_failure = interval_s, on_failure
        if not transactions.get_ready(_START_TIMEOUT_S):
            raise WorkerFailed(f"transactions cannot be used: no broker answers within {_START_TIMEOUT_S:g} s")
        self._waiting: deque[Outgoing] = deque()  # appended by any thread, popped by the reader
        self._again: deque[Outgoing] = deque()  # was in a transaction that was aborted: goes first into the next one
        self._skipped: deque[tuple[Job, int | None]] = deque()
        self._parcel: Parcel | None = None  # what the open transaction holds
        self._doubt: Parcel | None = None  # what one held of which it is not known whether it was committed
        self._owes_offsets = False  # offsets moved, and the transaction that should have carried them failed

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
        """Nothing to be done: the reader takes reports."""

    def settle(self) -> None:
        """Send what waits, and commit when it is time."""
        self._outbox.resend()
        if not self._is_ready():
            return
        self._produce()
        if self._transactions.is_ready and not self._again and self._is_due():
            self._commit(())

    def leave(self, tenures: Collection[Tenure], timeout_s: float) -> None:
        """Commit all that is done of partitions that are about to go; what is not committed by then never will be."""
        give_up_s, tries = time.monotonic() + max(_LAST_WORDS_S, timeout_s), 0
        while time.monotonic() < give_up_s and tries < _LEAVE_TRIES:
            if self._is_ready() and self._produce():
                if self._commit(tenures):
                    return
                tries += self._parcel is None  # it was refused; else its records are still on their way
            time.sleep(_LEAVE_PAUSE_S)
        if self._parcel is not None:  # else it might be committed later, after the next owner has begun
            self._abort(self._parcel, _LAST_WORDS_S)

    def lose(self) -> None:
        """Partitions are gone: abort, so that nothing of theirs is seen; the rest is sent again."""
        if self._parcel is not None and any(outgoing.job.tenure.is_over for outgoing in self._parcel.sent):
            self._abort(self._parcel)

    def stop(self) -> None:
        """End; an open transaction is aborted."""
        if self._parcel is not None:
            with suppress(KafkaException):
                self._transactions.abort(_LAST_WORDS_S)

    @property
    def unstored(self) -> int:
        """How many records are not committed yet."""
        sent = sum(len(parcel.sent) for parcel in (self._parcel, self._doubt) if parcel is not None)
        return len(self._again) + len(self._waiting) + sent

    def _is_ready(self) -> bool:
        """Whether there is a producer that works, and no doubt about what was before."""
        try:
            if not self._transactions.get_ready(_GLANCE_S):
                return False
            if self._doubt is not None:
                self._resolve(self._doubt)
        except WorkerFailed as error:
            self._on_failure(error)
            return False
        except (KafkaException, MabosError) as error:
            log.warning("it is not known yet whether a transaction was committed, asking again", cause=str(error))
            return False
        return True

    def _resolve(self, doubt: Parcel) -> None:
        """Ask the log what became of a transaction; one without a record can be done again whatever became of it."""
        proof = doubt.proof
        is_committed, self._doubt = proof is not None and self._is_on_log(*proof), None
        log.info("a transaction in doubt was looked up", is_committed=is_committed, records=len(doubt.sent))
        self._conclude(doubt) if is_committed else self._redo(doubt)

    def _is_due(self) -> bool:
        parcel, skipped = self._parcel, len(self._skipped)
        if parcel is None:
            return bool(skipped) or self._owes_offsets
        is_late = time.monotonic() - parcel.begun_s >= self._interval_s
        return is_late or self._assignment.unfinished <= len(parcel.sent) + skipped

    def _produce(self) -> bool:
        """Make what waits part of the transaction; False if not all of it is: there is no room, or it broke."""
        try:
            self._transactions.take_reports(0)  # makes room
            while waiting := self._again or self._waiting:
                if not waiting[0].job.tenure.is_over and not self._produce_first(waiting):
                    return False
                waiting.popleft()
        except BufferError:
            return False
        except KafkaException as error:
            self._recover(error)
            return False
        return True

    def _produce_first(self, waiting: deque[Outgoing]) -> bool:
        parcel = self._parcel or self._begin()
        while True:
            outgoing = waiting[0]
            try:
                self._transactions.produce(outgoing.record, partial(parcel.note, outgoing))
            except KafkaException as error:  # one that is too large even for the client breaks nothing
                fit = self._fit(outgoing, error.args[0])
                if fit is outgoing:
                    raise
                if fit is None:
                    return False
                waiting[0] = fit
            else:
                parcel.sent.append(outgoing)
                return True

    def _begin(self) -> Parcel:
        """What the open transaction holds; one is begun if there is none."""
        if self._parcel is None:
            self._transactions.begin()
            self._parcel = Parcel(time.monotonic())
        return self._parcel

    def _commit(self, leaving: Collection[Tenure]) -> bool:
        """Commit what was sent, with the offsets of what it ends; False if that is not done yet, or not to be done.

        Nobody calls it before all of an aborted transaction is in this one: its offsets are noted already. Each
        partition that is answered has its offset go along, moved or not: it is by offsets that the group can refuse.
        """
        try:
            parcel = self._begin()
            if not self._transactions.flush(_GLANCE_S):
                return False
            if not parcel.is_stored:
                self._abort(parcel)
                return False
            self._note(parcel)
            answered = {outgoing.job.tenure for outgoing in parcel.sent}
            wanted = current_commits(answered) | self._assignment.to_commit() | last_commits(leaving)
            parcel.places = self._commits.places(wanted)
            if parcel.places:
                self._transactions.add_offsets(parcel.places, self._commits.consumer, _CALL_TIMEOUT_S)
            parcel.is_committing = True
            self._transactions.commit(_CALL_TIMEOUT_S)
        except KafkaException as error:
            self._recover(error)
            return False
        self._parcel = None
        self._conclude(parcel)
        return True

    def _note(self, parcel: Parcel) -> None:
        """Note in the offsets what the broker has."""
        self._owes_offsets = True
        for outgoing, offset in parcel.acks:
            self._stored.note((outgoing.job, outgoing.kind, offset))
        while self._skipped:
            self._stored.skip(*self._skipped.popleft())
        self._stored.take()

    def _conclude(self, parcel: Parcel) -> None:
        """It is committed."""
        self._owes_offsets = False
        for place in parcel.places:
            self._assignment.note_committed(place.partition, place.offset)
        for outgoing in parcel.sent:
            if outgoing.on_stored is not None:
                outgoing.on_stored()

    def _recover(self, error: KafkaException) -> None:
        """Get over an error: the worker goes on with the same producer, or with a new one."""
        cause: KafkaError = error.args[0]
        parcel = self._parcel or Parcel(0.0)
        remedy = choose_remedy(cause, is_committing=parcel.is_committing)
        if remedy is Remedy.ABORT:
            log.warning("transaction aborted, doing it again", cause=cause.str())
            self._abort(parcel)
            return
        self._transactions.renew(cause)
        if remedy is Remedy.RENEW:
            self._redo(parcel)
        else:
            self._parcel, self._doubt = None, parcel

    def _abort(self, parcel: Parcel, timeout_s: float = _CALL_TIMEOUT_S) -> None:
        """Abort, and let what was sent wait for the next transaction."""
        try:
            self._transactions.abort(timeout_s)
        except KafkaException as error:
            self._transactions.renew(error.args[0])
        self._redo(parcel)

    def _redo(self, parcel: Parcel) -> None:
        """It is aborted: let what it held wait for the next transaction, in the same order."""
        self._parcel = None
        for outgoing, error in reversed(parcel.reports()):
            self._again.appendleft((outgoing if error is None else self._fit(outgoing, error)) or outgoing)

    def _fit(self, outgoing: Outgoing, error: KafkaError) -> Outgoing | None:
        """What to send instead of a record that was refused; None where nothing can be, and the worker ends."""
        found = fit(outgoing, error, self._answers)
        if found is None:
            self._on_failure(WorkerFailed(f"a record for {outgoing.record.topic} cannot be stored: {error.str()}"))
        elif found is not outgoing:
            log.warning("record too large, sending a smaller one", **names_of(outgoing.job))
        return found
