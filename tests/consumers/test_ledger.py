"""Which tasks of a partition have their outcome already."""

from __future__ import annotations

from mabos.consumers.bookmark import Bookmark
from mabos.consumers.inheritance import Estate, Inheritance, inherit
from mabos.consumers.ledger import Ledger, TaskKey


def task(name: int, agent: str = "a") -> TaskKey:
    return agent, f"t{name}"


def test_what_was_answered_has_its_outcome() -> None:
    """By this worker, wherever that stands; or on the log, at its place."""
    ledger = Ledger(10)
    ledger.answer(task(1))
    ledger.load(task(2), 17, is_pointed_to=False)
    assert [ledger.has(task(n)) for n in (1, 2, 3)] == [True, True, False]
    assert [ledger.find(task(n)) for n in (1, 2, 3)] == [None, 17, None]


def test_the_window_keeps_the_newest_outcomes() -> None:
    """Memory is bounded, however long a worker runs."""
    ledger = Ledger(100)
    for n in range(1000):
        ledger.answer(task(n))
    assert len(ledger) == 100
    assert not ledger.has(task(899))
    assert ledger.has(task(900))


def test_an_answer_that_is_told_again_keeps_its_age() -> None:
    """The order of the outcomes is that of the log."""
    ledger = Ledger(2)
    for n in (1, 2, 1, 3):
        ledger.answer(task(n))
    assert [ledger.has(task(n)) for n in (1, 2, 3)] == [False, True, True]


def test_what_the_bookmark_points_to_is_kept_however_many_others_are_answered() -> None:
    """Its request is still to come, and must not run again."""
    ledger = Ledger(2)
    ledger.load(task(0), 5, is_pointed_to=False)
    ledger.load(task(1), 6, is_pointed_to=True)
    for n in range(2, 1000):
        ledger.answer(task(n))
    assert ledger.find(task(1)) == 6
    assert not ledger.has(task(0))
    assert len(ledger) == 3


def test_the_first_outcome_of_a_task_counts() -> None:
    """As for everybody who reads the log."""
    ledger = Ledger(10)
    ledger.load(task(1), 5, is_pointed_to=False)
    ledger.load(task(1), 8, is_pointed_to=True)
    ledger.load(task(2), 9, is_pointed_to=True)
    ledger.load(task(2), 10, is_pointed_to=True)
    assert (ledger.find(task(1)), ledger.find(task(2))) == (5, 9)


def test_marks_without_an_outcome_are_counted() -> None:
    """Each is a worker that went down; an outcome ends the count, before a mark or after it."""
    ledger = Ledger(10)
    ledger.load(task(2), 1, is_pointed_to=False)
    for offset, n in ((3, 1), (4, 2), (5, 1), (6, 3)):
        ledger.load_mark(task(n), offset)
    ledger.load(task(3), 7, is_pointed_to=True)
    ledger.load_mark(task(3), 8)
    marks = ledger.find_marks(task(1))
    assert marks is not None
    assert (marks.first_offset, marks.count) == (3, 2)
    assert (ledger.find_marks(task(2)), ledger.find_marks(task(3)), ledger.find_marks(task(9))) == (None, None, None)


def test_the_first_unanswered_task_of_each_agent_is_suspect() -> None:
    """A worker has one task of an agent in hand; those that came after it was gone are nobody's fault."""
    ledger = Ledger(10)
    assert not ledger.is_suspect("a", 0)
    ledger.suspect(10)
    assert ledger.is_suspect("a", 4)
    assert not ledger.is_suspect("a", 5)
    assert ledger.is_suspect("b", 9)
    assert not ledger.is_suspect("c", 10)


# What a worker inherits.


def take_over(
    bookmark: Bookmark | None, *, committed: int | None = 40, window: int = 10, reach: int = 1000
) -> Inheritance:
    """Take over a partition with requests from 7 to 90 and responses up to 100."""
    estate = Estate(committed=committed, bookmark=bookmark, requests_begin=7, requests_end=90, responses_end=100)
    return inherit(3, estate, window=window, reach=reach)


def bookmark(ledger_start: int, *, has_left: bool = True) -> Bookmark:
    return Bookmark(ledger_start=ledger_start, has_left=has_left)


def test_reading_begins_a_window_before_the_bookmark() -> None:
    """And ends where the log ended; the partition itself is read from the committed offset."""
    found = take_over(bookmark(60))
    assert (found.begin, found.ledger_start, found.end) == (50, 60, 100)
    assert (found.tenure.partition, found.tenure.offsets.position) == (3, 40)
    assert take_over(bookmark(4)).begin == 0


def test_without_a_bookmark_the_newest_outcomes_are_read() -> None:
    """Nothing is known of what finished ahead, so nothing is pointed to; nor is anything suspect."""
    found = take_over(None)
    assert (found.begin, found.ledger_start, found.end) == (90, 100, 100)
    assert found.tenure.ledger.suspects_end == 0


def test_a_partition_that_nobody_had_is_read_from_its_begin() -> None:
    """What the retention has left of it."""
    assert take_over(None, committed=None).tenure.offsets.position == 7


def test_a_bookmark_beyond_the_end_points_to_nothing() -> None:
    """As after the responses were deleted: there is nothing to read, and that is no error."""
    found = take_over(bookmark(5000))
    assert (found.begin, found.ledger_start, found.end) == (90, 100, 100)


def test_tasks_are_suspect_unless_the_last_owner_left_in_order() -> None:
    """Up to where the requests end now."""
    assert take_over(bookmark(60, has_left=False)).tenure.ledger.suspects_end == 90
    assert take_over(bookmark(60, has_left=True)).tenure.ledger.suspects_end == 0


def test_what_is_pointed_to_outlives_the_window() -> None:
    """What stands before the bookmark does not."""
    found = take_over(bookmark(60), window=1)
    found.note_outcome(task(1), 59)
    found.note_outcome(task(2), 60)
    found.tenure.ledger.answer(task(3))
    assert [found.tenure.ledger.has(task(n)) for n in (1, 2, 3)] == [False, True, True]


def test_marks_are_inherited() -> None:
    """They are deaths of earlier workers."""
    found = take_over(bookmark(60))
    found.note_mark(task(1), 70)
    marks = found.tenure.ledger.find_marks(task(1))
    assert marks is not None
    assert (marks.first_offset, marks.count) == (70, 1)


def test_the_bookmark_is_handed_on_until_all_that_it_points_to_is_passed() -> None:
    """A worker that dies before would leave its heir without those outcomes."""
    for reach, passed in ((1000, 90), (20, 60)):
        offsets = take_over(bookmark(60), reach=reach).tenure.offsets
        for offset in range(40, passed - 1):
            offsets.start(offset)
            offsets.finish(offset, offset + 60)
        assert offsets.ledger_start == 60
        offsets.start(passed - 1)
        offsets.finish(passed - 1, 200)
        assert offsets.ledger_start == 201


def test_a_bookmark_that_points_to_nothing_is_not_handed_on() -> None:
    """As after an owner that finished all it had read: the next one need read no more than the window."""
    assert take_over(bookmark(100)).tenure.offsets.ledger_start == 100
