"""Lines put together from pieces, and the spool between a writer and a slow reader."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from mabos.gateway.lines import Lines
from mabos.gateway.spool import Spool


def split(pieces: list[bytes], size_bytes: int = 1000) -> list[tuple[int, bytes | None]]:
    lines = Lines(size_bytes)
    found = [line for piece in pieces for line in lines.feed(piece)]
    return [*found, *lines.finish()]


@given(st.lists(st.text("ab \n", max_size=12).map(str.encode), max_size=20))
def test_lines_are_the_same_however_they_are_cut(pieces: list[bytes]) -> None:
    """Each with its number; blank ones only count."""
    lines = b"".join(pieces).split(b"\n")
    assert split(pieces) == [(number, line) for number, line in enumerate(lines, 1) if line.strip()]


@given(st.lists(st.text("ab\n", max_size=12).map(str.encode), max_size=20))
def test_a_line_that_is_too_long_is_passed(pieces: list[bytes]) -> None:
    """It is told as such, is never kept, and those after it come as they are."""
    wanted = [(number, line if len(line) <= 3 else None) for number, line in split(pieces)]
    assert split(pieces, 3) == wanted
    lines = Lines(3)
    for piece in pieces:
        list(lines.feed(piece))
        assert len(lines._rest) <= 3


def test_a_spool_gives_back_what_it_took_in_order() -> None:
    """However much, and however the two take turns; it starts at the beginning of its file again when it is empty."""

    async def run() -> None:
        spool, taken, given_ = Spool(memory_bytes=100, limit_bytes=10**6), b"", b""
        for number in range(300):
            data = b"%d," % number * (number % 7 * 1000)
            spool.put(data)
            given_ += data
            if number % 50 == 49:
                taken += await spool.take()
        spool.finish()
        while data := await spool.take():
            taken += data
        assert taken == given_
        assert spool._end == 0
        spool.close()

    asyncio.run(run())


def test_a_full_spool_makes_its_writer_wait() -> None:
    """Until its reader has taken enough; and a finished one keeps nobody."""

    async def run() -> None:
        spool = Spool(limit_bytes=10)
        await spool.wait_for_room()
        spool.put(b"x" * 10)
        waiting = asyncio.ensure_future(spool.wait_for_room())
        await asyncio.sleep(0)
        assert not waiting.done()
        assert await spool.take() == b"x" * 10
        await waiting
        reading = asyncio.ensure_future(spool.take())
        await asyncio.sleep(0)
        assert not reading.done()
        spool.finish()
        assert await reading == b""
        spool.close()

    asyncio.run(run())
