"""Reading ahead: nothing is lost, and nothing is passed before what was read earlier."""

from __future__ import annotations

import threading
from typing import cast

import pytest

from mabos.streams.ahead import ReadAhead
from mabos.streams.batch import Batch
from mabos.streams.places import Place
from mabos.streams.reader import Reader

PLACE = Place("requests", 0)
WAIT_S = 60.0


class CountingReader:
    """Each batch moves on by one; of marks there are always some."""

    def __init__(self) -> None:
        self.offset = 0
        self.has_read = threading.Event()

    def read(self, timeout_s: float) -> Batch:
        self.offset += 1
        self.has_read.set()
        return Batch(ends={PLACE: self.offset}, records=1)

    def pass_markers(self) -> Batch:
        return Batch(ends={PLACE: self.offset + 10})


@pytest.fixture
def ahead() -> ReadAhead:
    """Reads ahead of a reader of its own."""
    return ReadAhead(cast(Reader, CountingReader()))


def test_the_next_batch_is_read_while_one_is_applied() -> None:
    """Whoever applies can wait for it to be read; it comes next."""
    reader = CountingReader()
    ahead = ReadAhead(cast(Reader, reader))
    assert ahead.during(lambda: reader.has_read.wait(WAIT_S))
    assert (ahead.next(0).ends, ahead.next(0).ends) == ({PLACE: 1}, {PLACE: 2})
    ahead.close()


def test_what_was_read_ahead_outlives_a_failure(ahead: ReadAhead) -> None:
    """The batch that could not be applied is tried again; meanwhile no more is read, and none is lost."""
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            ahead.during(lambda: 1 // 0)
    assert [ahead.next(0).ends[PLACE] for _ in range(2)] == [1, 2]
    ahead.close()


def test_marks_are_passed_behind_what_was_read_before_them(ahead: ReadAhead) -> None:
    """A batch of nothing but marks would move on past records that are not applied yet."""
    ahead.during(lambda: None)
    assert not ahead.pass_markers()
    assert ahead.next(0) == Batch(ends={PLACE: 11}, records=1)
    assert ahead.pass_markers().ends == {PLACE: 11}
    ahead.close()


def test_what_was_read_ahead_is_dropped_when_partitions_move(ahead: ReadAhead) -> None:
    """It comes again, to whom the partition was given."""
    ahead.during(lambda: None)
    ahead.forget()
    assert ahead.next(0).ends == {PLACE: 2}
    ahead.close()
