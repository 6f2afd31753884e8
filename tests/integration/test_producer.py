"""What a producer writes, read by plain Kafka clients on the real broker."""

from __future__ import annotations

import asyncio
import threading
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from confluent_kafka import KafkaError, Message, Producer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

from mabos.kafka.clients import librdkafka_config, open_registry
from mabos.kafka.position import Position
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from mabos.producers import AsyncTaskProducer, Publisher, PublishFailed, Record, TaskProducer
from mabos.producers.rush import Rush
from mabos.schemas.codec import REQUEST
from tests.support.registries import FakeRegistry
from tests.support.road import read_topic


def murmur2(data: bytes) -> int:
    """Kafka's hash (org.apache.kafka.common.utils.Utils.murmur2), as a signed 32-bit number."""
    mix, mask = 0x5BD1E995, 0xFFFFFFFF
    value = 0x9747B28C ^ len(data)
    whole = len(data) - len(data) % 4
    for start in range(0, whole, 4):
        word = int.from_bytes(data[start : start + 4], "little") * mix & mask
        word = (word ^ word >> 24) * mix & mask
        value = (value * mix & mask) ^ word
    if data[whole:]:
        value = (value ^ int.from_bytes(data[whole:], "little")) * mix & mask
    value = (value ^ value >> 13) * mix & mask
    value ^= value >> 15
    return value - (1 << 32) if value >> 31 else value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("21", -973932308),
        ("foobar", -790332482),
        ("a-little-bit-long-string", -985981536),
        ("a-little-bit-longer-string", -1486304829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        ("abc", 479470107),
    ],
)
def test_our_murmur2_is_javas(text: str, expected: int) -> None:
    """The vectors of Kafka's own tests (UtilsTest.testMurmur2)."""
    assert murmur2(text.encode()) == expected


def java_partition(key: bytes, partitions: int = 12) -> int:
    return (murmur2(key) & 0x7FFFFFFF) % partitions


AGENTS = [*(f"agent-{n}" for n in range(50)), "é", "日本語", "a" * 255]


def test_positions_are_dense_and_partitions_are_javas(settings: Settings) -> None:
    """Each receipt tells where the record stands: under its agent's key, in the partition that Java would choose."""
    topic = Queue(name=settings.queue).requests
    with TaskProducer(settings) as producer:
        sent = [producer.send_task_request(agent_id=agent, payload={"n": n}) for n in range(20) for agent in AGENTS]
        positions = [receipt.result(30) for receipt in sent]
    stored = {Position(topic, record.partition, record.offset): record for record in read_topic(settings, topic)}
    assert len(stored) == len(sent)
    assert set(positions) == set(stored)
    for partition in range(12):
        offsets = sorted(position.offset for position in positions if position.partition == partition)
        assert offsets == list(range(len(offsets)))
    for number, position in enumerate(positions):
        agent = AGENTS[number % len(AGENTS)].encode()
        assert stored[position].key == agent
        assert position.partition == java_partition(agent)
    for agent in range(len(AGENTS)):
        offsets = [position.offset for position in positions[agent :: len(AGENTS)]]
        assert offsets == sorted(offsets), "an agent's tasks are in the order they were sent"


def test_plain_clients_read_what_we_write(settings: Settings) -> None:
    """Five bytes of the Confluent wire format, then what the registry's own deserializer understands."""
    queue = Queue(name=settings.queue)
    moment = datetime(2031, 2, 3, 4, 5, 6, 789_000, tzinfo=UTC)
    with TaskProducer(settings) as producer:
        producer.send_task_request(
            agent_id="a", payload={"x": [1, "é"]}, task_id="t", deadline=moment, headers={"traceparent": "00-ab"}
        ).result(30)
    [record] = read_topic(settings, queue.requests)
    schema_id = open_registry(settings).schema_id(f"{queue.requests}-value", REQUEST.schema_text)
    assert record.value is not None
    assert record.value[:5] == b"\x00" + schema_id.to_bytes(4, "big")
    with SchemaRegistryClient({"url": settings.schema_registry_url}) as client:
        read: Any = AvroDeserializer(client)(record.value, SerializationContext(queue.requests, MessageField.VALUE))
    assert read == {
        "type": "TaskRequest",
        "task_id": "t",
        "agent_id": "a",
        "payload": '{"x":[1,"é"]}',
        "deadline": moment,
    }
    assert record.headers == [("traceparent", b"00-ab")]


def test_threads_share_a_producer(settings: Settings) -> None:
    """Eight of them; every task is stored once, and each thread's tasks for an agent in order."""
    topic = Queue(name=settings.queue).requests
    positions: dict[int, list[Position]] = {}

    def send(thread: int) -> None:
        sent = [producer.send_task_request(agent_id="shared", payload={}, task_id=f"{thread}-{n}") for n in range(200)]
        positions[thread] = [receipt.result(30) for receipt in sent]

    with TaskProducer(settings) as producer:
        threads = [threading.Thread(target=send, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len({position for found in positions.values() for position in found}) == 1600
    for found in positions.values():
        assert found == sorted(found)
    assert len(read_topic(settings, topic)) == 1600


def test_a_sender_in_a_rush_takes_reports_and_what_it_learns_may_send_again(settings: Settings) -> None:
    """Every record has one report, on whichever thread; a report that sends does not take others meanwhile."""
    topic, publisher = Queue(name=settings.queue).requests, Publisher(settings, client_id="test")
    publisher._rush = Rush(lambda: time.monotonic() / 100)  # so that a rush it is, however busy the machine
    threads: set[threading.Thread] = set()
    ended: list[KafkaError | None] = []

    def note(error: KafkaError | None, _: Message) -> None:
        threads.add(threading.current_thread())
        ended.append(error)

    def send_again(error: KafkaError | None, message: Message) -> None:
        note(error, message)
        again.append(publisher.try_publish(Record(topic, b"k", b"again"), note))

    again: list[bool] = []
    publisher.publish(Record(topic, b"k", b"connects"), lambda *_: None)
    publisher.flush()
    sent = 0
    while threading.main_thread() not in threads and sent < 1_000_000:
        publisher.publish(Record(topic, b"k", b"first"), send_again)
        sent += 1
    assert publisher.flush() == 0
    publisher.stop()
    assert threading.main_thread() in threads
    assert ended == [None] * (sent + sum(again))


def test_receipts_are_awaited_on_a_loop(settings: Settings) -> None:
    """Thousands at once; and a stop sends what nobody awaited."""

    async def send_all() -> list[Position]:
        async with AsyncTaskProducer(settings) as producer:
            sent = [await producer.send_task_request(agent_id=f"a{n % 10}", payload={}) for n in range(3000)]
            positions = await asyncio.gather(*sent[:2000])
        assert all(receipt.is_done for receipt in sent)
        return list(positions)

    positions = asyncio.run(send_all())
    assert len(set(positions)) == 2000
    assert len(read_topic(settings, Queue(name=settings.queue).requests)) == 3000


def test_the_largest_payload_that_is_allowed_is_stored(settings: Settings) -> None:
    """The broker takes what the setting allows, at its upper bound."""
    large = settings.model_copy(update={"max_payload_bytes": 4_000_000})
    with TaskProducer(large) as producer:
        payload = {"x": "y" * (4_000_000 - len('{"x":""}'))}
        producer.send_task_request(agent_id="a", payload=payload).result(30)


def test_a_missing_topic_is_told_with_what_to_run(settings: Settings) -> None:
    """Soon, although librdkafka would wait for it to appear."""
    elsewhere = settings.model_copy(update={"queue": settings.queue + "-missing"})
    with TaskProducer(elsewhere, FakeRegistry().as_registry) as producer:
        receipt = producer.send_task_request(agent_id="a", payload={})
        with pytest.raises(PublishFailed, match="does not exist: run `mabos topics apply`") as caught:
            receipt.result(30)
    assert not caught.value.may_be_stored


def test_the_client_itself_partitions_as_java(settings: Settings) -> None:
    """The plain librdkafka producer with our configuration, for keys of every length."""
    topic = Queue(name=settings.queue).requests
    producer = Producer(librdkafka_config(settings, "producer"))
    for length in range(1, 40):
        producer.produce(topic, b"v", key=bytes(range(200, 200 + length)))
    assert producer.flush(30) == 0
    for record in read_topic(settings, topic):
        assert record.key is not None
        assert record.partition == java_partition(record.key)
