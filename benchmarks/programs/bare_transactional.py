"""The bare transactional loop: one transaction for what is there, responses and offsets together."""

import orjson
from confluent_kafka import Consumer, KafkaException, Producer

from benchmarks.wire import Wire, do_task, read_road

BATCH_RECORDS = 10_000

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
        "transactional.id": road.group,
        "compression.type": "lz4",
        "linger.ms": 0,
        "retry.backoff.ms": 5,  # the default of 100 makes a transaction wait that long for the one before it
    }
)
producer.init_transactions(30)
consumer.subscribe([road.requests])
while True:
    first = consumer.poll(0.1)
    if first is None:
        continue
    producer.begin_transaction()
    for message in (first, *consumer.consume(BATCH_RECORDS, 0)):
        if message.error():
            raise KafkaException(message.error())
        request = wire.decode_request(message.value() or b"")
        result = orjson.dumps(do_task(orjson.loads(request["payload"]))).decode()
        producer.produce(road.responses, wire.encode_response(request, result), message.key(), message.partition() or 0)
    places = consumer.position(consumer.assignment())
    producer.send_offsets_to_transaction(
        [place for place in places if place.offset >= 0], consumer.consumer_group_metadata()
    )
    producer.commit_transaction()
