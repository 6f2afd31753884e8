"""Which offset may be committed while tasks finish in any order."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mabos.consumers.offsets import Offsets


def test_nothing_read_commits_where_reading_began() -> None:
    """A partition from which nothing was read has nothing new to commit."""
    offsets = Offsets(7)
    assert (offsets.position, offsets.committable, offsets.unfinished) == (7, 7, 0)


def test_the_lowest_unfinished_offset_is_committable() -> None:
    """What finishes above an unfinished task is not committed before that one."""
    offsets = Offsets(0)
    for offset in (0, 1, 2):
        offsets.start(offset)
    offsets.finish(1)
    offsets.finish(2)
    assert (offsets.committable, offsets.unfinished) == (0, 1)
    offsets.finish(0)
    assert (offsets.committable, offsets.unfinished) == (3, 0)


def test_gaps_of_the_log_are_passed() -> None:
    """Offsets that hold no record, as of transaction markers, do not keep the commit back."""
    offsets = Offsets(0)
    offsets.start(3)
    offsets.start(9)
    offsets.finish(3)
    assert offsets.committable == 9
    offsets.finish(9)
    assert offsets.committable == 10


def test_a_record_that_was_passed_is_refused() -> None:
    """Handled again, it could be committed before it is done."""
    offsets = Offsets(5)
    assert not offsets.start(4)
    assert offsets.start(5)
    assert not offsets.start(5)
    assert not offsets.start(4)
    assert offsets.start(6)
    assert (offsets.committable, offsets.unfinished, offsets.position) == (5, 2, 7)


def test_what_was_not_started_is_not_finished() -> None:
    """A late note about a record of an earlier time changes nothing."""
    offsets = Offsets(5)
    offsets.start(7)
    for offset in (4, 8, 100):
        offsets.finish(offset, 3)
    assert (offsets.committable, offsets.unfinished, offsets.ledger_start) == (7, 1, 0)


def test_the_ledger_begins_where_the_first_response_above_the_committed_offset_stands() -> None:
    """Whoever takes over must see all of them, and nothing before."""
    offsets = Offsets(0, response_end=50)
    for offset in range(5):
        offsets.start(offset)
    assert offsets.ledger_start == 50
    offsets.finish(0, 50)
    assert offsets.ledger_start == 51
    offsets.finish(4, 51)
    offsets.finish(2, 60)
    assert (offsets.committable, offsets.ledger_start) == (1, 51)
    offsets.finish(1, 61)
    assert (offsets.committable, offsets.ledger_start) == (3, 51)
    offsets.finish(3, 62)
    assert (offsets.committable, offsets.ledger_start) == (5, 63)


def test_a_duplicate_shows_the_outcome_that_it_was_skipped_for() -> None:
    """Also one that stands before all that this owner has written."""
    offsets = Offsets(0, response_end=50)
    offsets.start(0)
    offsets.start(1)
    offsets.finish(1, 20)
    assert offsets.ledger_start == 20


def test_a_mark_is_shown_until_its_record_is_passed() -> None:
    """The worker that goes down with a suspect in hand is counted by the next one."""
    offsets = Offsets(0, response_end=50)
    for offset in (0, 1, 2):
        offsets.start(offset)
    offsets.show(0, 50)
    offsets.finish(1, 51)
    offsets.finish(2, 52)
    assert offsets.ledger_start == 50
    offsets.finish(0, 53)
    assert offsets.ledger_start == 54


def test_what_is_kept_in_mind_reaches_from_the_lowest_unfinished_record_on() -> None:
    """One slow task lets those behind it pile up: flow control must see that."""
    offsets = Offsets(0)
    for offset in range(10):
        offsets.start(offset)
    for offset in range(1, 10):
        offsets.finish(offset)
    assert (offsets.unfinished, offsets.ahead) == (1, 10)
    offsets.finish(0)
    assert (offsets.unfinished, offsets.ahead) == (0, 0)


class OffsetsMachine(RuleBasedStateMachine):
    """Any order of reads, gaps, finishes and marks, against plain sets of what is unfinished and what must be seen."""

    def __init__(self) -> None:
        super().__init__()
        self.offsets = Offsets(100, 1000)
        self.next = 100
        self.response_end = 1000
        self.unfinished: set[int] = set()
        self.finished: set[int] = set()
        self.shown: list[tuple[int, int]] = []  # a request, and a response that must be seen while it is not passed

    @rule(gap=st.integers(0, 3))
    def start(self, gap: int) -> None:
        offset = self.next + gap
        assert self.offsets.start(offset)
        self.unfinished.add(offset)
        self.next = offset + 1

    @rule(back=st.integers(1, 5))
    def start_again(self, back: int) -> None:
        assert not self.offsets.start(self.next - back)

    @precondition(lambda self: self.unfinished)
    @rule(data=st.data(), gap=st.integers(0, 3))
    def finish(self, data: st.DataObject, gap: int) -> None:
        offset = data.draw(st.sampled_from(sorted(self.unfinished)))
        self.note(offset, self.response_end + gap)
        self.offsets.finish(offset, self.response_end + gap)
        self.response_end += gap + 1

    @precondition(lambda self: self.unfinished)
    @rule(data=st.data(), response_offset=st.integers(0, 2000) | st.none())
    def skip(self, data: st.DataObject, response_offset: int | None) -> None:
        offset = data.draw(st.sampled_from(sorted(self.unfinished)))
        if response_offset is not None:
            response_offset = min(response_offset, self.response_end - 1)
        self.note(offset, response_offset)
        self.offsets.finish(offset, response_offset)
        if response_offset is None:
            self.response_end += 1

    def note(self, offset: int, response_offset: int | None) -> None:
        self.unfinished.discard(offset)
        self.finished.add(offset)
        self.shown.append((offset, self.response_end if response_offset is None else response_offset))

    @precondition(lambda self: self.unfinished)
    @rule(data=st.data(), back=st.integers(0, 5))
    def mark(self, data: st.DataObject, back: int) -> None:
        offset = data.draw(st.sampled_from(sorted(self.unfinished)))
        self.shown.append((offset, self.response_end - back))
        self.offsets.show(offset, self.response_end - back)

    @precondition(lambda self: self.finished)
    @rule(data=st.data())
    def finish_again(self, data: st.DataObject) -> None:
        self.offsets.finish(data.draw(st.sampled_from(sorted(self.finished))), 0)

    @rule(ahead=st.integers(0, 3))
    def finish_what_was_not_read(self, ahead: int) -> None:
        self.offsets.finish(self.next + ahead, 0)

    @invariant()
    def agrees_with_the_model(self) -> None:
        committable = min(self.unfinished, default=self.next)
        assert self.offsets.committable == committable
        assert self.offsets.unfinished == len(self.unfinished)
        assert self.offsets.position == self.next

    @invariant()
    def everything_above_is_shown(self) -> None:
        committable = min(self.unfinished, default=self.next)
        must_be_seen = [response for offset, response in self.shown if offset >= committable]
        assert self.offsets.ledger_start == min([*must_be_seen, self.response_end])


TestOffsets = OffsetsMachine.TestCase
