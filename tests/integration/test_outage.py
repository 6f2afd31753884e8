"""The broker is killed under load and comes back: producer, worker and client go on, and nothing is lost."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from mabos.consumers import AgentGroup, Task, TaskClient, WorkerLimits
from mabos.kafka.admin import Cluster
from mabos.kafka.local_broker import LocalBroker
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue, diff_topics, read_topic_specs
from mabos.producers import TaskProducer
from tests.support.registries import FakeRegistry
from tests.support.road import first_outcomes, read_lag, read_responses, running
from tests.support.waiting import eventually

TASKS = 3000


def make_topics(settings: Settings) -> None:
    cluster, queue = Cluster(settings), Queue(name=settings.queue)
    specs = read_topic_specs(queue, brokers=1)
    cluster.apply_changes(specs, diff_topics(specs, cluster.describe_topics([])))


@pytest.mark.timeout(120)
def test_a_killed_broker_comes_back(tmp_path: Path) -> None:
    """Tasks are sent before, during and after; each is acknowledged and answered, in its agent's order."""
    registry = FakeRegistry()
    ran: Counter[str] = Counter()
    agents = AgentGroup("outage")

    @agents.on_task_request()
    async def work(task: Task) -> dict[str, Any]:
        ran[task.task_id] += 1
        return {}

    with LocalBroker(data_dir=tmp_path / "broker") as broker:
        settings = Settings(bootstrap_servers=broker.bootstrap_servers, publish_timeout_s=60)
        make_topics(settings)
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
