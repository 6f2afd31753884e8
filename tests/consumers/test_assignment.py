"""The partitions a worker has: which wait for their ledger, and how far the others are done."""

from __future__ import annotations

from mabos.consumers.assignment import Assignment, last_commits
from mabos.consumers.flow import Load
from tests.support.jobs import make_tenure


def opened(*partitions: int) -> Assignment[str]:
    """An assignment of partitions that are open."""
    assignment: Assignment[str] = Assignment()
    assignment.add(partitions)
    for partition in partitions:
        assignment.open(make_tenure(partition))
    return assignment


def committed(assignment: Assignment[str]) -> dict[int, int]:
    """The offsets worth committing."""
    return {partition: offset for partition, (offset, _) in assignment.to_commit().items()}


def test_a_partition_waits_until_its_ledger_is_known() -> None:
    """It is assigned, but has no tenure, and nothing of it is committed."""
    assignment: Assignment[str] = Assignment()
    assignment.add({1})
    assert assignment.partitions == {1}
    assert assignment.is_waiting(1)
    assert (assignment.tenures, assignment.to_commit(), assignment.unfinished) == ({}, {}, 0)
    assignment.open(make_tenure(1))
    assert assignment.partitions == set(assignment.tenures) == {1}
    assert not assignment.is_waiting(1)


def test_records_that_came_early_come_when_the_partition_opens() -> None:
    """In their order, and once."""
    assignment: Assignment[str] = Assignment()
    assignment.add({0, 1})
    for record in ("first", "second"):
        assignment.keep(1, record)
    assert assignment.loads() == {0: Load(0), 1: Load(2)}
    assert assignment.open(make_tenure(1)) == ["first", "second"]
    assert assignment.loads()[1] == Load(0, 0, 0)
    assert assignment.open(make_tenure(0)) == []


def test_a_record_of_another_worker_is_not_kept() -> None:
    """A batch may hold records of a partition that was just revoked; its next owner handles them."""
    assignment: Assignment[str] = Assignment()
    assignment.keep(0, "of nobody")
    assignment.keep(None, "of nowhere")
    assignment.add({0})
    assert assignment.open(make_tenure(0)) == []


def test_what_came_early_to_a_partition_that_went_and_came_back_is_read_again() -> None:
    """Kafka's client reads it from the committed offset: kept, it would be handled twice."""
    assignment: Assignment[str] = Assignment()
    assignment.add({0})
    assignment.keep(0, "of the first time")
    assert assignment.remove({0}) == []
    assignment.add({0})
    assert assignment.open(make_tenure(0)) == []


def test_a_partition_that_comes_back_before_it_went_keeps_nothing_early() -> None:
    """Assigned anew is read anew."""
    assignment: Assignment[str] = Assignment()
    assignment.add({0})
    assignment.keep(0, "of the first time")
    assignment.add({0})
    assert assignment.open(make_tenure(0)) == []


def test_only_what_moved_is_committed() -> None:
    """A commit that the broker took is not repeated, one that it did not take is."""
    assignment = opened(0, 1)
    assert committed(assignment) == {0: 0, 1: 0}, "that it is open is worth telling, too"
    assignment.note_committed(0, 0)
    assignment.note_committed(1, 0)
    assert committed(assignment) == {}
    offsets = assignment.tenures[0].offsets
    offsets.start(5)
    assert committed(assignment) == {0: 5}
    assignment.note_committed(0, 5)
    offsets.finish(5, 0)
    assert committed(assignment) == {0: 6}
    assert committed(assignment) == {0: 6}
    assignment.note_committed(0, 6)
    assert committed(assignment) == {}


def test_the_answer_to_an_older_commit_does_not_undo_a_newer_one() -> None:
    """Answers may come late, or for a partition that is gone."""
    assignment = opened(0)
    assignment.note_committed(0, 6)
    assignment.note_committed(0, 4)
    assignment.note_committed(7, 4)
    assert assignment.tenures[0].committed == 6


def test_a_commit_says_that_the_partition_is_open_and_the_last_one_that_it_is_not() -> None:
    """Whoever takes over after a crash looks for what caused it; after a hand-over there is nothing to look for."""
    assignment = opened(0)
    [(offset, bookmark)] = assignment.to_commit().values()
    assert (offset, bookmark.has_left) == (0, False)
    [(offset, bookmark)] = last_commits(list(assignment.tenures.values())).values()
    assert (offset, bookmark.has_left) == (0, True)


def test_the_last_commit_is_made_although_nothing_moved() -> None:
    """Its bookmark changes."""
    assignment = opened(0)
    assignment.note_committed(0, 0)
    assert assignment.to_commit() == {}
    assert set(last_commits([assignment.tenures[0]])) == {0}


def test_what_is_removed_is_over() -> None:
    """The engine and the delivery see it by the tenure, also where the partition comes back."""
    assignment = opened(0, 1)
    [tenure] = assignment.remove({0, 5})
    assert (tenure.partition, tenure.is_over) == (0, True)
    assert assignment.partitions == {1}
    assignment.add({0})
    assert assignment.is_waiting(0)


def test_loads_tell_what_each_partition_holds() -> None:
    """Records and bytes that are not finished, and how far it was read past the lowest of them."""
    assignment = opened(0, 1)
    tenure = assignment.tenures[1]
    for offset in range(3):
        tenure.offsets.start(offset)
    tenure.held_bytes = 99
    tenure.offsets.finish(1, 0)
    assert assignment.loads() == {0: Load(0, 0, 0), 1: Load(2, 99, 3)}
    assert assignment.unfinished == 2
