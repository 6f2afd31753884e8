"""The engine after a worker went down, and when it stood still."""

from __future__ import annotations

import threading
import time

import pytest

from mabos.consumers import AgentGroup, RetryPolicy, Task
from mabos.consumers.answers import MARK_HEADER
from mabos.consumers.ledger import Ledger
from mabos.schemas.events import Status
from tests.support.engines import Gates, Rig, rig, rig_of
from tests.support.jobs import RESPONSES, FakePublisher, make_message
from tests.support.waiting import eventually

STUBBORN = RetryPolicy(max_attempts=9, backoff_s=60, max_backoff_s=60)


# Suspects.


def marks_of(it: Rig) -> list[tuple[str, bytes]]:
    """The marks sent so far: whose, and how many workers went down, this time included."""
    return [
        (RESPONSES.decode(record.value).task_id, dict(record.headers)[MARK_HEADER])  # type: ignore[misc]
        for record in it.publisher.sent
        if record.headers and record.headers[0][0] == MARK_HEADER
    ]


def suspicious(end: int, **marks: int) -> Ledger:
    """The ledger of a partition whose owner went down: tasks of agents were marked so often before."""
    ledger = Ledger(10)
    for agent, count in marks.items():
        for offset in range(count):
            ledger.load_mark((agent, "t-0-0"), offset)
    ledger.suspect(end)
    return ledger


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_suspect_is_marked_before_it_runs_and_only_then(concurrency: int) -> None:
    """The first task of each agent that the dead worker may have had in hand; all others run as ever."""
    gates, publisher = Gates(), FakePublisher(hold=True)
    with rig(gates.plain, concurrency=concurrency, publisher=publisher) as it:
        it.open(0, ledger=suspicious(3))
        it.submit(make_message("a", offset=0), make_message("a", offset=1), make_message("b", offset=2))
        it.submit(make_message("c", offset=3))
        it.wait_for(lambda: len(publisher.waiting) == 3)
        assert gates.begun == ["t-0-3"]
        assert marks_of(it) == [("t-0-0", b"1"), ("t-0-2", b"1")]
        publisher.report()
        it.wait_for(lambda: publisher.report() or len(gates.ended) == 4)  # type: ignore[func-returns-value]
        it.wait_until_done()
    assert len(marks_of(it)) == 2
    assert [status for _, status in it.answered].count(Status.COMPLETED) == 4


def test_a_suspect_that_was_marked_before_runs_alone() -> None:
    """If the worker goes down again, there is no doubt whose fault it was."""
    gates = Gates("slow", "a")
    with rig(gates.plain, concurrency=4) as it:
        it.ask("slow", 0, partition=1)
        eventually(lambda: gates.begun)
        it.open(0, ledger=suspicious(1, a=1))
        it.ask("a", 0)
        it.ask("b", 1)
        eventually(lambda: it.engine._solo is not None)
        assert marks_of(it) == [], "a mark is a death, and it may not run yet"
        gates._gates["slow"].set()
        it.wait_for(lambda: "t-0-0" in gates.begun)
        assert marks_of(it) == [("t-0-0", b"2")]
        it.ask("c", 1, partition=1)
        assert it.engine.in_hand.keys() == {job for job in it.engine.in_hand if job.key == b"a"}
        assert "t-1-1" not in gates.begun
        gates.open()
        it.wait_until_done()
    assert "t-1-1" in gates.ended


def test_a_suspect_of_two_marks_is_given_up() -> None:
    """Three workers went down with it: it is answered and buried without running, and its agent goes on."""
    gates = Gates()
    with rig(gates.plain) as it:
        it.open(0, ledger=suspicious(2, a=2))
        it.ask("a", 0, 1)
        it.wait_until_done()
    assert gates.begun == ["t-0-1"]
    assert it.answered == [("t-0-0", Status.FAILED), ("t-0-1", Status.COMPLETED)]
    first = it.publisher.responses()[0]
    assert first.error is not None
    assert first.error.code == "worker_lost"
    assert [dict(letter.headers or ())["mabos-error-code"] for letter in it.publisher.letters()] == [b"worker_lost"]
    assert marks_of(it) == []


@pytest.mark.parametrize("marks", [0, 2])
def test_what_comes_behind_a_suspect_waits_until_the_suspect_is_answered_on_the_log(marks: int) -> None:
    """Else a task that ends its worker at once takes that answer with it each time, and the suspect gets the blame."""
    gates, publisher = Gates(), FakePublisher(hold=True)
    with rig(gates.plain, concurrency=1, publisher=publisher) as it:
        it.open(0, ledger=suspicious(2, a=marks))
        it.ask("a", 0, 1)
        it.wait_for(lambda: publisher.waiting)
        publisher.report(count=1 if marks == 0 else 0)  # the mark, where there is one
        it.wait_for(lambda: ("t-0-0", Status.FAILED if marks else Status.COMPLETED) in it.answered)
        heard = threading.Event()
        it.engine._loop.call_soon_threadsafe(heard.set)
        assert heard.wait(10)
        assert "t-0-1" not in gates.begun
        publisher.report()
        it.wait_for(lambda: "t-0-1" in gates.begun)
        publisher.report()
        it.wait_until_done()


def test_a_retried_suspect_is_marked_once() -> None:
    """What comes after the first attempt is an ordinary retry."""

    def handler(task: Task) -> None:
        if task.attempt == 1:
            raise ValueError("once")

    with rig(handler, retry=RetryPolicy(max_attempts=2, backoff_s=0)) as it:
        it.open(0, ledger=suspicious(1))
        it.ask("a", 0)
        it.wait_until_done()
    assert it.answered == [("t-0-0", Status.IN_PROGRESS), ("t-0-0", Status.COMPLETED)]


def test_a_suspect_whose_action_is_unknown_is_marked_once() -> None:
    """Waiting for a worker that knows it is no attempt."""
    agents = AgentGroup("g", unknown_action_grace_s=0.05)
    agents.on_task_request("known")(lambda task: {})
    with rig_of(agents) as it:
        it.open(0, ledger=suspicious(1))
        it.ask("a", 0, action="new")
        it.wait_until_done()
    assert it.answered == [("t-0-0", Status.IN_PROGRESS), ("t-0-0", Status.REJECTED)]


# A worker that stood still.


@pytest.mark.parametrize("concurrency", [1, 4])
def test_nothing_begins_after_a_standstill_until_the_reader_was_seen(concurrency: int) -> None:
    """As after SIGSTOP: the partitions may have another owner by now, and only the reader can hear of it."""
    gates = Gates("a")
    with rig(gates.plain, concurrency=concurrency) as it:
        it.ask("a", 0, 1)
        eventually(lambda: gates.begun)
        it.engine.reader_seen_s = time.monotonic() - 60
        gates.open()
        it.ask("b", 2)
        it.wait_for(lambda: it.answered)
        heard = threading.Event()
        it.engine._loop.call_soon_threadsafe(heard.set)
        assert heard.wait(10)
        assert gates.begun == ["t-0-0"]
        it.engine.reader_seen_s = time.monotonic()
        it.wait_until_done()
    assert sorted(gates.begun) == ["t-0-0", "t-0-1", "t-0-2"]
