"""The bare loop for publishing: fastavro, ``produce``, and a callback for each record that keeps where it stands.

The first is waited for, so that the rest meets open connections.
"""

import orjson
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from benchmarks.tasks import make_task
from benchmarks.wire import Wire, read_road

road = read_road()
wire = Wire(road)
producer = Producer(
    {
        "bootstrap.servers": road.servers,
        "enable.idempotence": True,
        "compression.type": "lz4",
        "partitioner": "murmur2_random",
        "queue.buffering.max.messages": 1_000_000,
    }
)
places: list[tuple[int | None, int | None]] = []


def note(error: KafkaError | None, message: Message) -> None:
    """The broker's word on one record."""
    if error is not None:
        raise KafkaException(error)
    places.append((message.partition(), message.offset()))


for number in range(road.count):
    task_id, agent_id, payload = make_task(number)
    value = wire.encode_request(task_id, agent_id, orjson.dumps(payload).decode())
    producer.produce(road.requests, value, agent_id, on_delivery=note)
    producer.poll(0)
    if number == 0:
        producer.flush()
producer.flush()
if len(places) != road.count:
    raise SystemExit(f"{len(places)} of {road.count} records were acknowledged")
