"""What an audit cannot hold in memory: entries in buckets by task, and turns in sorted runs, in one temporary file.

The file has no name: it is gone with the process, however that ends. ``TMPDIR`` says where it is.
"""

from __future__ import annotations

import heapq
import os
import shutil
import struct
import tempfile
from array import array
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from mabos.kafka.errors import DiskProblem
from mabos.streams.audit import Entry, Turn

_ENTRY = struct.Struct("<16sqqqIB")
_TURN = struct.Struct("<qIqq")
_CHUNK_ENTRIES = 180  # 8,100 bytes of each bucket wait in memory
_READ_TURNS = 512
TASK_BYTES = 2 * _ENTRY.size + _TURN.size
"""What a task with one request and one response takes on disk."""


class Spill:
    """Takes entries, then gives them back bucket by bucket; takes turns, then gives them back sorted.

    Args:
        buckets: Among how many buckets tasks are spread. One at a time has to fit into memory.
    """

    def __init__(self, buckets: int) -> None:
        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed by __exit__
        self._size_bytes = 0
        self._open = [bytearray() for _ in range(buckets)]
        self._chunks = [array("Q") for _ in range(buckets)]  # where the chunks of each bucket stand, all equally long
        self._runs: list[tuple[int, int]] = []

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the disk back."""
        self._file.close()

    @property
    def count(self) -> int:
        """How many buckets there are."""
        return len(self._open)

    @property
    def size_bytes(self) -> int:
        """How much it has written."""
        return self._size_bytes

    def add(self, entry: Entry) -> None:
        """Keep an entry, after those added before."""
        number = hash(entry[0]) % len(self._open)
        chunk = self._open[number]
        chunk += _ENTRY.pack(*entry)
        if len(chunk) == _CHUNK_ENTRIES * _ENTRY.size:
            self._chunks[number].append(self._write(chunk))
            chunk.clear()

    def buckets(self) -> Iterator[Iterator[Entry]]:
        """All entries, those of one task in one bucket, in the order in which they were added."""
        for number in range(len(self._open)):
            yield self._entries(number)

    def add_turns(self, turns: list[Turn]) -> None:
        """Keep turns: a run."""
        if turns:
            begin = self._write(b"".join([_TURN.pack(*turn) for turn in sorted(turns)]))
            self._runs.append((begin, self._size_bytes))

    def turns(self) -> Iterator[Turn]:
        """All turns, sorted."""
        return heapq.merge(*(self._read_turns(begin, end) for begin, end in self._runs))

    def _entries(self, number: int) -> Iterator[Entry]:
        for begin in self._chunks[number]:
            yield from _ENTRY.iter_unpack(self._read(begin, begin + _CHUNK_ENTRIES * _ENTRY.size))
        yield from _ENTRY.iter_unpack(self._open[number])

    def _read_turns(self, begin: int, end: int) -> Iterator[Turn]:
        step = _READ_TURNS * _TURN.size
        for place in range(begin, end, step):
            yield from _TURN.iter_unpack(self._read(place, min(end, place + step)))

    def _write(self, data: bytes | bytearray) -> int:
        begin = self._size_bytes
        with memoryview(data) as left:
            while self._size_bytes - begin < len(data):  # a write may be cut short where the disk is nearly full
                self._size_bytes += os.pwrite(self._file.fileno(), left[self._size_bytes - begin :], self._size_bytes)
        return begin

    def _read(self, begin: int, end: int) -> bytes:
        return os.pread(self._file.fileno(), end - begin, begin)


def require_space(tasks: int) -> None:
    """Refuse what would not fit on the disk of temporary files.

    Raises:
        DiskProblem: There is not room enough for so many tasks.
    """
    folder = tempfile.gettempdir()
    needed, free = tasks * TASK_BYTES, shutil.disk_usage(folder).free
    if needed > free:
        raise DiskProblem(
            f"{tasks} tasks need {needed / 1e9:.1f} GB in {folder}, {free / 1e9:.1f} are free: set TMPDIR, or a range"
        )
