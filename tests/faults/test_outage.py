"""The broker is killed: producer, worker and client outlive an outage, and can be stopped in one."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from mabos.consumers import AgentGroup, Task, TaskClient, WorkerLimits
from mabos.consumers import worker as worker_module
from mabos.kafka.admin import Cluster
from mabos.kafka.local_broker import LocalBroker
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue, diff_topics, read_topic_specs
from mabos.producers import TaskProducer
from tests.support.registries import FakeRegistry
from tests.support.road import first_outcomes, read_lag, read_responses, running
from tests.support.waiting import eventually

TASKS = 3000


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalBroker]:
    """A broker of this module's own, which its tests may kill."""
    with LocalBroker(data_dir=tmp_path_factory.mktemp("broker")) as running_broker:
        yield running_broker


def new_queue(broker: LocalBroker, queue: str) -> Settings:
    settings = Settings(bootstrap_servers=broker.bootstrap_servers, publish_timeout_s=60, queue=queue)
    cluster = Cluster(settings)
    specs = read_topic_specs(Queue(name=queue), brokers=1)
    cluster.apply_changes(specs, diff_topics(specs, cluster.describe_topics([])))
    return settings


def test_a_killed_broker_comes_back(broker: LocalBroker) -> None:
    """Tasks are sent before, during and after; each is acknowledged and answered, in its agent's order."""
    registry = FakeRegistry()
    ran: Counter[str] = Counter()
    agents = AgentGroup("outage")

    @agents.on_task_request()
    async def work(task: Task) -> dict[str, Any]:
        ran[task.task_id] += 1
        return {}

    settings = new_queue(broker, "outage")
    with (
        running(agents, settings, registry.as_registry, limits=WorkerLimits(commit_interval_s=0.1)),
        TaskProducer(settings, registry.as_registry) as producer,
        TaskClient(settings, registry.as_registry) as client,
    ):
        client.call(agent_id="before", payload={}, task_id="before", timeout_s=60)
        receipts = []
        half = threading.Event()

        def send() -> None:
            for number in range(TASKS):
                receipt = producer.send_task_request(agent_id=f"a{number % 50}", payload={}, task_id=f"{number}")
                receipts.append(receipt)
                if number == TASKS // 2:
                    half.set()
                if number % 10 == 0:
                    half.wait(0.002)

        sending = threading.Thread(target=send)
        sending.start()
        assert half.wait(60)
        broker.kill()
        broker.start()
        sending.join()
        positions = {receipt.result(60) for receipt in receipts}
        assert len(positions) == TASKS
        after = client.call(agent_id="after", payload={}, task_id="after", timeout_s=60)
        assert after.task_id == "after"
        eventually(lambda: len(ran) == TASKS + 2, timeout_s=60)
        eventually(lambda: not read_lag(settings, agents.name), timeout_s=60, every_s=0.3)
    outcomes = first_outcomes(read_responses(settings, registry))
    for agent in ("before", "after"):
        assert [task for task, _ in outcomes.pop(agent)] == [agent]
    assert {agent: [int(task) for task, _ in found] for agent, found in outcomes.items()} == {
        f"a{agent}": list(range(agent, TASKS, 50)) for agent in range(50)
    }


def test_a_worker_can_be_stopped_while_the_broker_is_away(broker: LocalBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    """It neither commits nor leaves the group then, and does not wait for either; what it did runs again elsewhere."""
    monkeypatch.setattr(worker_module, "_CLOSE_TIMEOUT_S", 1.0)
    settings, registry, ran = new_queue(broker, "stopped"), FakeRegistry(), list[str]()
    agents = AgentGroup("stopped")
    agents.on_task_request()(lambda task: ran.append(task.task_id))
    limits = WorkerLimits(commit_interval_s=600, grace_s=1.0)
    with running(agents, settings, registry.as_registry, limits=limits) as it:
        with TaskProducer(settings, registry.as_registry) as producer:
            for number in range(100):
                producer.send_task_request(agent_id=f"a{number % 9}", payload={})
        eventually(lambda: len(ran) == 100)
        eventually(lambda: not it.worker._assignment.unfinished)
        broker.kill()
        start_s = time.monotonic()
    assert time.monotonic() - start_s < 15
