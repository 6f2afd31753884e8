"""The audit on logs that hold, on logs with one thing wrong that was planted there, and on any logs at all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mabos.schemas.events import Status
from mabos.streams.audit import Finding, Scope, kind_of
from tests.streams.logs import ALL_KNOWN, PARTITIONS, TERMINAL, Answer, Ask, Log, judge_naively

TIMES = st.integers(0, 6)


@st.composite
def good_logs(draw: st.DrawFn, *, min_tasks: int = 1) -> Log:
    """A log in which each agent's tasks are answered once, in order; agents of a partition interleave as they like."""
    log = Log()
    tasks = draw(st.lists(st.integers(0, 6), min_size=min_tasks, max_size=30))
    for number, agent in enumerate(tasks):
        log.requests[agent % PARTITIONS].append(Ask(f"agent-{agent}", f"{number}"))
    for partition, asked in enumerate(log.requests):
        lanes: dict[str, list[Ask]] = {}
        for ask in asked:
            lanes.setdefault(ask.agent, []).append(ask)
        while lanes:
            agent = draw(st.sampled_from(sorted(lanes)))
            ask = lanes[agent].pop(0)
            log.responses[partition].append(Answer(ask.agent, ask.task, draw(st.sampled_from(TERMINAL))))
            if not lanes[agent]:
                del lanes[agent]
    return log


@st.composite
def any_logs(draw: st.DrawFn) -> Log:
    """Few agents and tasks, asked and answered anywhere and any number of times; times of a partition ascend."""
    agents, tasks = st.sampled_from("ab"), st.sampled_from("123")
    asks = st.lists(st.builds(Ask, agents, tasks, TIMES, st.integers(-1, 6)), max_size=6)
    answers = st.lists(st.builds(Answer, agents, tasks, st.sampled_from(Status), st.booleans(), TIMES), max_size=8)
    return Log(
        [sorted(draw(asks), key=lambda ask: ask.at_ms) for _ in range(PARTITIONS)],
        [sorted(draw(answers), key=lambda answer: answer.at_ms) for _ in range(PARTITIONS)],
    )


@st.composite
def scopes(draw: st.DrawFn) -> Scope:
    """Anything that may be known of what was read."""
    parts = st.integers(0, PARTITIONS - 1)
    return Scope(
        now_ms=draw(TIMES),
        grace_ms=draw(st.integers(0, 3)),
        since_ms=draw(TIMES),
        until_ms=draw(TIMES),
        complete=draw(st.frozensets(parts)),
        answers_since_ms=draw(st.dictionaries(parts, TIMES)),
        waiting_from=draw(st.dictionaries(parts, st.integers(0, 6))),
    )


def neighbours(log: Log) -> Iterator[tuple[int, int, int]]:
    """Partition and offsets of two answers of one agent with none of its own between them."""
    for partition, records in enumerate(log.responses):
        last: dict[str, int] = {}
        for offset, record in enumerate(records):
            if record.agent in last:
                yield partition, last[record.agent], offset
            last[record.agent] = offset


@given(any_logs(), scopes(), st.permutations(range(PARTITIONS)), st.integers(1, 3))
def test_it_says_what_looking_at_everything_again_says(log: Log, scope: Scope, parts: list[int], buckets: int) -> None:
    """Whatever is in the topics, in whatever order partitions are read, and among how many buckets tasks are spread."""
    assert log.audit(scope, parts, buckets) == judge_naively(log, scope)


@given(good_logs(min_tasks=0))
def test_a_log_that_holds_is_found_to_hold(log: Log) -> None:
    """Every task one outcome, each agent in order: nothing is found, and the counts are those of the log."""
    result = log.audit()
    assert not result.found
    assert result.tally.requests == sum(map(len, log.requests)) == sum(result.tally.outcomes.values())
    assert (result.tally.duplicates, result.tally.open, result.tally.unjudged) == (0, 0, 0)


@given(good_logs(), st.data())
def test_a_lost_response_is_found(log: Log, data: st.DataObject) -> None:
    """The request of a response that is missing, and nothing else, is unanswered."""
    partition, offset = data.draw(st.sampled_from(log.places()))
    lost = log.responses[partition].pop(offset)
    ((kind, part, place),) = log.audit().found
    assert kind is Finding.UNANSWERED
    assert log.requests[part][place].task == lost.task


@given(good_logs(), st.data(), st.sampled_from(TERMINAL))
def test_a_second_outcome_is_superseded(log: Log, data: st.DataObject, status: Status) -> None:
    """The first terminal response is the outcome; a later one is named, and changes nothing."""
    before = log.audit().tally
    partition, offset = data.draw(st.sampled_from(log.places()))
    first = log.responses[partition][offset]
    later = data.draw(st.integers(offset + 1, len(log.responses[partition])))
    log.responses[partition].insert(later, replace(first, status=status))
    result = log.audit()
    assert list(result.found) == [(Finding.SUPERSEDED, partition, later)]
    assert result.tally == before


@given(good_logs(min_tasks=8), st.data())  # more tasks than agents: one of them has two
def test_a_broken_order_is_found(log: Log, data: st.DataObject) -> None:
    """Two answers of one agent that changed places: the earlier request is named, and nothing else is found."""
    partition, earlier, later = data.draw(st.sampled_from(list(neighbours(log))))
    records = log.responses[partition]
    records[earlier], records[later] = records[later], records[earlier]
    ((kind, part, place),) = log.audit().found
    assert kind is Finding.DISORDERED
    assert log.requests[part][place].task == records[later].task


def test_each_task_that_was_overtaken_is_found() -> None:
    """Not only the first after the one that came too early."""
    log = Log([[Ask("a", task) for task in "123"], [], []], [[Answer("a", task) for task in "312"], [], []])
    assert log.audit().places(Finding.DISORDERED) == [(0, 0), (0, 1)]


@given(good_logs(), st.data(), st.sampled_from(list(Status)))
def test_a_response_that_nobody_asked_for_is_found(log: Log, data: st.DataObject, status: Status) -> None:
    """A response without a request is named with its place, be it an outcome or progress."""
    partition = data.draw(st.integers(0, PARTITIONS - 1))
    offset = data.draw(st.integers(0, len(log.responses[partition])))
    log.responses[partition].insert(offset, Answer(data.draw(st.sampled_from(["agent-0", "nobody"])), "none", status))
    assert list(log.audit().found) == [(Finding.UNASKED, partition, offset)]


@given(good_logs(), st.data())
def test_a_response_in_another_partition_is_found(log: Log, data: st.DataObject) -> None:
    """An answer that is not where its request is: whoever reads only that partition would do the task again."""
    partition, offset = data.draw(st.sampled_from(log.places()))
    moved = log.responses[partition].pop(offset)
    other = (partition + 1) % PARTITIONS
    log.responses[other].append(moved)
    assert list(log.audit().found) == [(Finding.MISPLACED, other, len(log.responses[other]) - 1)]


@given(good_logs(), st.data())
def test_a_request_sent_twice_is_counted_and_breaks_nothing(log: Log, data: st.DataObject) -> None:
    """The second request of one task is a duplicate; one answer is enough for both."""
    partition, offset = data.draw(st.sampled_from(log.places()))
    answer = log.responses[partition][offset]
    log.requests[partition].append(Ask(answer.agent, answer.task))
    result = log.audit()
    assert result.tally.duplicates == 1
    assert not result.found


@given(good_logs(), st.data())
def test_a_task_that_never_ran_may_be_answered_early(log: Log, data: st.DataObject) -> None:
    """Cancelled in the queue, or timed out there: such an answer comes before those of earlier tasks, rightly."""
    partition, offset = data.draw(st.sampled_from(log.places()))
    early = log.responses[partition].pop(offset)
    status = data.draw(st.sampled_from([Status.CANCELLED, Status.TIMED_OUT]))
    log.responses[partition].insert(0, replace(early, status=status, has_run=False))
    assert not log.audit().found


@pytest.mark.parametrize("count", [1, 5])
def test_progress_is_no_outcome(count: int) -> None:
    """A task that only told of progress is unanswered."""
    log = Log([[Ask("a", "1")], [], []], [[Answer("a", "1", Status.IN_PROGRESS)] * count, [], []])
    assert list(log.audit().found) == [(Finding.UNANSWERED, 0, 0)]


def test_the_same_task_id_of_two_agents_is_two_tasks() -> None:
    """A task is named by its agent and its id together."""
    result = Log([[Ask("a", "1"), Ask("b", "1")], [], []], [[Answer("a", "1")], [], []]).audit()
    assert result.tally.requests == 2
    assert list(result.found) == [(Finding.UNANSWERED, 0, 1)]


@pytest.mark.parametrize(
    ("ask", "scope"),
    [
        pytest.param(Ask("a", "1", at_ms=91), Scope(now_ms=100, grace_ms=10), id="young"),
        pytest.param(Ask("a", "1", deadline_ms=101), Scope(now_ms=100), id="within its deadline"),
        pytest.param(Ask("a", "1", deadline_ms=95), Scope(now_ms=100, grace_ms=10), id="just after its deadline"),
        pytest.param(Ask("a", "1"), Scope(now_ms=100, waiting_from={0: 0}), id="not committed"),
    ],
)
def test_what_may_be_on_its_way_is_open(ask: Ask, scope: Scope) -> None:
    """It is counted as such, and no violation."""
    result = Log([[ask], [], []]).audit(scope)
    assert (result.tally.open, result.found) == (1, {})


def test_what_stands_outside_of_what_was_read_is_not_judged() -> None:
    """The answer of an old request may have expired, the request of an answer may stand before the range."""
    log = Log([[Ask("a", "1", at_ms=5)], [], []], [[Answer("a", "0", at_ms=6)], [], []])
    result = log.audit(Scope(now_ms=100, answers_since_ms={0: 6}))
    assert (result.tally.unjudged, result.found) == (2, {})
    assert log.audit(ALL_KNOWN).kinds == {Finding.UNANSWERED, Finding.UNASKED}


def test_an_answer_to_an_earlier_copy_breaks_no_order() -> None:
    """A range may begin between a request and its copy: the outcome that stands before it is not out of turn."""
    log = Log(
        [[Ask("a", "2", at_ms=6), Ask("a", "1", at_ms=7)], [], []],
        [[Answer("a", "1", at_ms=5), Answer("a", "2", at_ms=8)], [], []],
    )
    assert not log.audit().found


@given(st.sampled_from(Status), st.booleans())
def test_a_kind_fits_into_a_byte(status: Status, has_run: bool) -> None:
    """As the temporary file has it, and is never that of a request."""
    assert 0 < kind_of(status, has_run=has_run) < 256
