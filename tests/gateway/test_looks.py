"""Looks that many share."""

from __future__ import annotations

import asyncio
import threading

import pytest

from mabos.gateway.looks import SharedLook
from mabos.kafka.errors import BrokerUnavailable


def test_a_look_that_takes_too_long_is_given_up_by_who_asks_and_goes_on() -> None:
    """The caller hears it in one line; the next one gets what the same look sees."""
    may_end, looks = threading.Event(), []

    def look() -> str:
        looks.append(1)
        assert may_end.wait(10)
        return "seen"

    async def ask() -> None:
        shared = SharedLook(look, patience_s=0.01)
        with pytest.raises(BrokerUnavailable, match="has not answered"):
            await shared.get()
        may_end.set()
        while True:
            try:
                seen = await shared.get()
                break
            except BrokerUnavailable:
                continue
        assert (seen, looks) == ("seen", [1])

    asyncio.run(ask())


def test_one_that_leaves_does_not_end_the_look_for_the_others() -> None:
    """As a caller whose connection closes."""
    may_end = threading.Event()

    def look() -> str:
        assert may_end.wait(10)
        return "seen"

    async def ask() -> None:
        shared = SharedLook(look)
        first, second = asyncio.create_task(shared.get()), asyncio.create_task(shared.get())
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        may_end.set()
        assert await second == "seen"

    asyncio.run(ask())
