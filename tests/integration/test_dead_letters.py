"""What nobody can handle goes to the dead letters, and its partition moves on."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from confluent_kafka import Producer

from mabos.consumers import AgentGroup, RetryPolicy, Task, TaskClient
from mabos.kafka.clients import librdkafka_config, open_registry
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from mabos.producers import TaskProducer
from mabos.schemas import REQUEST, Codec, Status, TaskRequest
from tests.support.foreign import find_library, produce_with_header
from tests.support.road import Stored, read_lag, read_responses, read_topic, running
from tests.support.waiting import eventually


def echo_group(name: str, **options: Any) -> AgentGroup:
    agents = AgentGroup(name, **options)

    @agents.on_task_request("echo")
    async def echo(task: Task) -> dict[str, Any]:
        return {"agent": task.agent_id}

    return agents


def encode(settings: Settings, agent_id: str, task_id: str, payload_json: str) -> bytes:
    registry = open_registry(settings)
    schema_id = registry.schema_id(f"{Queue(name=settings.queue).requests}-value", REQUEST.schema_text)
    request = TaskRequest(task_id=task_id, agent_id=agent_id, payload_json=payload_json)
    return Codec(REQUEST, schema_id, registry).encode(request)


def letters(settings: Settings) -> list[Stored]:
    return read_topic(settings, Queue(name=settings.queue).dead_letters)


def test_poison_is_buried_raw_and_the_partition_moves_on(settings: Settings) -> None:
    """Bytes that are no event, tombstones, foreign keys, and records larger than a letter may be.

    A good task behind all of them is answered, and all is committed.
    """
    queue, agents = Queue(name=settings.queue), echo_group(f"poison-{settings.queue}")
    echo = '{"action":"echo"}'
    good = encode(settings, "good", "good", echo)
    poison: list[tuple[bytes | None, bytes | None, str]] = [
        (b"k1", b"not avro at all", "bad_magic"),
        (b"k2", b"\x00\x00\x00", "truncated"),
        (b"k3", b"\x00\x7f\xff\xff\xff1234", "unknown_schema"),
        (b"k4", None, "empty"),
        (b"k5", good[:-1], "truncated"),
        (b"k6", good + b"!", "trailing_bytes"),
        (None, encode(settings, "nobody", "no-key", echo), "bad_key"),
        (b"else", encode(settings, "someone", "wrong-key", echo), "bad_key"),
        (b"\xff\xfe", b"", "empty"),
        (b"large", b"L" * 4_500_000, "bad_magic"),
    ]
    raw = Producer(librdkafka_config(settings, "producer") | {"message.max.bytes": 10_000_000})  # as a foreign one may
    for key, value, _ in poison:
        raw.produce(queue.requests, value, key=key, partition=3, headers=[("mine", b"\x00\xff")])
    raw.produce(queue.requests, good, key=b"good", partition=3)
    assert raw.flush(30) == 0
    with running(agents, settings):
        eventually(lambda: not read_lag(settings, agents.name), timeout_s=30, every_s=0.3)
    found = letters(settings)
    assert {letter.header["mabos-origin"]: letter.header["mabos-error-code"] for letter in found} == {
        f"{queue.requests}:3:{offset}".encode(): code.encode() for offset, (_, _, code) in enumerate(poison)
    }
    by_offset = {int((letter.header["mabos-origin"] or b"").split(b":")[2]): letter for letter in found}
    for offset, (key, value, _) in enumerate(poison):
        letter = by_offset[offset]
        assert (letter.partition, letter.key) == (3, key)
        if key == b"large":
            assert letter.value is None
            assert b"4500000 bytes" in (letter.header["mabos-left-out"] or b"")
        else:
            assert letter.value == value
            assert letter.headers[0] == ("mine", b"\x00\xff")
    statuses = {response.task_id: response.status for response in read_responses(settings, open_registry(settings))}
    assert statuses == {"good": Status.COMPLETED}


def test_an_action_that_nobody_takes_is_rejected(settings: Settings) -> None:
    """With the actions there are; and so is a payload of a foreign producer that is no object."""
    agents = echo_group(f"unknown-{settings.queue}")
    raw = Producer(librdkafka_config(settings, "producer"))
    foreign = encode(settings, "foreign", "foreign", "[1]")
    with running(agents, settings), TaskClient(settings) as client:
        response = client.call(agent_id="a", payload={"action": "eko"})
        waiter = client._feed.expect("foreign", "foreign")
        raw.produce(Queue(name=settings.queue).requests, foreign, key=b"foreign")
        other = waiter.result(20)
    assert raw.flush(0) == 0
    assert (response.status, response.attempt, response.started_at) == (Status.REJECTED, 0, None)
    assert response.error is not None
    assert response.error.message == "payload.action: no handler takes it, there are: echo"
    assert other is not None
    assert other.error is not None
    assert (other.status, other.error.code) == (Status.REJECTED, "invalid_payload")
    assert letters(settings) == []


def test_a_failing_agent_holds_only_its_own_lane(settings: Settings) -> None:
    """While its task waits for another attempt, an agent of the same partition goes on; then it fails for good."""
    agents = AgentGroup(f"failing-{settings.queue}", retry=RetryPolicy(max_attempts=3, backoff_s=0.5))
    attempts: list[int] = []
    others_done = threading.Event()
    order: list[str] = []

    @agents.on_task_request()
    async def work(task: Task) -> None:
        if task.payload.get("fail"):
            attempts.append(task.attempt)
            order.append(f"attempt {task.attempt}")
            raise ConnectionError("the model is away")
        order.append(task.task_id)
        if task.task_id == "other-9":
            others_done.set()

    with TaskProducer(settings) as producer:
        sick = producer.send_task_request(agent_id="sick", payload={"fail": 1}, task_id="sick-0").result(30)
        producer.send_task_request(agent_id="sick", payload={}, task_id="sick-1")
        twin = _agent_in_partition(settings, producer, sick.partition)
        for number in range(10):
            producer.send_task_request(agent_id=twin, payload={}, task_id=f"other-{number}")
    with running(agents, settings):
        assert others_done.wait(30)
        eventually(lambda: order[-1] == "sick-1", timeout_s=30)
    assert attempts == [1, 2, 3]
    done_at = order.index("other-9")
    assert done_at < order.index("attempt 2"), "the other agent waited for the failing one"
    assert order.index("attempt 3") < order.index("sick-1"), "the agent's next task overtook"
    responses = {response.task_id: response for response in read_responses(settings, open_registry(settings))}
    failed = responses["sick-0"]
    assert (failed.status, failed.attempt) == (Status.FAILED, 3)
    assert failed.error is not None
    assert failed.error.message == "ConnectionError: the model is away (attempt 3 of 3 failed)"
    assert responses["sick-1"].status is Status.COMPLETED
    [letter] = letters(settings)
    assert letter.header["mabos-task-id"] == b"sick-0"
    assert letter.header["mabos-attempts"] == b"3"
    assert letter.key == b"sick"


def _agent_in_partition(settings: Settings, producer: TaskProducer, partition: int) -> str:
    """An agent whose tasks go to a partition, found by asking the broker."""
    for number in range(1000):
        agent = f"twin-{number}"
        if producer.send_task_request(agent_id=agent, payload={}).result(30).partition == partition:
            return agent
    raise AssertionError("no agent of that partition among a thousand")


def test_a_header_name_that_is_no_text_ends_nothing(settings: Settings) -> None:
    """Neither a task that is done nor a record that is buried: their headers count as absent."""
    library = find_library()
    if library is None:
        pytest.skip("there is no librdkafka to write such a header with")
    queue, seen = Queue(name=settings.queue), []
    agents = AgentGroup(f"headers-{settings.queue}")

    @agents.on_task_request("echo")
    def echo(task: Task) -> dict[str, Any]:
        seen.append((task.task_id, task.headers, task.headers))
        return {}

    good = encode(settings, "good", "good", '{"action":"echo"}')
    for value in (good, b"no event"):
        produce_with_header(library, settings.bootstrap_servers, queue.requests, b"good", value, b"\xff\xfe")
    with running(agents, settings):
        eventually(lambda: letters(settings) and not read_lag(settings, agents.name), timeout_s=60)
    assert seen == [("good", (), ())]
    assert [letter.value for letter in letters(settings)] == [b"no event"]
