"""What is noted of a job when the broker has what it wrote; offsets committed now and then."""

from __future__ import annotations

from confluent_kafka import KafkaError, Message

from mabos.consumers.assignment import Assignment
from mabos.consumers.at_least_once import AtLeastOnce, Commits
from mabos.consumers.delivery import Kind, Outgoing, Stored
from mabos.consumers.errors import WorkerFailed
from mabos.consumers.jobs import Job
from mabos.consumers.outbox import Outbox
from mabos.consumers.verdicts import Answered
from mabos.schemas.events import Status
from tests.support.engines import FakeConsumer
from tests.support.jobs import QUEUE, FakePublisher, make_answers, make_job, make_tenure


class Desk:
    """A delivery for one partition that holds a few jobs."""

    def __init__(self, publisher: FakePublisher, *, interval_s: float = 0.0) -> None:
        self.publisher, self.consumer, self.stored = publisher, FakeConsumer(), Stored()
        self.failures: list[WorkerFailed] = []
        self.told: list[bool] = []
        self.assignment: Assignment[Message] = Assignment()
        self.tenure = make_tenure()
        self.assignment.add({0})
        self.assignment.open(self.tenure)
        self.commits = Commits(QUEUE.requests, self.assignment, interval_s, on_commit=self.told.append)
        self.commits.consumer = self.consumer.as_consumer
        self.answers = make_answers()
        outbox = Outbox(publisher.as_publisher, self.answers, self.stored, on_failure=self.failures.append)
        self.delivery = AtLeastOnce(outbox, self.stored, self.commits)

    def read(self, offset: int) -> Job:
        job = make_job(offset=offset, tenure=self.tenure)
        assert self.tenure.offsets.start(offset)
        self.tenure.held_bytes += job.size_bytes
        return job

    def send(self, job: Job, kind: Kind = Kind.RESPONSE) -> None:
        record = self.answers.respond(job, Answered(Status.COMPLETED))
        if kind is Kind.LETTER:
            record = self.answers.bury(job, "c", "cause")
        elif kind is Kind.MARK:
            record = self.answers.mark(job)
        self.delivery.send(Outgoing(record, job, kind))

    def answer(self, job: Job) -> None:
        job.unstored = 1
        self.send(job)

    @property
    def committed(self) -> list[tuple[int, str]]:
        return [(place.offset, str(place.metadata)) for place in self.consumer.commits]


def test_done_means_that_all_of_it_is_stored() -> None:
    """Response and dead letter: with one of them missing the task is not done."""
    for first, second in ((Kind.RESPONSE, Kind.LETTER), (Kind.LETTER, Kind.RESPONSE)):
        desk = Desk(FakePublisher(hold=True))
        job = desk.read(0)
        job.unstored = 2
        desk.send(job, first)
        desk.send(job, second)
        assert desk.delivery.unstored == 2
        desk.publisher.report(count=1)
        desk.delivery.settle()
        assert (desk.tenure.offsets.unfinished, desk.tenure.held_bytes) == (1, job.size_bytes)
        desk.publisher.report()
        desk.delivery.settle()
        assert (desk.tenure.offsets.unfinished, desk.tenure.held_bytes, desk.delivery.unstored) == (0, 0, 0)


def test_progress_and_marks_finish_nothing() -> None:
    """Any number of them may be stored while the task runs."""
    desk = Desk(FakePublisher())
    job = desk.read(0)
    desk.send(job, Kind.PROGRESS)
    desk.send(job, Kind.MARK)
    desk.delivery.settle()
    assert desk.tenure.offsets.unfinished == 1
    desk.answer(job)
    desk.delivery.settle()
    assert desk.tenure.offsets.unfinished == 0


def test_the_response_counts_for_the_ledger_and_not_the_letter() -> None:
    """They stand in different topics; the ledger is read from the responses."""
    desk = Desk(FakePublisher(hold=True))
    desk.publisher.ends[QUEUE.responses, 0], desk.publisher.ends[QUEUE.dead_letters, 0] = 40, 700
    desk.read(0)
    job = desk.read(1)
    job.unstored = 2
    desk.send(job)
    desk.send(job, Kind.LETTER)
    desk.publisher.report()
    desk.delivery.settle()
    assert desk.tenure.offsets.ledger_start == 40


def test_a_mark_is_shown_to_whoever_takes_over() -> None:
    """As long as its task is not done."""
    desk = Desk(FakePublisher(hold=True))
    desk.publisher.ends[QUEUE.responses, 0] = 40
    job, other = desk.read(0), desk.read(1)
    desk.send(job, Kind.MARK)
    desk.answer(other)
    desk.publisher.report()
    desk.delivery.settle()
    assert desk.committed == [(0, "mabos:1:40:open")]


def test_a_skipped_job_is_done_at_once() -> None:
    """There is nothing to wait for; its outcome is shown to whoever takes over."""
    desk = Desk(FakePublisher())
    job, other = desk.read(0), desk.read(1)
    other.unstored = 1
    desk.delivery.skip(other, 17)
    desk.delivery.settle()
    assert (desk.tenure.offsets.unfinished, desk.tenure.offsets.ledger_start) == (1, 17)
    assert desk.tenure.held_bytes == job.size_bytes


def test_what_is_stored_of_a_partition_that_is_gone_is_passed_over() -> None:
    """Its next owner knows better."""
    desk = Desk(FakePublisher(hold=True))
    job, other = desk.read(0), desk.read(1)
    desk.answer(job)
    other.unstored = 1
    desk.delivery.skip(other, 3)
    desk.assignment.remove({0})
    desk.publisher.report()
    desk.delivery.settle()
    assert (desk.tenure.offsets.unfinished, desk.committed) == (2, [])


def test_offsets_are_committed_once_per_interval() -> None:
    """Not with each record."""
    desk = Desk(FakePublisher(), interval_s=3600.0)
    for offset in range(3):
        desk.answer(desk.read(offset))
        desk.delivery.settle()
    assert desk.committed == [(1, "mabos:1:1:open")]


def test_a_commit_that_was_not_taken_is_carried_by_the_next() -> None:
    """As under KIP-848, when the member epoch moved on meanwhile."""
    desk = Desk(FakePublisher())
    desk.delivery.settle()
    place = desk.consumer.commits[0]
    desk.commits.on_commit(KafkaError(KafkaError.STALE_MEMBER_EPOCH), [place])
    desk.delivery.settle()
    desk.commits.on_commit(None, [place])
    desk.delivery.settle()
    assert desk.committed == [(0, "mabos:1:0:open")] * 2
    assert desk.told == [False, True]


def test_leaving_commits_what_is_done_and_says_so() -> None:
    """What was dropped is the next owner's; what is not acknowledged in time, too."""
    desk = Desk(FakePublisher(hold=True))
    first, second = desk.read(0), desk.read(1)
    desk.read(2)
    desk.tenure.dropped = 1
    desk.answer(first)
    desk.answer(second)
    desk.publisher.report()
    desk.delivery.leave([desk.tenure], 5.0)
    assert desk.committed == [(2, "mabos:1:2:left")]


def test_leaving_waits_for_acknowledgements_within_its_time() -> None:
    """Without a broker it ends all the same, and commits what it knows."""
    desk = Desk(FakePublisher(hold=True))
    desk.answer(desk.read(0))
    desk.delivery.leave([desk.tenure], 0.0)
    assert desk.committed == [(0, "mabos:1:0:left")]
