"""FastStream: publishes tasks, a window of them awaited at a time; the first by itself."""

import asyncio

import orjson
from faststream.confluent import KafkaBroker

from benchmarks.tasks import make_task
from benchmarks.wire import Wire, read_road

WINDOW = 1000

road = read_road()
wire = Wire(road)


async def main() -> None:
    """Publish all tasks; ends when each is acknowledged."""
    async with KafkaBroker(road.servers, logger=None) as broker:

        async def publish(number: int) -> None:
            task_id, agent_id, payload = make_task(number)
            value = wire.encode_request(task_id, agent_id, orjson.dumps(payload).decode())
            await broker.publish(value, topic=road.requests, key=agent_id.encode())

        await publish(0)
        for first in range(1, road.count, WINDOW):
            await asyncio.gather(*map(publish, range(first, min(first + WINDOW, road.count))))


asyncio.run(main())
