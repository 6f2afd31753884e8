"""Outbox: what a worker writes stays in hand until the broker has it.

A record that the broker did not acknowledge in time is sent again, as often as it takes: the broker is away, and the
task is not done before. So a worker outlives an outage, and only an error that no waiting cures ends it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import structlog
from confluent_kafka import KafkaError, Message

from mabos.consumers.errors import WorkerFailed
from mabos.producers.errors import PublishError, PublishFailed, RecordTooLarge
from mabos.producers.publisher import Publisher, Record
from mabos.producers.receipts import explain_failure

log = structlog.stdlib.get_logger("mabos.worker")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A record on its way."""

    record: Record
    """What is sent."""
    on_stored: Callable[[], None]
    """Called once the broker has it; on the publisher's thread."""
    smaller: Callable[[], Record] | None = None
    """What to send instead where the record is too large; None if there is nothing smaller."""


class Outbox:
    """Sends records in the order they come.

    Args:
        publisher: Sends them.
        on_failure: Called with an error that only a restart can cure; on any thread.
    """

    def __init__(self, publisher: Publisher, *, on_failure: Callable[[WorkerFailed], None]) -> None:
        self._publisher, self._on_failure = publisher, on_failure
        self._waiting: deque[Outgoing] = deque()  # appended by any thread, popped by the reader

    def send(self, outgoing: Outgoing) -> None:
        """Send a record, without waiting; from any thread."""
        if self._waiting or not self._try(outgoing):
            self._waiting.append(outgoing)

    def resend(self) -> None:
        """Send what had to wait, as far as there is room; the reader calls it between polls."""
        while self._waiting:
            outgoing = self._waiting.popleft()
            if not self._try(outgoing):
                self._waiting.appendleft(outgoing)
                return

    def __len__(self) -> int:
        """How many records wait for room."""
        return len(self._waiting)

    def _try(self, outgoing: Outgoing) -> bool:
        """False where there is no room; whatever else happens to the record is taken care of."""
        try:
            return self._publisher.try_publish(outgoing.record, partial(self._on_report, outgoing))
        except PublishError as error:
            self._after_failure(outgoing, error)
            return True

    def _on_report(self, outgoing: Outgoing, error: KafkaError | None, message: Message) -> None:
        if error is None:
            outgoing.on_stored()
        else:
            self._after_failure(outgoing, explain_failure(error, message.topic()))

    def _after_failure(self, outgoing: Outgoing, error: PublishError) -> None:
        if isinstance(error, RecordTooLarge) and outgoing.smaller is not None:
            outgoing = Outgoing(record=outgoing.smaller(), on_stored=outgoing.on_stored)
        elif not isinstance(error, PublishFailed) or not error.may_be_stored:
            self._on_failure(WorkerFailed(f"a record for {outgoing.record.topic} cannot be stored: {error}"))
            return
        log.warning("record not stored, sending again", topic=outgoing.record.topic, cause=str(error))
        self._waiting.append(outgoing)
