"""The audit on logs that hold, and on logs with one thing wrong that was planted there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mabos.kafka.position import Position
from mabos.schemas.events import Status, TaskRequest, TaskResponse
from mabos.streams import Audit, AuditReport

TERMINAL = sorted(status for status in Status if status.is_terminal)
PARTITIONS = 3


@dataclass
class Log:
    """Requests and terminal responses by partition; an offset is an index."""

    requests: list[list[TaskRequest]]
    responses: list[list[TaskResponse]]

    def audit(self, *, responses_first: bool = False) -> AuditReport:
        audit = Audit()
        steps = [self._add_requests, self._add_responses]
        for step in reversed(steps) if responses_first else steps:
            step(audit)
        return audit.report()

    def places(self) -> list[tuple[int, int]]:
        """Where the responses stand."""
        return [(part, offset) for part, records in enumerate(self.responses) for offset in range(len(records))]

    def _add_requests(self, audit: Audit) -> None:
        for partition, records in enumerate(self.requests):
            for offset, record in enumerate(records):
                audit.add_request(record, Position("requests", partition, offset))

    def _add_responses(self, audit: Audit) -> None:
        for partition, records in enumerate(self.responses):
            for offset, record in enumerate(records):
                audit.add_response(record, Position("responses", partition, offset))


def ask(agent: str, task: str) -> TaskRequest:
    return TaskRequest(task_id=task, agent_id=agent, payload_json="{}")


def answer(request: TaskRequest, status: Status = Status.COMPLETED, **fields: Any) -> TaskResponse:
    given_fields = {"started_at_ms": 1} | fields
    return TaskResponse(task_id=request.task_id, agent_id=request.agent_id, status=status, **given_fields)


@st.composite
def good_logs(draw: st.DrawFn, *, min_tasks: int = 1) -> Log:
    """A log in which each agent's tasks are answered once, in order; agents of a partition interleave as they like."""
    requests: list[list[TaskRequest]] = [[] for _ in range(PARTITIONS)]
    responses: list[list[TaskResponse]] = [[] for _ in range(PARTITIONS)]
    tasks = draw(st.lists(st.integers(0, 6), min_size=min_tasks, max_size=30))
    for number, agent in enumerate(tasks):
        requests[agent % PARTITIONS].append(ask(f"agent-{agent}", f"task-{number}"))
    for partition, asked in enumerate(requests):
        lanes: dict[str, list[TaskRequest]] = {}
        for request in asked:
            lanes.setdefault(request.agent_id, []).append(request)
        while lanes:
            agent_id = draw(st.sampled_from(sorted(lanes)))
            request = lanes[agent_id].pop(0)
            responses[partition].append(answer(request, draw(st.sampled_from(TERMINAL))))
            if not lanes[agent_id]:
                del lanes[agent_id]
    return Log(requests, responses)


def neighbours(log: Log) -> Iterator[tuple[int, int, int]]:
    """Partition and offsets of two answers of one agent with none of its own between them."""
    for partition, records in enumerate(log.responses):
        last: dict[str, int] = {}
        for offset, record in enumerate(records):
            if record.agent_id in last:
                yield partition, last[record.agent_id], offset
            last[record.agent_id] = offset


def findings(report: AuditReport) -> Iterator[str]:
    """The kinds of violation that a report has."""
    for kind in ("unanswered", "unasked", "misplaced", "disordered"):
        if getattr(report, kind):
            yield kind


@given(good_logs(min_tasks=0), st.booleans())
def test_a_log_that_holds_is_found_to_hold(log: Log, responses_first: bool) -> None:
    """Every task one outcome, each agent in order: nothing is found, and the counts are those of the log."""
    report = log.audit(responses_first=responses_first)
    assert report.holds
    assert list(findings(report)) == []
    assert report.requests == sum(map(len, log.requests)) == sum(report.outcomes.values())
    assert (report.duplicates, report.superseded) == (0, 0)


@given(good_logs(), st.data())
def test_a_lost_response_is_found(log: Log, data: st.DataObject) -> None:
    """The request of a response that is missing, and nothing else, is unanswered."""
    partition, offset = data.draw(st.sampled_from(log.places()))
    lost = log.responses[partition].pop(offset)
    report = log.audit()
    assert list(findings(report)) == ["unanswered"]
    (place,) = report.unanswered
    assert log.requests[place.partition][place.offset].task_id == lost.task_id


@given(good_logs(), st.data(), st.sampled_from(TERMINAL))
def test_a_second_outcome_is_superseded(log: Log, data: st.DataObject, status: Status) -> None:
    """The first terminal response is the outcome; a later one is counted, changes nothing, and breaks nothing."""
    before = log.audit().outcomes
    partition, offset = data.draw(st.sampled_from(log.places()))
    first = log.responses[partition][offset]
    later = data.draw(st.integers(offset + 1, len(log.responses[partition])))
    log.responses[partition].insert(later, replace(first, status=status))
    report = log.audit()
    assert report.superseded == 1
    assert report.holds
    assert report.outcomes == before


@given(good_logs(min_tasks=8), st.data())  # more tasks than agents: one of them has two
def test_a_broken_order_is_found(log: Log, data: st.DataObject) -> None:
    """Two answers of one agent that changed places: the earlier request is named, and nothing else is found."""
    partition, earlier, later = data.draw(st.sampled_from(list(neighbours(log))))
    records = log.responses[partition]
    records[earlier], records[later] = records[later], records[earlier]
    report = log.audit()
    assert list(findings(report)) == ["disordered"]
    (place,) = report.disordered
    assert log.requests[place.partition][place.offset].task_id == records[later].task_id


@given(good_logs(), st.data(), st.sampled_from(list(Status)))
def test_a_response_that_nobody_asked_for_is_found(log: Log, data: st.DataObject, status: Status) -> None:
    """A response without a request is named with its place, be it an outcome or progress."""
    partition = data.draw(st.integers(0, PARTITIONS - 1))
    offset = data.draw(st.integers(0, len(log.responses[partition])))
    agent = data.draw(st.sampled_from(["agent-0", "agent-nobody"]))
    log.responses[partition].insert(offset, answer(ask(agent, "task-nobody"), status))
    report = log.audit()
    assert list(findings(report)) == ["unasked"]
    assert report.unasked == (Position("responses", partition, offset),)


@given(good_logs(), st.data())
def test_a_response_in_another_partition_is_found(log: Log, data: st.DataObject) -> None:
    """An answer that is not where its request is: whoever reads only that partition would do the task again."""
    partition, offset = data.draw(st.sampled_from(log.places()))
    moved = log.responses[partition].pop(offset)
    other = (partition + 1) % PARTITIONS
    log.responses[other].append(moved)
    report = log.audit()
    assert list(findings(report)) == ["misplaced"]
    assert report.misplaced == (Position("responses", other, len(log.responses[other]) - 1),)


@given(good_logs(), st.data())
def test_a_request_sent_twice_is_counted_and_breaks_nothing(log: Log, data: st.DataObject) -> None:
    """The second request of one task is a duplicate; one answer is enough for both."""
    partition, offset = data.draw(st.sampled_from(log.places()))
    request = log.responses[partition][offset]
    log.requests[partition].append(ask(request.agent_id, request.task_id))
    report = log.audit()
    assert report.duplicates == 1
    assert report.holds


@given(good_logs(), st.data())
def test_a_task_that_never_ran_may_be_answered_early(log: Log, data: st.DataObject) -> None:
    """Cancelled in the queue, or timed out there: such an answer comes before those of earlier tasks, rightly."""
    partition, offset = data.draw(st.sampled_from(log.places()))
    early = log.responses[partition].pop(offset)
    status = data.draw(st.sampled_from([Status.CANCELLED, Status.TIMED_OUT]))
    log.responses[partition].insert(0, replace(early, status=status, started_at_ms=None))
    assert log.audit().holds


@pytest.mark.parametrize("count", [1, 5])
def test_progress_is_no_outcome(count: int) -> None:
    """A task that only told of progress is unanswered."""
    request = ask("agent", "task")
    log = Log([[request], [], []], [[answer(request, Status.IN_PROGRESS)] * count, [], []])
    report = log.audit()
    assert report.unanswered == (Position("requests", 0, 0),)
    assert report.superseded == 0


def test_the_same_task_id_of_two_agents_is_two_tasks() -> None:
    """A task is named by its agent and its id together."""
    one, two = ask("a", "1"), ask("b", "1")
    report = Log([[one, two], [], []], [[answer(one)], [], []]).audit()
    assert report.requests == 2
    assert report.unanswered == (Position("requests", 0, 1),)
