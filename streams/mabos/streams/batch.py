"""A batch: what was read of some partitions, and where that leaves each of them. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from mabos.streams.letter_rows import LetterRow
from mabos.streams.places import Place
from mabos.streams.task_rows import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Poison:
    """A record that the view cannot take."""

    place: Place
    offset: int
    at_ms: int
    """When it was appended, in ms since the epoch."""
    code: str
    """A word for programs."""
    cause: str
    """A line for people."""


@dataclass(slots=True)
class Batch:
    """Records that are applied together or not at all."""

    entries: list[Entry] = field(default_factory=list)
    """Events, those of one partition in the order of its log."""
    poison: list[Poison] = field(default_factory=list)
    """What could not be read."""
    letters: list[LetterRow] = field(default_factory=list)
    """Dead letters."""
    ends: dict[Place, int] = field(default_factory=dict)
    """The offset after the last record of each partition."""
    records: int = 0
    """How many records it holds."""

    def __bool__(self) -> bool:
        """Whether there is anything to apply."""
        return bool(self.ends)

    def records_of_its_own(self) -> Iterator[Batch]:
        """The same records, a batch for each, and at last what its offsets pass besides."""
        found: list[Entry | Poison | LetterRow] = [*self.entries, *self.poison, *self.letters]
        for record in sorted(found, key=lambda record: (record.place, record.offset)):
            alone = Batch(ends={record.place: record.offset + 1}, records=1)
            if isinstance(record, Poison):
                alone.poison.append(record)
            elif isinstance(record, LetterRow):
                alone.letters.append(record)
            else:
                alone.entries.append(record)
            yield alone
        yield Batch(ends=dict(self.ends))
