"""Reads the next batch while one is applied: Python and PostgreSQL work side by side."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from mabos.streams.batch import Batch
from mabos.streams.reader import Reader

T = TypeVar("T")


class ReadAhead:
    """Batches of a reader, one of them read ahead.

    Between two calls nothing is under way, so the reader may be used by the caller's thread.

    Args:
        reader: It is the caller's to close, after :meth:`close`.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._ahead = Batch()
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="mabos-view-reader")

    def next(self, timeout_s: float) -> Batch:
        """What was read ahead, or the next batch as :meth:`Reader.read` gives it."""
        batch, self._ahead = self._ahead, Batch()
        return batch or self._reader.read(timeout_s)

    def during(self, apply: Callable[[], T]) -> T:
        """Run something, and read what is there meanwhile; it ends when both are done."""
        reading = None if self._ahead else self._executor.submit(self._reader.read, 0)
        try:
            return apply()
        finally:
            if reading is not None:
                self._ahead = reading.result()

    def pass_markers(self) -> Batch:
        """As :meth:`Reader.pass_markers`; behind what was read ahead, if there is any, they go with that."""
        marks = self._reader.pass_markers()
        if not self._ahead:
            return marks
        self._ahead.ends |= marks.ends
        return Batch()

    def forget(self) -> None:
        """Drop what was read ahead, for the reader reads elsewhere from now on."""
        self._ahead = Batch()

    def close(self) -> None:
        """Read ahead no more."""
        self._executor.shutdown()
