"""The bare loop: consume, decode, call, encode, produce; every half second flush, then commit.

At least once, as a short script can be: what is committed was read, and all that was produced since has been
acknowledged by the flush before. A record that the broker refuses ends the program before the commit; only errors are
reported, so no record costs a call back. It knows no retries, deadlines, order beyond the batch, or bytes that are no
request.
"""

import time

import orjson
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer

from benchmarks.wire import Wire, do_task, read_road

road = read_road()
wire = Wire(road)
consumer = Consumer(
    {
        "bootstrap.servers": road.servers,
        "group.id": road.group,
        "group.protocol": "consumer",
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
    }
)
producer = Producer(
    {
        "bootstrap.servers": road.servers,
        "enable.idempotence": True,
        "compression.type": "lz4",
        "queue.buffering.max.messages": 1_000_000,
        "delivery.report.only.error": True,
    }
)


def fail(error: KafkaError | None, _: Message) -> None:
    """Called for records that were not stored, and raised from the next poll or flush."""
    raise KafkaException(error)


consumer.subscribe([road.requests])
next_commit_s = 0.0
while True:
    for message in consumer.consume(1000, 0.05):
        if message.error():
            raise KafkaException(message.error())
        request = wire.decode_request(message.value() or b"")
        result = orjson.dumps(do_task(orjson.loads(request["payload"]))).decode()
        producer.produce(
            road.responses,
            wire.encode_response(request, result),
            message.key(),
            message.partition() or 0,
            on_delivery=fail,
        )
    producer.poll(0)
    if time.monotonic() >= next_commit_s:
        next_commit_s = time.monotonic() + 0.5
        producer.flush()
        try:
            consumer.commit(asynchronous=False)
        except KafkaException as error:
            if error.args[0].code() != KafkaError._NO_OFFSET:  # noqa: SLF001 - librdkafka's own code: nothing new
                raise
