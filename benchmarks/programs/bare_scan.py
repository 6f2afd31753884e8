"""The shortest loop that looks at each key of one agent's partition. Prints what it read, found and took."""

import json
import time

from confluent_kafka import Consumer, TopicPartition

from benchmarks.tasks import make_task
from benchmarks.wire import read_road

road = read_road()
key, found, records = make_task(0)[1].encode(), 0, 0
begun_s = time.monotonic()
consumer = Consumer({"bootstrap.servers": road.servers, "group.id": road.group, "auto.offset.reset": "earliest"})
partition = int(road.limits["partition"])
_, end = consumer.get_watermark_offsets(TopicPartition(road.requests, partition), timeout=10)
consumer.assign([TopicPartition(road.requests, partition, 0)])
while records < end:
    messages = consumer.consume(10_000, 0.05)
    records += len(messages)
    found += sum(message.key() == key for message in messages)
consumer.close()
took_s = time.monotonic() - begun_s
print(json.dumps({"partitions": [partition], "records": records, "found": found, "took_s": took_s}))
