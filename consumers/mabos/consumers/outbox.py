"""Outbox: what a worker writes stays in hand until the broker has it.

While the broker is away, records wait in Kafka's client, in their order, and what finds no room there waits here. So a
worker outlives an outage, and only an error that no waiting cures ends it.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import structlog
from confluent_kafka import KafkaError, Message

from mabos.consumers.answers import Answers
from mabos.consumers.delivery import Outgoing, Stored
from mabos.consumers.errors import WorkerFailed
from mabos.consumers.jobs import names_of
from mabos.producers.errors import PublishError, PublishFailed, RecordTooLarge
from mabos.producers.publisher import Publisher
from mabos.producers.receipts import explain_failure

log = structlog.stdlib.get_logger("mabos.worker")

_LATE_S = 0.02


class Outbox:
    """Sends records in the order they come.

    Args:
        publisher: Sends them; it has no thread of its own.
        answers: Makes smaller ones of those that are too large.
        stored: Is told what the broker has.
        on_failure: Called with an error that only a restart can cure; on any thread.
    """

    def __init__(
        self, publisher: Publisher, answers: Answers, stored: Stored, *, on_failure: Callable[[WorkerFailed], None]
    ) -> None:
        self._publisher, self._answers, self._stored, self._on_failure = publisher, answers, stored, on_failure
        self._note = stored.note
        self._waiting: deque[Outgoing] = deque()  # appended by any thread, popped by the reader
        self._taken_s = 0.0

    def send(self, outgoing: Outgoing) -> None:
        """Send a record, without waiting; from any thread."""
        if self._waiting or not self._try(outgoing):
            self._waiting.append(outgoing)

    def take_reports(self) -> None:
        """Hear of what the broker has, or has not; on any thread."""
        self._taken_s = time.monotonic()
        self._publisher.take_reports()

    def resend(self) -> None:
        """Send what had to wait, as far as there is room; the reader calls it between polls.

        It takes reports, too, if nobody has for a while: a handler may keep the engine for long.
        """
        if time.monotonic() - self._taken_s > _LATE_S:
            self.take_reports()
        while self._waiting:
            outgoing = self._waiting.popleft()
            if not self._try(outgoing):
                self._waiting.appendleft(outgoing)
                return

    def hurry(self, timeout_s: float) -> None:
        """Send what lingers now, and wait a moment for its acknowledgements."""
        self._publisher.hurry(timeout_s)

    def flush(self, timeout_s: float) -> None:
        """Wait for acknowledgements."""
        self._publisher.flush(timeout_s)

    def stop(self, timeout_s: float) -> None:
        """Take no more, and wait for acknowledgements; what has none in time may or may not be stored."""
        try:
            self._publisher.stop(timeout_s)
        except PublishFailed as error:
            self._on_failure(WorkerFailed(str(error)))

    def __len__(self) -> int:
        """How many records have no acknowledgement yet."""
        return len(self._publisher) + len(self._waiting)

    def _try(self, outgoing: Outgoing) -> bool:
        """False where there is no room; whatever else happens to the record is taken care of."""
        try:
            return self._publisher.try_publish(outgoing.record, partial(self._on_report, outgoing))
        except PublishError as error:
            self._after_failure(outgoing, error)
            return True

    def _on_report(self, outgoing: Outgoing, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._after_failure(outgoing, explain_failure(error, message.topic()))
            return
        self._note((outgoing.job, outgoing.kind, message.offset()))
        if outgoing.on_stored is not None:
            outgoing.on_stored()

    def _after_failure(self, outgoing: Outgoing, error: PublishError) -> None:
        record, job = outgoing.record, outgoing.job
        if job.tenure.is_over:
            return  # the partition is another worker's: nobody waits for this
        smaller = self._answers.shrink(job, record) if isinstance(error, RecordTooLarge) else None
        if smaller is None:
            self._on_failure(WorkerFailed(f"a record for {record.topic} cannot be stored: {error}"))
        else:
            log.warning("record too large, sending a smaller one", topic=record.topic, **names_of(job))
            self._waiting.append(replace(outgoing, record=smaller))
