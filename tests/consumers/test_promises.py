"""What holds whatever happens: a partition's owners come, go and die, and each task has its outcome once and in order.

The pure core (lanes, offsets, ledger, bookmark, inheritance) works on a log that is two lists. Owners stop in order or
die at any moment; what they sent and nobody acknowledged is then on the log, or lost. One thing is left out: a record
of a dead owner that reaches the log after the next one has read its end.
"""

from __future__ import annotations

from collections import Counter, deque

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mabos.consumers.bookmark import read_bookmark
from mabos.consumers.inheritance import Estate, inherit
from mabos.consumers.lanes import Lanes
from mabos.consumers.ledger import TaskKey

AGENTS = st.sampled_from("abcde")
LARGE = 10_000


class Log:
    """One partition of requests, its responses, and what is committed: all that outlives an owner."""

    def __init__(self) -> None:
        self.requests: list[TaskKey] = []
        self.outcomes: list[TaskKey | None] = []  # None: a response that ends nothing
        self.committed: tuple[int, str] | None = None

    def estate(self) -> Estate:
        offset, text = (None, None) if self.committed is None else self.committed
        return Estate(
            committed=offset,
            bookmark=read_bookmark(text),
            requests_begin=0,
            requests_end=len(self.requests),
            responses_end=len(self.outcomes),
        )


class Owner:
    """A worker with that one partition, as its parts are wired: lanes, ledger, notes, offsets, commits."""

    def __init__(self, log: Log, window: int) -> None:
        self.log = log
        found = inherit(0, log.estate(), window=window, reach=LARGE)
        for response_offset, key in enumerate(log.outcomes[: found.end]):
            if response_offset >= found.begin and key is not None:
                found.note_outcome(key, response_offset)
        self.tenure = found.tenure
        self.lanes: Lanes[int] = Lanes()
        self.in_hand: dict[str, int] = {}
        self.sent: deque[int] = deque()  # requests whose response is on its way
        self.landed: deque[tuple[int, int]] = deque()  # and stands on the log, but nobody has heard of it
        self.notes: deque[tuple[int, int | None]] = deque()
        self.commit()  # before anything runs, as the worker does

    def read(self) -> None:
        offset = self.tenure.offsets.position
        if offset < len(self.log.requests):
            assert self.tenure.offsets.start(offset)
            self.lanes.add(self.log.requests[offset][0], offset)

    def begin(self) -> None:
        offset = self.lanes.take()
        if offset is None:
            return
        key = self.log.requests[offset]
        if self.tenure.ledger.has(key):
            self.notes.append((offset, self.tenure.ledger.find(key)))
            self.lanes.finish(key[0])
        else:
            assert key[0] not in self.in_hand, "two tasks of one agent at a time"
            self.in_hand[key[0]] = offset

    def answer(self, agent: str) -> None:
        offset = self.in_hand.pop(agent)
        self.tenure.ledger.answer(self.log.requests[offset])
        self.sent.append(offset)
        self.lanes.finish(agent)

    def land(self) -> None:
        offset = self.sent.popleft()
        self.landed.append((offset, len(self.log.outcomes)))
        self.log.outcomes.append(self.log.requests[offset])

    def hear(self) -> None:
        self.notes.append(self.landed.popleft())

    def settle(self) -> None:
        while self.notes:
            self.tenure.offsets.finish(*self.notes.popleft())

    def commit(self, *, has_left: bool = False) -> None:
        self.log.committed = self.tenure.offsets.committable, self.tenure.bookmark(has_left=has_left).text


class Partition(RuleBasedStateMachine):
    """What may happen to a partition and its owners, in any order."""

    WINDOW = LARGE

    def __init__(self) -> None:
        super().__init__()
        self.log = Log()
        self.owner = Owner(self.log, self.WINDOW)

    @rule(agent=AGENTS, count=st.integers(1, 4))
    def ask(self, agent: str, count: int) -> None:
        for _ in range(count):
            self.log.requests.append((agent, f"t{len(self.log.requests)}"))

    @rule(count=st.integers(1, 5))
    def read(self, count: int) -> None:
        for _ in range(count):
            self.owner.read()

    @rule(count=st.integers(1, 3))
    def begin(self, count: int) -> None:
        for _ in range(count):
            self.owner.begin()

    @precondition(lambda self: self.owner.in_hand)
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        self.owner.answer(data.draw(st.sampled_from(sorted(self.owner.in_hand))))

    @rule(data=st.data())
    def work(self, data: st.DataObject) -> None:
        """A while without faults, after which some tasks are still in hand."""
        owner = self.owner
        for _ in range(data.draw(st.integers(1, 8))):
            owner.read()
            owner.begin()
        for agent in data.draw(st.sets(st.sampled_from(sorted(owner.in_hand)))) if owner.in_hand else ():
            owner.answer(agent)
        while owner.sent:
            owner.land()
        while owner.landed:
            owner.hear()
        self.commit()

    @rule()
    def tell_progress(self) -> None:
        self.log.outcomes.append(None)

    @precondition(lambda self: self.owner.sent)
    @rule(data=st.data())
    def land(self, data: st.DataObject) -> None:
        for _ in range(data.draw(st.integers(1, len(self.owner.sent)))):
            self.owner.land()

    @precondition(lambda self: self.owner.landed)
    @rule(data=st.data())
    def hear(self, data: st.DataObject) -> None:
        for _ in range(data.draw(st.integers(1, len(self.owner.landed)))):
            self.owner.hear()

    @rule()
    def settle(self) -> None:
        self.owner.settle()

    @rule()
    def commit(self) -> None:
        self.owner.settle()
        self.owner.commit()

    @rule(data=st.data(), finish=st.booleans())
    def leave(self, data: st.DataObject, finish: bool) -> None:
        """It finishes what it has in hand, or is cut off; commits what is acknowledged; and the next one comes."""
        owner = self.owner
        while finish and owner.in_hand:
            owner.answer(min(owner.in_hand))
        self.lose(data)
        while owner.landed:
            owner.hear()
        owner.settle()
        owner.commit(has_left=True)
        self.owner = Owner(self.log, self.WINDOW)

    @rule(data=st.data())
    def die(self, data: st.DataObject) -> None:
        """What it has sent last is lost; what it sent before stands on the log, although it never heard of it."""
        self.lose(data)
        self.owner = Owner(self.log, self.WINDOW)

    def lose(self, data: st.DataObject) -> None:
        for _ in range(data.draw(st.integers(0, len(self.owner.sent)))):
            self.owner.land()

    @invariant()
    def nothing_is_passed_without_an_outcome(self) -> None:
        assert self.log.committed is not None
        answered = set(self.log.outcomes)
        assert all(key in answered for key in self.log.requests[: self.log.committed[0]]), "a task was lost"

    @invariant()
    def nothing_is_answered_twice(self) -> None:
        counts = Counter(key for key in self.log.outcomes if key is not None)
        assert [key for key, count in counts.items() if count > 1] == []

    @invariant()
    def outcomes_stand_in_the_order_of_requests(self) -> None:
        firsts = dict.fromkeys(key for key in self.log.outcomes if key is not None)
        places = {key: place for place, key in reversed(list(enumerate(self.log.requests)))}
        for agent in "abcde":
            order = [places[key] for key in firsts if key[0] == agent]
            assert order == sorted(order)

    def teardown(self) -> None:
        """Whatever happened before: in the end each task has an outcome, and all is committed."""
        owner = self.owner
        while owner.tenure.offsets.committable < len(self.log.requests):
            owner.read()
            owner.begin()
            for agent in list(owner.in_hand):
                owner.answer(agent)
            while owner.sent:
                owner.land()
            while owner.landed:
                owner.hear()
            owner.settle()
        owner.commit()
        assert set(self.log.requests) == {key for key in self.log.outcomes if key is not None}
        self.nothing_is_answered_twice()
        self.outcomes_stand_in_the_order_of_requests()


class PartitionWithDuplicates(Partition):
    """As above, and any task may be asked for again at any time; the window holds all outcomes."""

    @precondition(lambda self: self.log.requests)
    @rule(data=st.data())
    def ask_again(self, data: st.DataObject) -> None:
        self.log.requests.append(data.draw(st.sampled_from(self.log.requests)))


class PartitionWithTheSmallestWindow(Partition):
    """What finished above the committed offset is not run again however small the window is."""

    WINDOW = 1


MANY = settings(max_examples=120, stateful_step_count=40, deadline=None)
TestPartition = PartitionWithTheSmallestWindow.TestCase
TestPartition.settings = MANY
TestPartitionWithDuplicates = PartitionWithDuplicates.TestCase
TestPartitionWithDuplicates.settings = MANY


def answer_all_but_the_first(owner: Owner, count: int) -> None:
    """Agent ``a`` has a slow task at 0; the others, one task each, are done."""
    for _ in range(count):
        owner.read()
        owner.begin()
    for agent in [agent for agent in owner.in_hand if agent != "a"]:
        owner.answer(agent)
        owner.land()
        owner.hear()
    owner.settle()
    owner.commit()


def test_what_finished_ahead_is_remembered_however_much_is_answered_before_it_is_met() -> None:
    """A long backlog of one agent stands before a task of another that is finished; the window fills meanwhile."""
    log = Log()
    log.requests = [("a", f"t{n}") for n in range(5)] + [("b", "done")]
    owner = Owner(log, 2)
    for _ in range(6):
        owner.read()
    for _ in range(2):
        owner.begin()
    owner.answer("b")
    owner.land()
    owner.hear()
    owner.settle()
    owner.commit()
    assert log.committed == (0, "mabos:1:0:open")
    heir = Owner(log, 2)
    for _ in range(5):
        heir.read()
        heir.begin()
        heir.answer("a")
        heir.land()
    heir.read()
    heir.begin()
    assert heir.in_hand == {}, "the task that was done began again"


def test_an_owner_that_dies_before_it_met_what_finished_ahead_hands_it_on() -> None:
    """The bookmark that it wrote as it began still points to those outcomes."""
    log = Log()
    log.requests = [(agent, "t") for agent in "abcdef"]
    answer_all_but_the_first(Owner(log, 1), 6)
    assert log.committed == (0, "mabos:1:0:open")
    Owner(log, 1)
    heir = Owner(log, 1)
    for _ in range(6):
        heir.read()
        heir.begin()
    assert heir.in_hand == {"a": 0}, "tasks that were done began again"


def test_a_task_sent_again_after_the_window_is_answered_again() -> None:
    """What the window is for: within it a copy is skipped, beyond it a copy is a new task."""
    log = Log()
    log.requests = [("a", "t"), ("b", "1"), ("a", "t"), ("b", "2"), ("b", "3"), ("a", "t")]
    owner = Owner(log, 2)
    for _ in log.requests:
        owner.read()
        owner.begin()
        for agent in list(owner.in_hand):
            owner.answer(agent)
            owner.land()
    assert log.outcomes == [("a", "t"), ("b", "1"), ("b", "2"), ("b", "3"), ("a", "t")]
