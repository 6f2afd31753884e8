"""Whatever fails in a transaction: each answer is on the log once, and the worker goes on."""

from __future__ import annotations

from functools import partial

import pytest
from confluent_kafka import Message
from hypothesis import given
from hypothesis import strategies as st

from mabos.consumers.assignment import Assignment
from mabos.consumers.at_least_once import Commits
from mabos.consumers.delivery import Kind, Outgoing, Stored
from mabos.consumers.errors import WorkerFailed
from mabos.consumers.exactly_once import ExactlyOnce
from mabos.consumers.jobs import Job
from mabos.consumers.outbox import Outbox
from mabos.consumers.verdicts import Answered
from mabos.schemas.events import Status
from tests.support.engines import FakeConsumer
from tests.support.jobs import QUEUE, RESPONSES, FakePublisher, make_answers, make_job, make_tenure
from tests.support.transactions import FakeTransactions, Fault

CALLS = ["begin", "produce", "report", "add_offsets", "commit", "abort", "is_on_log"]
FAULTS = st.builds(Fault, call=st.sampled_from(CALLS), is_abortable=st.booleans(), is_applied=st.booleans())
IN_DOUBT = [Fault("commit", is_applied=True), Fault("commit"), Fault("commit", is_abortable=True)]


class Desk:
    """A delivery in transactions for one partition that holds a few jobs."""

    def __init__(self, *faults: Fault, interval_s: float = 600.0) -> None:
        self.transactions, self.answers = FakeTransactions(faults), make_answers()
        self.failures: list[WorkerFailed] = []
        self.told: list[str] = []
        self.assignment: Assignment[Message] = Assignment()
        self.tenure = make_tenure()
        self.assignment.add({0})
        self.assignment.open(self.tenure)
        stored = Stored()
        commits = Commits(QUEUE.requests, self.assignment, 0.0, on_commit=lambda _: None)
        commits.consumer = FakeConsumer().as_consumer
        self.delivery = ExactlyOnce(
            self.transactions.as_transactions,
            self.transactions.is_on_log,
            Outbox(FakePublisher().as_publisher, self.answers, stored, on_failure=self.failures.append),
            stored,
            self.answers,
            self.assignment,
            commits,
            interval_s=interval_s,
            on_failure=self.failures.append,
        )

    def read(self, count: int) -> list[Job]:
        begin = self.tenure.offsets.position
        jobs = [make_job(offset=offset, tenure=self.tenure) for offset in range(begin, begin + count)]
        for job in jobs:
            assert self.tenure.offsets.start(job.offset)
        return jobs

    def answer(self, *jobs: Job) -> None:
        for job in jobs:
            job.unstored = 1
            record = self.answers.respond(job, Answered(Status.COMPLETED))
            told = partial(self.told.append, job.request.task_id)
            self.delivery.send(Outgoing(record, job, Kind.RESPONSE, told))

    def settle(self, times: int = 1) -> None:
        for _ in range(times):
            self.delivery.settle()

    @property
    def on_log(self) -> list[str]:
        return [RESPONSES.decode(record.value).task_id for _, record in self.transactions.log]

    @property
    def committed(self) -> int | None:
        return max((places.get(0, 0) for places in self.transactions.committed), default=None)


@given(faults=st.lists(FAULTS, max_size=6), parts=st.lists(st.integers(1, 3), min_size=1, max_size=4))
def test_whatever_fails_each_answer_is_on_the_log_once(faults: list[Fault], parts: list[int]) -> None:
    """In order, with its offset; and the sender is told of it once."""
    desk = Desk(*faults)
    wanted = []
    for part in parts:
        jobs = desk.read(part)
        desk.answer(*jobs)
        desk.settle()
        wanted += [job.request.task_id for job in jobs]
    desk.settle(2 * len(faults) + 1)
    assert desk.on_log == desk.told == wanted
    assert desk.committed == len(wanted)
    assert (desk.failures, desk.delivery.unstored, desk.assignment.unfinished) == ([], 0, 0)


@pytest.mark.parametrize("fault", IN_DOUBT, ids=repr)
def test_a_commit_in_doubt_is_looked_up_before_anything_else_is_sent(fault: Fault) -> None:
    """Whether it was done at the broker or not; as long as nobody can say, nothing is done."""
    desk = Desk(fault)
    desk.transactions.is_away = True
    desk.answer(*desk.read(2))
    desk.settle()
    desk.answer(*desk.read(1))
    desk.settle(3)
    assert (len(desk.on_log), desk.told, desk.delivery.unstored) == (2 if fault.is_applied else 0, [], 3)
    desk.transactions.is_away = False
    desk.settle(2)
    assert desk.on_log == desk.told == ["t-0-0", "t-0-1", "t-0-2"]
    assert desk.transactions.renewed == 1


def test_an_answer_that_moves_no_offset_lets_one_go_along_all_the_same() -> None:
    """By its offsets the group refuses a worker that has lost its place; without any it would be believed."""
    desk = Desk()
    first, *others = desk.read(3)
    for other in others:
        desk.answer(other)
        desk.delivery.leave([], 1.0)
    assert desk.transactions.committed == [{0: 0}, {0: 0}]
    desk.answer(first)
    desk.settle()
    assert desk.committed == 3


def test_an_offset_goes_along_later_when_its_transaction_failed() -> None:
    """Also of a job that is done with nothing to send, when nothing else happens afterwards."""
    desk = Desk(Fault("add_offsets", is_abortable=True))
    [job] = desk.read(1)
    job.unstored = 1
    desk.delivery.skip(job, None)
    desk.settle(2)
    assert desk.committed == 1


def test_what_could_not_be_committed_in_time_never_is() -> None:
    """The next owner has begun by then: it would be a second answer."""
    desk = Desk(*[Fault("add_offsets", is_abortable=True)] * 100)
    desk.answer(*desk.read(1))
    desk.delivery.leave([desk.tenure], 0.0)
    desk.assignment.remove({0})
    desk.delivery.lose()
    desk.settle(3)
    assert (desk.on_log, desk.delivery.unstored, desk.failures) == ([], 0, [])
    assert not any(desk.transactions.committed)


def test_a_leave_waits_for_a_slow_broker() -> None:
    """As long as there is time: tries are counted where the group refuses, not where records are on their way."""
    desk = Desk()
    desk.transactions.slow_flushes = 25
    desk.answer(*desk.read(1))
    desk.delivery.leave([desk.tenure], 60.0)
    assert (desk.on_log, desk.committed) == (["t-0-0"], 1)


def test_a_full_queue_is_committed_piece_by_piece() -> None:
    """What waits is not kept from its commit by what comes after it, or it would grow older than a transaction may."""
    desk = Desk(interval_s=0.0)
    desk.transactions.room = 2
    desk.answer(*desk.read(5))
    desk.settle(3)
    assert desk.on_log == desk.told == [f"t-0-{n}" for n in range(5)]
    assert [places[0] for places in desk.transactions.committed] == [2, 4, 5]


def test_a_transaction_is_aborted_when_a_partition_in_it_is_lost() -> None:
    """Nothing of it is seen; the rest is sent again."""
    desk = Desk()
    first, _ = desk.read(2)
    desk.answer(first)
    desk.settle()
    assert desk.delivery.unstored == 1
    desk.assignment.remove({0})
    desk.delivery.lose()
    desk.settle(2)
    assert (desk.on_log, desk.delivery.unstored) == ([], 0)
