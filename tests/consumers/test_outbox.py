"""What a worker writes stays in hand until the broker has it."""

from __future__ import annotations

from confluent_kafka import KafkaError

from mabos.consumers.delivery import Kind, Outgoing, Stored
from mabos.consumers.errors import WorkerFailed
from mabos.consumers.jobs import Job
from mabos.consumers.outbox import Outbox
from mabos.consumers.verdicts import Answered
from mabos.producers import ProducerStopped, Record, RecordTooLarge
from mabos.schemas.events import Status
from tests.support.jobs import QUEUE, FakePublisher, make_answers, make_job


class Desk:
    """An outbox, what it stored and how it failed."""

    def __init__(self, publisher: FakePublisher) -> None:
        self.publisher = publisher
        self.heard: list[bytes | None] = []
        self.failures: list[WorkerFailed] = []
        self.stored = Stored()
        self.outbox = Outbox(publisher.as_publisher, make_answers(), self.stored, on_failure=self.failures.append)
        self.job = make_job()
        self.job.tenure.offsets.start(0)
        self.job.unstored = 100

    def send(self, value: bytes, *, topic: str = "topic", kind: Kind = Kind.PROGRESS, job: Job | None = None) -> None:
        self.outbox.send(
            Outgoing(Record(topic, b"k", value, None, 0), job or self.job, kind, lambda: self.heard.append(value))
        )

    def sent(self) -> list[bytes | None]:
        return [record.value for record in self.publisher.sent]


def test_stored_means_acknowledged() -> None:
    """Nothing counts as stored before the broker says so."""
    desk = Desk(FakePublisher(hold=True))
    desk.send(b"1")
    assert (desk.sent(), desk.heard) == ([b"1"], [])
    desk.publisher.report()
    assert desk.heard == [b"1"]


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
    assert desk.sent() == desk.heard == [b"1", b"2", b"3", b"4", b"5"]
    assert len(desk.outbox) == 0


LARGE_RESULT = make_answers().respond(make_job(), Answered(Status.COMPLETED, '{"x":"' + "y" * 1000 + '"}')).value


def test_a_response_that_the_broker_finds_too_large_is_replaced() -> None:
    """The task is answered as failed, and that counts as stored."""
    desk = Desk(FakePublisher(hold=True))
    assert LARGE_RESULT is not None
    desk.send(LARGE_RESULT, topic=QUEUE.responses)
    desk.publisher.report(KafkaError.MSG_SIZE_TOO_LARGE)
    desk.outbox.resend()
    desk.publisher.report()
    assert [response.status for response in desk.publisher.responses()] == [Status.COMPLETED, Status.FAILED]
    assert (desk.heard, desk.failures) == ([LARGE_RESULT], [])


def test_a_dead_letter_that_the_client_finds_too_large_is_replaced() -> None:
    """As one that the broker refuses: what is left of it goes out."""
    refusal = RecordTooLarge("too large", may_be_stored=False)
    desk = Desk(FakePublisher(refuse=lambda record: refusal if record.value == b"large" else None))
    desk.send(b"large", topic=QUEUE.dead_letters)
    desk.outbox.resend()
    assert (desk.sent(), desk.heard, desk.failures) == ([None], [b"large"], [])


def test_what_is_not_stored_of_a_partition_that_is_gone_is_given_up() -> None:
    """Its next owner does the task: neither sent again, nor a reason to fail."""
    desk = Desk(FakePublisher(hold=True))
    desk.send(b"1")
    desk.send(b"2")
    desk.job.tenure.is_over = True
    desk.publisher.report(KafkaError.UNKNOWN_TOPIC_OR_PART, count=1)
    desk.publisher.report(KafkaError.TOPIC_AUTHORIZATION_FAILED)
    desk.outbox.resend()
    assert (desk.sent(), desk.failures, len(desk.outbox)) == ([b"1", b"2"], [], 0)


def test_what_no_waiting_cures_is_a_failure() -> None:
    """A missing topic, a right that is missing, a stopped producer: the worker must hear of it."""
    desk = Desk(FakePublisher(hold=True))
    desk.send(b"1")
    desk.publisher.report(KafkaError.UNKNOWN_TOPIC_OR_PART)
    desk.send(b"2")
    desk.publisher.report(KafkaError.TOPIC_AUTHORIZATION_FAILED)
    desk.send(b"3")
    desk.publisher.report(KafkaError.MSG_SIZE_TOO_LARGE)
    desk.publisher.refuse = lambda _: ProducerStopped("the producer is stopped")
    desk.send(b"4")
    assert len(desk.failures) == 4
    assert "mabos topics apply" in str(desk.failures[0])
    assert "the producer is stopped" in str(desk.failures[3])
    assert (desk.heard, len(desk.outbox)) == ([], 0)
