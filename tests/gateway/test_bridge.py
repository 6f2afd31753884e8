"""The bridge from the feed's thread to the event loop gives the loop its turns."""

from __future__ import annotations

import asyncio

from mabos.gateway.bridge import Bridge
from mabos.gateway.channel import MAX_BYTES, MAX_EVENTS, Channel
from mabos.kafka.position import Position
from mabos.schemas.events import Status, TaskResponse


async def carry(count: int, result_json: str) -> tuple[int, str | None]:
    """Hand so many responses over at once to a reader that takes whatever there is; how many it had, why it ended."""
    bridge, channel = Bridge(asyncio.get_running_loop()), Channel()
    response = TaskResponse(task_id="t", agent_id="a", status=Status.IN_PROGRESS, result_json=result_json)
    taken = 0

    def take(response: TaskResponse, position: Position) -> None:
        nonlocal taken
        taken += 1
        channel.put(response.result_json.encode() + b"\n")
        if taken == count:
            channel.finish()

    async def read() -> int:
        lines = 0
        while data := await channel.take(60):
            lines += data.count(b"\n")
        return lines

    reading = asyncio.ensure_future(read())
    await asyncio.sleep(0)  # it waits
    await asyncio.to_thread(lambda: [bridge.carry(take, response, Position("r", 0, offset)) for offset in range(count)])
    return await reading, channel.reason


def test_a_reader_that_keeps_up_is_not_slow_whatever_comes_at_once() -> None:
    """Many events, or large ones, come in turns, so that it can take those that wait."""
    assert asyncio.run(carry(5 * MAX_EVENTS, "{}")) == (5 * MAX_EVENTS, None)
    large = "x" * 65_536
    count = 5 * MAX_BYTES // len(large)
    assert asyncio.run(carry(count, large)) == (count, None)
