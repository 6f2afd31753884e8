"""What a worker writes stays in hand until the broker has it."""

from __future__ import annotations

from confluent_kafka import KafkaError

from mabos.consumers.errors import WorkerFailed
from mabos.consumers.outbox import Outbox, Outgoing
from mabos.producers import ProducerStopped, Record, RecordTooLarge
from tests.support.jobs import FakePublisher


class Desk:
    """An outbox, what it stored and how it failed."""

    def __init__(self, publisher: FakePublisher) -> None:
        self.publisher = publisher
        self.stored: list[bytes] = []
        self.failures: list[WorkerFailed] = []
        self.outbox = Outbox(publisher.as_publisher, on_failure=self.failures.append)

    def send(self, value: bytes, *, smaller: bytes | None = None) -> None:
        other = None if smaller is None else lambda: Record("topic", b"k", smaller)
        self.outbox.send(
            Outgoing(record=Record("topic", b"k", value), on_stored=lambda: self.stored.append(value), smaller=other)
        )

    def sent(self) -> list[bytes | None]:
        return [record.value for record in self.publisher.sent]


def test_stored_means_acknowledged() -> None:
    """Nothing counts as stored before the broker says so."""
    desk = Desk(FakePublisher(hold=True))
    desk.send(b"1")
    assert (desk.sent(), desk.stored) == ([b"1"], [])
    desk.publisher.report()
    assert desk.stored == [b"1"]


def test_an_outage_is_outlived() -> None:
    """A record whose acknowledgement did not come is sent again and again, until it does."""
    desk = Desk(FakePublisher(hold=True))
    desk.send(b"1")
    for _ in range(5):
        desk.publisher.report(KafkaError._MSG_TIMED_OUT)
        assert len(desk.outbox) == 1
        desk.outbox.resend()
    desk.publisher.report()
    assert (desk.sent(), desk.stored, desk.failures) == ([b"1"] * 6, [b"1"], [])


def test_a_full_queue_keeps_the_order() -> None:
    """What finds no room waits, and what comes later does not overtake it."""
    desk = Desk(FakePublisher(hold=True, room=2))
    for value in (b"1", b"2", b"3"):
        desk.send(value)
    desk.send(b"4")
    desk.outbox.resend()
    desk.publisher.report(count=1)
    desk.send(b"5")
    assert desk.sent() == [b"1", b"2"]
    desk.outbox.resend()
    assert desk.sent() == [b"1", b"2", b"3"]
    desk.publisher.report()
    desk.outbox.resend()
    desk.publisher.report()
    assert desk.sent() == desk.stored == [b"1", b"2", b"3", b"4", b"5"]
    assert len(desk.outbox) == 0


def test_a_record_that_the_broker_finds_too_large_is_replaced() -> None:
    """Its smaller version counts as stored."""
    desk = Desk(FakePublisher(hold=True))
    desk.send(b"large", smaller=b"s")
    desk.publisher.report(KafkaError.MSG_SIZE_TOO_LARGE)
    desk.outbox.resend()
    desk.publisher.report()
    assert (desk.sent(), desk.stored, desk.failures) == ([b"large", b"s"], [b"large"], [])


def test_a_record_that_the_client_finds_too_large_is_replaced() -> None:
    """As one that the broker refuses."""
    refusal = RecordTooLarge("too large", may_be_stored=False)
    desk = Desk(FakePublisher(refuse=lambda record: refusal if record.value == b"large" else None))
    desk.send(b"large", smaller=b"s")
    desk.outbox.resend()
    assert (desk.sent(), desk.stored, desk.failures) == ([b"s"], [b"large"], [])


def test_what_no_waiting_cures_is_a_failure() -> None:
    """A missing topic, a right that is missing, a stopped producer: the worker must hear of it."""
    desk = Desk(FakePublisher(hold=True))
    desk.send(b"1")
    desk.publisher.report(KafkaError.UNKNOWN_TOPIC_OR_PART)
    desk.send(b"2", smaller=b"s")
    desk.publisher.report(KafkaError.TOPIC_AUTHORIZATION_FAILED)
    desk.send(b"3")
    desk.publisher.report(KafkaError.MSG_SIZE_TOO_LARGE)
    desk.publisher.refuse = lambda _: ProducerStopped("the producer is stopped")
    desk.send(b"4")
    assert len(desk.failures) == 4
    assert "mabos topics apply" in str(desk.failures[0])
    assert "the producer is stopped" in str(desk.failures[3])
    assert (desk.stored, len(desk.outbox)) == ([], 0)
