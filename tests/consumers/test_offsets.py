"""Which offset may be committed while tasks finish in any order."""

from __future__ import annotations

import pytest
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


def test_reading_backwards_is_refused() -> None:
    """An offset that was passed is an error, for it could be committed before it is done."""
    offsets = Offsets(5)
    offsets.start(5)
    for passed in (5, 4):
        with pytest.raises(ValueError, match=f"offset {passed} was read twice, 6 is next"):
            offsets.start(passed)


class OffsetsMachine(RuleBasedStateMachine):
    """Any order of reads, gaps and finishes, against a set of unfinished offsets."""

    def __init__(self) -> None:
        super().__init__()
        self.offsets = Offsets(100)
        self.next = 100
        self.unfinished: set[int] = set()
        self.finished: set[int] = set()

    @rule(gap=st.integers(0, 3))
    def start(self, gap: int) -> None:
        offset = self.next + gap
        self.offsets.start(offset)
        self.unfinished.add(offset)
        self.next = offset + 1

    @precondition(lambda self: self.unfinished)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        offset = data.draw(st.sampled_from(sorted(self.unfinished)))
        self.offsets.finish(offset)
        self.unfinished.discard(offset)
        self.finished.add(offset)

    @precondition(lambda self: self.finished)
    @rule(data=st.data())
    def finish_again(self, data: st.DataObject) -> None:
        self.offsets.finish(data.draw(st.sampled_from(sorted(self.finished))))

    @invariant()
    def agrees_with_the_model(self) -> None:
        assert self.offsets.committable == min(self.unfinished, default=self.next)
        assert self.offsets.unfinished == len(self.unfinished)
        assert self.offsets.position == self.next


TestOffsets = OffsetsMachine.TestCase
