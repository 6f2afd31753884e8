"""The bare loop for latency: takes one record at a time, sends each answer at once, and commits twice a second."""

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
        "linger.ms": 0,
        "delivery.report.only.error": True,
    }
)


def fail(error: KafkaError | None, _: Message) -> None:
    """Called for records that were not stored, and raised from the next poll or flush."""
    raise KafkaException(error)


consumer.subscribe([road.requests])
next_commit_s = time.monotonic() + 0.5
while True:
    message = consumer.poll(0.1)
    if message is not None:
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
            consumer.commit(asynchronous=True)
