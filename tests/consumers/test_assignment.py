"""The partitions a worker has, and how far each is done."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mabos.consumers.assignment import Assignment
from mabos.consumers.holds import Holds
from mabos.consumers.lanes import Lanes


def test_a_record_of_another_worker_is_not_expected() -> None:
    """A batch may hold records of a partition that was just revoked; its next owner handles them."""
    assignment = Assignment()
    assignment.add({1})
    assert not assignment.expects(0, 5)
    assert assignment.expects(1, 5)


def test_a_record_that_came_before_is_not_expected() -> None:
    """A record that is read again after a seek is handled once."""
    assignment = Assignment()
    assignment.add({0})
    assignment.start(0, 5)
    assert not assignment.expects(0, 5)
    assert assignment.expects(0, 6)


def test_only_what_moved_is_committed() -> None:
    """A commit that the broker took is not repeated, one that it did not take is."""
    assignment = Assignment()
    assignment.add({0, 1})
    assert assignment.to_commit() == {}
    assignment.start(0, 5)
    assert assignment.to_commit() == {}
    assignment.finish(0, 5)
    assert assignment.to_commit() == {0: 6}
    assert assignment.to_commit() == {0: 6}
    assignment.note_committed(0, 6)
    assert assignment.to_commit() == {}


def test_a_late_finish_of_a_partition_that_came_back_marks_nothing_unread() -> None:
    """An acknowledgement that arrives after the partition was lost and assigned again cannot move the commit ahead."""
    assignment = Assignment()
    assignment.add({0})
    for offset in range(10):
        assignment.start(0, offset)
    assignment.remove({0})
    assignment.finish(0, 9)
    assignment.note_committed(0, 9)
    assignment.add({0})
    assignment.finish(0, 9)
    assignment.start(0, 0)
    assignment.finish(0, 9)
    assert assignment.unfinished() == {0: 1}
    assert assignment.to_commit() == {}


class WorkerMachine(RuleBasedStateMachine):
    """A worker as pure parts: lanes, offsets and holds over three partitions of a log that never ends.

    The rules are what may happen to it, in any order: records arrive, some cannot be read yet, tasks finish in any
    order or pause for a retry, partitions are revoked and come back at what was committed.
    """

    PARTITIONS = 3

    def __init__(self) -> None:
        super().__init__()
        self.assignment, self.lanes, self.holds = Assignment(), Lanes[tuple[int, int]](), Holds(1.0)
        self.now_s = 0.0
        self.read_at: dict[int, int] = {}  # where Kafka's client reads next
        self.committed = dict.fromkeys(range(self.PARTITIONS), 0)  # what the broker has
        self.in_hand: dict[int, tuple[int, int]] = {}
        self.paused: dict[int, tuple[int, int]] = {}
        self.done: set[tuple[int, int]] = set()
        self.runs: dict[tuple[int, int], int] = {}
        self.last_begun: dict[tuple[int, int], int] = {}

    @staticmethod
    def agent_of(partition: int, offset: int) -> int:
        return partition * 10 + offset * 7 % 3

    @rule(partition=st.integers(0, PARTITIONS - 1))
    def assign(self, partition: int) -> None:
        if partition not in self.assignment.partitions:
            self.assignment.add({partition})
            self.read_at[partition] = self.committed[partition]

    @precondition(lambda self: self.read_at)
    @rule(data=st.data(), count=st.integers(1, 5), readable=st.booleans())
    def read(self, data: st.DataObject, count: int, readable: bool) -> None:
        partition = data.draw(st.sampled_from(sorted(self.read_at)))
        for offset in range(self.read_at[partition], self.read_at[partition] + count):
            if partition in self.holds.partitions or not self.assignment.expects(partition, offset):
                continue
            if not readable:
                self.holds.hold(partition, offset, now_s=self.now_s)
                continue
            self.assignment.start(partition, offset)
            self.lanes.add(self.agent_of(partition, offset), (partition, offset))
        self.read_at[partition] += count

    @rule(passed_s=st.floats(0, 1))
    def release(self, passed_s: float) -> None:
        self.now_s += passed_s
        for partition, offset in self.holds.release(now_s=self.now_s).items():
            assert partition in self.assignment.partitions
            self.read_at[partition] = offset

    @rule()
    def begin(self) -> None:
        item = self.lanes.take()
        if item is None:
            return
        agent = self.agent_of(*item)
        assert agent not in self.in_hand
        assert agent not in self.paused
        for (partition, offset), runs in self.runs.items():
            if self.agent_of(partition, offset) == agent and offset < item[1]:
                assert runs or (partition, offset) in self.done, "a later task began before an earlier one"
        self.runs[item] = self.runs.get(item, 0) + 1
        self.in_hand[agent] = item

    @precondition(lambda self: self.in_hand)
    @rule(data=st.data(), retry=st.booleans())
    def end(self, data: st.DataObject, retry: bool) -> None:
        agent = data.draw(st.sampled_from(sorted(self.in_hand)))
        item = self.in_hand.pop(agent)
        if retry:
            self.paused[agent] = item
            return
        self.finish(agent, item)

    @precondition(lambda self: self.paused)
    @rule(data=st.data())
    def resume(self, data: st.DataObject) -> None:
        agent = data.draw(st.sampled_from(sorted(self.paused)))
        self.in_hand[agent] = self.paused.pop(agent)

    def finish(self, agent: int, item: tuple[int, int]) -> None:
        self.done.add(item)
        self.assignment.finish(*item)
        self.lanes.finish(agent)

    @rule()
    def commit(self) -> None:
        for partition, offset in self.assignment.to_commit().items():
            self.committed[partition] = offset
            self.assignment.note_committed(partition, offset)

    @rule(data=st.data())
    def revoke(self, data: st.DataObject) -> None:
        if not self.assignment.partitions:
            return
        partition = data.draw(st.sampled_from(sorted(self.assignment.partitions)))
        self.lanes.drop(lambda item: item[0] == partition)
        for agent, item in list(self.paused.items()):
            if item[0] == partition:
                del self.paused[agent]
                self.lanes.finish(agent)
        for agent, item in list(self.in_hand.items()):
            if item[0] == partition:
                del self.in_hand[agent]
                self.finish(agent, item)
        self.commit()
        self.assignment.remove({partition})
        self.holds.forget({partition})
        del self.read_at[partition]

    @invariant()
    def nothing_unfinished_is_committed(self) -> None:
        for partition, offset in self.committed.items():
            assert all((partition, before) in self.done for before in range(offset)), "a task was lost"

    @invariant()
    def counts_are_right(self) -> None:
        total = len(self.lanes) + len(self.in_hand) + len(self.paused)
        assert sum(self.assignment.unfinished().values()) == total

    def teardown(self) -> None:
        """Whatever happened before, once all that was read has finished, all of it can be committed."""
        self.now_s += 2
        self.release(0.0)
        while self.paused or self.in_hand or len(self.lanes):
            for agent, item in [*self.paused.items(), *self.in_hand.items()]:
                self.paused.pop(agent, None)
                self.in_hand.pop(agent, None)
                self.finish(agent, item)
            self.begin()
        self.commit()
        for partition, offset in self.read_at.items():
            assert self.committed[partition] == offset
        self.nothing_unfinished_is_committed()


TestWorker = WorkerMachine.TestCase
