"""FastStream: a subscriber that decodes Avro with a decoder of its own, and publishes the response.

It acknowledges after the handler (at least once); its default acknowledges before, and may lose tasks.
"""

import asyncio
from typing import Any

import orjson
from faststream import AckPolicy
from faststream.confluent import KafkaBroker, KafkaMessage

from benchmarks.wire import Wire, do_task, read_road

road = read_road()
wire = Wire(road)
broker = KafkaBroker(road.servers, logger=None)


async def decode(message: KafkaMessage) -> Any:  # noqa: ANN401 - fastavro's type
    """The request in a message."""
    return wire.decode_request(message.body)


@broker.subscriber(  # type: ignore[untyped-decorator]  # it is not installed where types are checked
    road.requests,
    group_id=road.group,
    auto_offset_reset="earliest",
    decoder=decode,
    ack_policy=AckPolicy.NACK_ON_ERROR,
)
async def answer(request: dict[str, Any], message: KafkaMessage) -> None:
    """Do one task, and publish its response where it belongs."""
    result = orjson.dumps(do_task(orjson.loads(request["payload"]))).decode()
    raw: Any = message.raw_message
    value = wire.encode_response(request, result)
    await broker.publish(value, topic=road.responses, key=raw.key(), partition=raw.partition())


async def main() -> None:
    """Work until it is ended."""
    async with broker:
        await broker.start()
        await asyncio.Event().wait()


asyncio.run(main())
