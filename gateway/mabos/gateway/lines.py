"""The lines of a body that comes in pieces of any size. Pure."""

from __future__ import annotations

from collections.abc import Iterator


class Lines:
    """Puts lines together, and counts them from 1; blank ones are counted and left out.

    Args:
        size_bytes: The most bytes a line may have; of a longer one no more than that is kept.
    """

    def __init__(self, size_bytes: int) -> None:
        self._size_bytes = size_bytes
        self._rest = bytearray()
        self._is_skipping = False
        self.number = 1
        """Of the line that comes next."""

    def feed(self, piece: bytes) -> Iterator[tuple[int, bytes | None]]:
        """The numbers and lines that end in a piece; a line that is too long is None."""
        begin = 0
        while (end := piece.find(b"\n", begin)) >= 0:
            line = self._join(piece[begin:end])
            begin = end + 1
            yield from self._count(line)
        self._keep(piece[begin:])

    def finish(self) -> Iterator[tuple[int, bytes | None]]:
        """The last line, if it does not end with a line break."""
        if self._rest or self._is_skipping:
            yield from self._count(self._join(b""))

    def _join(self, tail: bytes) -> bytes | None:
        self._keep(tail)
        line = None if self._is_skipping else bytes(self._rest)
        self._rest.clear()
        self._is_skipping = False
        return line

    def _keep(self, part: bytes) -> None:
        if len(self._rest) + len(part) > self._size_bytes:
            self._is_skipping = True
            self._rest.clear()
        elif not self._is_skipping:
            self._rest += part

    def _count(self, line: bytes | None) -> Iterator[tuple[int, bytes | None]]:
        number, self.number = self.number, self.number + 1
        if line is None or line.strip():
            yield number, line
