"""Has each request that holds no event its dead letter? One that has none is lost. Pure."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

from mabos.streams.audit import ASKED, NO_DEADLINE, Entry, Finding, Found, Scope, Tally

BURIED = 1
_KEY = struct.Struct(">QQ")


def unreadable(partition: int, offset: int, at_ms: int) -> Entry:
    """The entry of a request that holds no event."""
    return _KEY.pack(partition, offset), NO_DEADLINE, at_ms, offset, partition, ASKED


def buried(partition: int, offset: int, at_ms: int) -> Entry:
    """The entry of a dead letter.

    Args:
        partition: That of the request.
        offset: The request.
        at_ms: When the letter was appended.
    """
    return _KEY.pack(partition, offset), NO_DEADLINE, at_ms, offset, partition, BURIED


def find_lost(entries: Iterable[Entry], scope: Scope, tally: Tally) -> Iterator[Found]:
    """The requests without a letter that should have one by now.

    Args:
        entries: All there are of some requests, requests before letters.
        scope: What can be judged; its answers are the letters.
        tally: Gets those that are open, and those that cannot be judged.
    """
    waiting: dict[bytes, tuple[int, int, int]] = {}
    for key, _, at_ms, offset, partition, kind in entries:
        if kind == ASKED:
            waiting[key] = at_ms, partition, offset
        else:
            waiting.pop(key, None)
    for at_ms, partition, offset in waiting.values():
        if scope.is_open(at_ms, NO_DEADLINE, partition, offset):
            tally.open += 1
        elif scope.knows_answer(at_ms, partition):
            yield Finding.LOST, partition, offset
        else:
            tally.unjudged += 1
