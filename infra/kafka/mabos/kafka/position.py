"""Where a record stands in the log."""

from __future__ import annotations

from typing import NamedTuple, Self


class Position(NamedTuple):
    """``topic:partition:offset``, also as text."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        """The text form, which :meth:`parse` reads."""
        return f"{self.topic}:{self.partition}:{self.offset}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The position that a text means.

        Raises:
            ValueError: The text is not ``topic:partition:offset``.
        """
        topic, _, rest = text.partition(":")
        partition, _, offset = rest.partition(":")
        if not (topic and partition.isdecimal() and offset.isdecimal() and text.isascii()):
            raise ValueError(f'"{text}" is not topic:partition:offset')
        return cls(topic, int(partition), int(offset))
