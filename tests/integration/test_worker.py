"""The worker on the real broker: what it needs, what it holds, what it lets go."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import Producer

from mabos.consumers import AgentGroup, RetryPolicy, Task, Worker, WorkerFailed, WorkerLimits
from mabos.kafka.clients import librdkafka_config, open_registry
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from mabos.producers import TaskProducer
from mabos.schemas import REQUEST, RESPONSE, Codec, Status, TaskRequest
from tests.support.nowhere import closed_port
from tests.support.processes import wait_for_members
from tests.support.registries import FakeRegistry
from tests.support.road import RunningWorker, first_outcomes, read_lag, read_responses, running
from tests.support.waiting import eventually


def group(settings: Settings, function: Callable[[Task], Any]) -> AgentGroup:
    agents = AgentGroup(f"worker-{settings.queue}")
    agents.on_task_request()(function)
    return agents


def test_a_missing_topic_is_told_with_what_to_run(settings: Settings) -> None:
    """Under KIP-848 it would be no error, and the worker would wait for ever."""
    elsewhere = settings.model_copy(update={"queue": settings.queue + "-missing"})
    worker = Worker(group(settings, lambda task: None), elsewhere, FakeRegistry().as_registry)
    with pytest.raises(WorkerFailed, match=r"topic mabos\..*-missing\.requests does not exist: run `mabos topics app"):
        worker.run()


def test_no_broker_is_told_with_what_to_run() -> None:
    """Within seconds; and everything it began has ended."""
    threads = threading.active_count()
    with closed_port() as address:
        settings = Settings(bootstrap_servers=address)
        worker = Worker(group(settings, lambda task: None), settings, FakeRegistry().as_registry)
        with pytest.raises(WorkerFailed, match=f"no Kafka answers at {address}: start one with `mabos up`"):
            worker.run()
    eventually(lambda: threading.active_count() <= threads)


NEW_SCHEMA = 77


def test_an_unknown_schema_with_the_registry_away_holds_its_partition_only(settings: Settings) -> None:
    """The worker lives, all other partitions go on, and when the registry is back nothing is lost or out of order."""
    registry = FakeRegistry()
    order: list[str] = []
    agents = group(settings, lambda task: order.append(task.task_id))
    topic = Queue(name=settings.queue).requests
    codec = Codec.for_topic(REQUEST, topic, registry)
    registry.schema_id(f"{Queue(name=settings.queue).responses}-value", RESPONSE.schema_text)
    registry.is_away = True
    raw = Producer(librdkafka_config(settings, "producer"))

    def send(task_id: str, partition: int, *, is_new: bool) -> None:
        value = codec.encode(TaskRequest(task_id=task_id, agent_id=f"agent-{partition}", payload_json="{}"))
        if is_new:
            value = b"\x00" + NEW_SCHEMA.to_bytes(4, "big") + value[5:]
        raw.produce(topic, value, key=f"agent-{partition}".encode(), partition=partition)

    for number in range(9):
        for partition in range(3):
            send(f"{partition}-{number}", partition, is_new=partition == 1 and number in (3, 5))
    assert raw.flush(30) == 0
    others = {f"{partition}-{number}" for partition in (0, 2) for number in range(9)}
    with running(agents, settings, registry.as_registry) as it:
        eventually(lambda: registry.asked.count(NEW_SCHEMA) >= 2 and others <= set(order), timeout_s=30)
        assert [task for task in order if task.startswith("1-")] == ["1-0", "1-1", "1-2"]
        eventually(lambda: read_lag(settings, agents.name) == {1: 6}, timeout_s=20, every_s=0.3)
        registry.texts[NEW_SCHEMA] = json.dumps(json.loads(REQUEST.schema_text) | {"doc": "of a newer service"})
        registry.is_away = False
        eventually(lambda: len(order) == 27, timeout_s=20)
        assert it.error is None
    assert [task for task in order if task.startswith("1-")] == [f"1-{number}" for number in range(9)]
    assert read_lag(settings, agents.name) == {}
    assert set(Counter(order).values()) == {1}


def test_a_slow_agent_pauses_its_own_partition_only(settings: Settings) -> None:
    """What is read and unfinished stays within its bound; the rest of the queue does not feel it."""
    gate = threading.Event()
    done: Counter[str] = Counter()

    def work(task: Task) -> None:
        if task.payload.get("wait"):
            gate.wait(60)
        done[task.agent_id] += 1

    agents = group(settings, work)
    limits = WorkerLimits(max_unfinished=1200)
    with TaskProducer(settings) as producer:
        slow = producer.send_task_request(agent_id="slow", payload={"wait": True}).result(30).partition
        for _ in range(3000):
            producer.send_task_request(agent_id="slow", payload={})
        quick = 0
        for number in range(3000):
            receipt = producer.send_task_request(agent_id=f"quick-{number % 50}", payload={})
            quick += receipt.result(30).partition != slow if number < 50 else 0
    with running(agents, settings, limits=limits) as it:
        expected = quick * 60
        eventually(lambda: sum(count for name, count in done.items() if name != "slow") >= expected, timeout_s=60)
        unfinished = it.worker._assignment.tenures[slow].offsets.unfinished
        assert 100 <= unfinished <= 1200 + 500 + 1, "the bound, and at most the batch that went over it"
        assert done["slow"] == 0
        gate.set()
        eventually(lambda: sum(done.values()) == 6001, timeout_s=60)
    assert read_lag(settings, agents.name) == {}


def test_a_handler_that_does_not_end_is_cut_off_after_the_grace(settings: Settings) -> None:
    """The stop takes no longer; its task is not committed, and the next worker runs it."""
    begun = threading.Event()
    gate = threading.Event()
    runs: list[str] = []

    def work(task: Task) -> None:
        runs.append(task.task_id)
        begun.set()
        gate.wait(60)

    agents = group(settings, work)
    with TaskProducer(settings) as producer:
        producer.send_task_request(agent_id="a", payload={}, task_id="hangs").result(30)
    with running(agents, settings, limits=WorkerLimits(grace_s=0.5)):
        assert begun.wait(30)
        start_s = time.monotonic()
    assert time.monotonic() - start_s < 10
    assert read_responses(settings, open_registry(settings)) == []
    gate.set()
    with running(agents, settings):
        eventually(lambda: read_lag(settings, agents.name) == {}, timeout_s=30, every_s=0.3)
    assert runs == ["hangs", "hangs"]


def test_a_retry_that_waits_is_handed_over_by_a_stop(settings: Settings) -> None:
    """A stop does not wait for a back-off of a minute; the next worker makes the next attempt."""
    attempts: list[int] = []
    agents = AgentGroup(f"worker-{settings.queue}", retry=RetryPolicy(backoff_s=60, max_backoff_s=60))

    @agents.on_task_request()
    async def work(task: Task) -> None:
        attempts.append(task.attempt)
        if len(attempts) == 1:
            raise ValueError("at first")

    with TaskProducer(settings) as producer:
        producer.send_task_request(agent_id="a", payload={}, task_id="t").result(30)
    with running(agents, settings) as it:
        eventually(lambda: it.worker._engine._comebacks._waiting, timeout_s=30)
        start_s = time.monotonic()
    assert time.monotonic() - start_s < 15
    with running(agents, settings):
        eventually(lambda: read_lag(settings, agents.name) == {}, timeout_s=30, every_s=0.3)
    assert attempts == [1, 1]
    assert [response.status for response in read_responses(settings, open_registry(settings))] == [Status.COMPLETED]


@pytest.mark.parametrize("protocol", ["consumer", "classic"])
def test_a_rebalance_storm_loses_nothing(settings: Settings, protocol: str) -> None:
    """Workers start and stop one after the other while tasks flow: each agent's tasks stay in order."""
    settings = settings.model_copy(update={"group_protocol": protocol})
    running_now: Counter[str] = Counter()

    async def work(task: Task) -> None:
        running_now[task.agent_id] += 1
        assert running_now[task.agent_id] == 1, "two at a time"
        await asyncio.sleep(0.001)
        running_now[task.agent_id] -= 1

    agents = group(settings, work)
    count = 3000
    workers = [RunningWorker(agents, settings)]
    try:
        workers[0].wait_until_assigned()
        with TaskProducer(settings) as producer:
            for number in range(count):
                producer.send_task_request(agent_id=f"a{number % 40}", payload={}, task_id=f"{number}")
                if number % 600 == 599:
                    workers.append(RunningWorker(agents, settings))
                    if len(workers) > 2:
                        workers[-3].stop()
        eventually(lambda: not read_lag(settings, agents.name), timeout_s=60, every_s=0.3)
    finally:
        for worker in workers:
            worker.stop()
    assert [worker.error for worker in workers] == [None] * len(workers)
    outcomes = first_outcomes(read_responses(settings, open_registry(settings)))
    assert {agent: [int(task) for task, _ in found] for agent, found in outcomes.items()} == {
        f"a{agent}": list(range(agent, count, 40)) for agent in range(40)
    }
    assert {status for found in outcomes.values() for _, status in found} == {Status.COMPLETED}


def test_a_partition_that_moves_is_committed_first(settings: Settings) -> None:
    """Its next owner runs nothing again, however long ago the last commit was."""
    ran: Counter[str] = Counter()
    agents = group(settings, lambda task: ran.update([task.task_id]))
    limits = WorkerLimits(commit_interval_s=600)
    with running(agents, settings, limits=limits) as first, TaskProducer(settings) as producer:
        for number in range(240):
            producer.send_task_request(agent_id=f"a{number % 60}", payload={}, task_id=f"{number}")
        eventually(lambda: len(ran) == 240 and not first.worker._assignment.unfinished)
        before = sum(read_lag(settings, agents.name).values())
        with running(agents, settings, limits=limits):
            wait_for_members(settings, agents.name, 2)
            kept = first.worker._assignment.partitions
            assert before > 0
            assert read_lag(settings, agents.name).keys() <= kept
            for number in range(240, 480):
                producer.send_task_request(agent_id=f"a{number % 60}", payload={}, task_id=f"{number}")
            eventually(lambda: len(ran) == 480)
    assert set(ran.values()) == {1}
    assert read_lag(settings, agents.name) == {}


def test_two_workers_share_the_partitions(settings: Settings) -> None:
    """Six each, under the protocol that the settings say."""
    agents = group(settings, lambda task: None)
    with running(agents, settings), running(agents, settings):
        wait_for_members(settings, agents.name, 2)
