"""A queue per agent, of which only the first task may be in hand."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mabos.consumers.lanes import Lanes


def test_lanes_take_turns() -> None:
    """An agent with many tasks does not keep the others waiting."""
    lanes: Lanes[str] = Lanes()
    for item in ("a1", "a2", "a3", "b1", "c1"):
        lanes.add(item[0], item)
    order = []
    while (item := lanes.take()) is not None:
        order.append(item)
        lanes.finish(item[0])
    assert order == ["a1", "b1", "c1", "a2", "a3"]


def test_one_in_hand_per_lane() -> None:
    """The second task of an agent is not handed out before the first is finished."""
    lanes: Lanes[str] = Lanes()
    lanes.add("a", "a1")
    lanes.add("a", "a2")
    assert lanes.take() == "a1"
    assert lanes.take() is None
    lanes.finish("a")
    assert lanes.take() == "a2"


def test_an_empty_lane_leaves_nothing_behind() -> None:
    """A million agents that came once do not fill the memory."""
    lanes: Lanes[int] = Lanes()
    for key in range(1000):
        lanes.add(key, key)
        lanes.take()
        lanes.finish(key)
    assert not lanes._waiting


AGENTS = st.integers(0, 4)
PARTITIONS = st.integers(0, 2)


class LanesMachine(RuleBasedStateMachine):
    """Random arrivals over agents and partitions, finishes in any order and drops, against a list per agent."""

    def __init__(self) -> None:
        super().__init__()
        self.lanes: Lanes[tuple[int, int, int]] = Lanes()
        self.model: dict[int, list[tuple[int, int, int]]] = {agent: [] for agent in range(5)}
        self.in_hand: dict[int, tuple[int, int, int]] = {}
        self.number = 0

    @rule(agent=AGENTS, partition=PARTITIONS)
    def arrive(self, agent: int, partition: int) -> None:
        item = (agent, partition, self.number)
        self.number += 1
        self.lanes.add(agent, item)
        self.model[agent].append(item)

    @rule()
    def take(self) -> None:
        item = self.lanes.take()
        if item is None:
            assert all(agent in self.in_hand for agent, waiting in self.model.items() if waiting)
            return
        agent = item[0]
        assert agent not in self.in_hand, "two tasks of one agent are in hand"
        assert item == self.model[agent].pop(0), "out of order"
        self.in_hand[agent] = item

    @precondition(lambda self: self.in_hand)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        agent = data.draw(st.sampled_from(sorted(self.in_hand)))
        del self.in_hand[agent]
        self.lanes.finish(agent)

    @rule(partitions=st.sets(PARTITIONS))
    def drop(self, partitions: set[int]) -> None:
        dropped = self.lanes.drop(lambda item: item[1] in partitions)
        wanted = [item for waiting in self.model.values() for item in waiting if item[1] in partitions]
        assert sorted(dropped) == sorted(wanted)
        for agent, waiting in self.model.items():
            self.model[agent] = [item for item in waiting if item[1] not in partitions]

    @invariant()
    def counts_what_waits(self) -> None:
        assert len(self.lanes) == sum(map(len, self.model.values()))

    def teardown(self) -> None:
        """Whatever happened before, all that is left comes out, and then nothing is kept."""
        for agent in self.in_hand:
            self.lanes.finish(agent)
        left = sum(map(len, self.model.values()))
        for _ in range(left):
            item = self.lanes.take()
            assert item is not None, "a task was lost"
            self.lanes.finish(item[0])
        assert self.lanes.take() is None
        assert not self.lanes._waiting


TestLanes = LanesMachine.TestCase
