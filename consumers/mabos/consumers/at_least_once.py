"""At-least-once delivery: each record is sent by itself, and offsets are committed now and then.

Between a response and the commit of its request there is a gap. A worker that dies in it leaves tasks that ran and are
not committed; the next owner finds their responses in the ledger and does not run them again. Those whose response was
not stored yet do run again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from mabos.consumers.assignment import Assignment, last_commits
from mabos.consumers.bookmark import Bookmark
from mabos.consumers.delivery import Stored
from mabos.consumers.jobs import Job
from mabos.consumers.outbox import Outbox
from mabos.consumers.tenure import Tenure

log = structlog.stdlib.get_logger("mabos.worker")

_HURRY_S = 0.005
_LAST_WORDS_S = 1.0  # what is cut off after the grace may still get out, but an outage shall not double the grace


class AtLeastOnce:
    """Sends through an outbox; commits every so often.

    Args:
        outbox: Sends records.
        stored: What the outbox tells.
        commits: Commits offsets.
    """

    def __init__(self, outbox: Outbox, stored: Stored, commits: Commits) -> None:
        self._outbox, self._stored, self._commits = outbox, stored, commits
        self.send = outbox.send  # as it is: one call less for each task

    def skip(self, job: Job, response_offset: int | None) -> None:
        """A job is done with nothing to send."""
        self._stored.skip(job, response_offset)

    def show(self, job: Job, response_offset: int) -> None:
        """A response must be seen by whoever takes over."""
        self._stored.show(job, response_offset)

    def hurry(self) -> None:
        """Send what lingers now. It takes as long as an acknowledgement, and makes small batches only when idle."""
        self._outbox.hurry(_HURRY_S)

    def pause(self) -> None:
        """Take reports: here on the engine's thread no other is in the way of one that calls back so often."""
        self._outbox.take_reports()

    def settle(self) -> None:
        """Send what had to wait, note what is stored, commit when it is time."""
        self._outbox.resend()
        self._stored.take()
        self._commits.commit_if_due()

    def leave(self, tenures: Collection[Tenure], timeout_s: float) -> None:
        """Wait for what is on its way, then commit what is done of partitions that are about to go."""
        deadline_s = time.monotonic() + max(_LAST_WORDS_S, timeout_s)
        while any(tenure.offsets.unfinished > tenure.dropped for tenure in tenures) and self.unstored:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                break
            self._outbox.flush(min(left_s, 0.05))
            self._outbox.resend()
            self._stored.take()
        self._stored.take()
        self._commits.commit_last(tenures)

    def lose(self) -> None:
        """Nothing to be done: what comes in for a tenure that is over is passed over."""

    def stop(self) -> None:
        """Nothing to be done: the outbox is not its own."""

    @property
    def unstored(self) -> int:
        """How many records have no acknowledgement yet."""
        return len(self._outbox)


class Commits:
    """Commits the offsets of an assignment; only the reader calls it.

    Args:
        topic: The requests topic.
        assignment: Whose offsets.
        interval_s: How often, while tasks finish.
        on_commit: Told of each commit whether the broker took it.
    """

    def __init__(
        self, topic: str, assignment: Assignment[Message], interval_s: float, *, on_commit: Callable[[bool], None]
    ) -> None:
        self._topic, self._assignment, self._interval_s, self._note = topic, assignment, interval_s, on_commit
        self._next_s = 0.0
        self.consumer: Consumer

    def places(self, commits: Mapping[int, tuple[int, Bookmark]]) -> list[TopicPartition]:
        """Commits as Kafka's client wants them."""
        return [
            TopicPartition(self._topic, partition, offset, bookmark.text)
            for partition, (offset, bookmark) in commits.items()
        ]

    def commit_if_due(self) -> None:
        """Commit what moved, if it is time; the answer comes to :meth:`on_commit`."""
        now_s = time.monotonic()
        if now_s >= self._next_s:
            self._next_s = now_s + self._interval_s
            self.send(self.places(self._assignment.to_commit()))

    def send(self, places: list[TopicPartition]) -> bool:
        """Commit without waiting; False if there will be no answer."""
        if not places:
            return False
        try:
            self.consumer.commit(offsets=places, asynchronous=True)
        except KafkaException as error:
            log.warning("commit failed, it will be tried again", cause=str(error.args[0]))
            return False
        return True

    def commit_last(self, tenures: Collection[Tenure]) -> None:
        """Commit what is done of partitions that go, and wait for the answer.

        Without a broker that takes 45 s. A thread of its own cannot bound it: inside a rebalance callback a call from
        another thread waits for the end of that callback.
        """
        places = self.places(last_commits(tenures))
        if not places:
            return
        try:
            self.on_commit(None, self.consumer.commit(offsets=places, asynchronous=False) or [])
        except KafkaException as error:
            log.warning("the last commit failed", cause=str(error.args[0]))

    def on_commit(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        """The broker's answer to a commit."""
        self._note(error is None)
        for place in partitions:
            if error is None and place.error is None:
                self._assignment.note_committed(place.partition, place.offset)
            else:  # as under KIP-848 when the member epoch moved on meanwhile: the next commit carries it again
                cause = str(error or place.error)
                log.info("commit not taken, it will be tried again", partition=place.partition, cause=cause)
