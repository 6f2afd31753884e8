"""Order, one outcome and no loss, while workers come and go."""

from __future__ import annotations

import random
import threading
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from mabos.consumers import AgentGroup, Task
from mabos.kafka.clients import open_registry
from mabos.kafka.settings import Settings
from mabos.producers import TaskProducer
from mabos.schemas import Status
from tests.support.processes import read_begun, wait_for_members, worker_processes
from tests.support.road import RunningWorker, first_outcomes, read_lag, read_responses
from tests.support.waiting import eventually

TASKS = 20_000
PROCESS_TASKS = 4_000
AGENT_OF = random.Random(11).choices(range(300), k=TASKS)  # noqa: S311 - dice, no secret: in an order without a pattern


def send(settings: Settings, numbers: Sequence[int], payload: dict[str, Any]) -> None:
    """Send the tasks of these numbers."""
    with TaskProducer(settings) as producer:
        for number in numbers:
            agent, task_id = f"agent-{AGENT_OF[number]}", f"t-{number}"
            producer.send_task_request(agent_id=agent, payload={"n": number} | payload, task_id=task_id)


def check_log(settings: Settings, group: str, count: int) -> int:
    """Every task has an outcome, in its agent's order, and everything is committed; returns the spare responses."""
    tasks: dict[str, list[str]] = defaultdict(list)
    for number in range(count):
        tasks[f"agent-{AGENT_OF[number]}"].append(f"t-{number}")
    responses = read_responses(settings, open_registry(settings))
    outcomes = first_outcomes(responses)
    assert {agent: [task for task, _ in found] for agent, found in outcomes.items()} == tasks
    assert {status for found in outcomes.values() for _, status in found} == {Status.COMPLETED}
    assert read_lag(settings, group) == {}
    return len(responses) - count


@pytest.mark.parametrize("protocol", ["consumer", "classic"])
def test_workers_come_and_go(settings: Settings, protocol: str) -> None:
    """Two workers, one stops in the middle and another comes: in order per agent, nothing lost, all committed.

    With stops in order nothing even runs twice.
    """
    settings = settings.model_copy(update={"group_protocol": protocol})
    ran: Counter[str] = Counter()
    lock = threading.Lock()
    agents = AgentGroup(f"order-{settings.queue}")

    @agents.on_task_request()
    async def work(task: Task) -> dict[str, Any]:
        with lock:
            ran[task.task_id] += 1
        return {"n": task.payload["n"]}

    count = TASKS if protocol == "consumer" else TASKS // 4
    first, second = RunningWorker(agents, settings), RunningWorker(agents, settings)
    workers = [first, second]
    try:
        wait_for_members(settings, agents.name, 2)
        sender = threading.Thread(target=send, args=(settings, range(count), {}))
        sender.start()
        eventually(lambda: len(ran) > count // 10, timeout_s=60)
        first.stop()
        eventually(lambda: len(ran) > count // 5, timeout_s=60)
        workers.append(RunningWorker(agents, settings))
        sender.join()
        eventually(lambda: len(ran) == count, timeout_s=90)
    finally:
        for worker in workers:
            worker.stop()
    assert [worker.error for worker in workers] == [None] * 3
    assert check_log(settings, agents.name, count) == 0
    assert set(ran.values()) == {1}


def test_worker_processes_come_and_go(settings: Settings, tmp_path: Path) -> None:
    """The same with processes of their own and SIGTERM: each ends with 0, and no task runs twice."""
    group = f"order-{settings.queue}"
    with worker_processes(settings, group, tmp_path, 2) as (first, second):
        send(settings, range(PROCESS_TASKS // 2), {"pause_s": 0.02})
        eventually(first.begun, timeout_s=60)
        first.terminate()
        send(settings, range(PROCESS_TASKS // 2, PROCESS_TASKS), {"pause_s": 0.02})
        assert first.wait() == 0
        eventually(lambda: len(read_begun(tmp_path)) >= PROCESS_TASKS, timeout_s=60)
        eventually(lambda: not read_lag(settings, group), timeout_s=60, every_s=0.5)
        second.terminate()
        assert second.wait() == 0
    assert check_log(settings, group, PROCESS_TASKS) == 0
    runs = Counter(task for _, _, task in read_begun(tmp_path))
    assert set(runs.values()) == {1}
