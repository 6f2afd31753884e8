"""More than fits: a hot agent, and records that fill memory."""

from __future__ import annotations

import asyncio
import base64
import os
import threading
import time
from typing import Any

from mabos.consumers import AgentGroup, Task, TaskClient, WorkerLimits
from mabos.kafka.settings import Settings
from mabos.producers import TaskProducer
from tests.support.judge import find_neighbours, must_hold, send_tasks, wait_until_committed
from tests.support.road import running
from tests.support.scale import scaled
from tests.support.waiting import eventually

HOT = scaled(10_000, 100_000)
PROBES = scaled(100, 400)
LARGE, LARGE_BYTES = scaled(60, 200), 500 * 1024
MIB = 1024 * 1024
FETCH_BYTES = 17 * MIB  # what the client holds ready, queued.max.messages.kbytes, and one record


def test_a_hot_agent_does_not_slow_its_neighbour(settings: Settings) -> None:
    """With a backlog behind it on the same partition, the p99 latency of another agent is within 3 times idle."""
    agents = AgentGroup(f"hot-{settings.queue}")

    @agents.on_task_request()
    async def work(task: Task) -> None:
        await asyncio.sleep(task.payload.get("pause_s", 0))

    with TaskClient(settings) as client:
        hot, cool = find_neighbours(settings, 2)

        def p99_s() -> float:
            taken = []
            for _ in range(PROBES):
                begun_s = time.monotonic()
                client.call(agent_id=cool, payload={"pause_s": 0.02}, timeout_s=60)
                taken.append(time.monotonic() - begun_s)
            return sorted(taken)[PROBES * 99 // 100 - 1]

        with running(agents, settings, limits=WorkerLimits(max_unfinished=2 * HOT, max_ahead=2 * HOT)) as it:
            client.call(agent_id=cool, payload={}, timeout_s=60)
            idle_s = p99_s()
            send_tasks(settings, ((hot, f"hot-{n}", {"pause_s": 0.001}) for n in range(HOT)))
            eventually(lambda: len(it.worker._engine.lanes) > HOT // 4, timeout_s=60)
            busy_s = p99_s()
            assert len(it.worker._engine.lanes) > HOT // 10, "the backlog was gone before the end"
    assert busy_s < 3 * idle_s


def test_a_backlog_of_large_records_stays_within_its_bound(settings: Settings) -> None:
    """Held bytes stay below the bound and one fetch; only the partition with the backlog is paused."""
    gate, done = threading.Event(), list[str]()
    agents = AgentGroup(f"large-{settings.queue}")

    @agents.on_task_request()
    def work(task: Task) -> None:
        if task.payload.get("text"):
            gate.wait(120)
        done.append(task.task_id)

    large = {"text": base64.b64encode(os.urandom(LARGE_BYTES * 3 // 4)).decode()}  # a fetch is bounded as compressed
    send_tasks(settings, (("large", f"large-{n}", large) for n in range(LARGE)))
    bound = 8 * MIB
    most = 0
    with running(agents, settings, limits=WorkerLimits(max_unfinished_bytes=bound)) as it:

        def held() -> int:
            return sum(tenure.held_bytes for tenure in list(it.worker._assignment.tenures.values()))

        def is_paused() -> bool:
            nonlocal most
            most = max(most, held())
            return len(it.worker._flow._paused) == 1

        eventually(is_paused, timeout_s=30, every_s=0.005)
        others: list[tuple[str, str, dict[str, Any]]] = [(f"agent-{n}", f"small-{n}", {}) for n in range(100)]
        send_tasks(settings, others)
        place = it.worker._flow._paused.copy().pop()
        elsewhere = 100 - _count_in(settings, others, place)
        eventually(lambda: is_paused() and len(done) >= elsewhere, timeout_s=30, every_s=0.005)
        gate.set()

        def is_done() -> bool:
            is_paused()
            return len(done) == LARGE + 100

        eventually(is_done, timeout_s=60, every_s=0.005)
        wait_until_committed(settings, agents.name, timeout_s=30)
    assert most <= bound + FETCH_BYTES
    must_hold(settings, tasks=LARGE + 100)


def _count_in(settings: Settings, tasks: list[tuple[str, str, dict[str, Any]]], partition: int) -> int:
    """How many of these tasks went to a partition: sent again, for the receipt tells, they are answered once."""
    with TaskProducer(settings) as producer:
        receipts = [producer.send_task_request(agent_id=a, task_id=t, payload=p) for a, t, p in tasks]
        return [receipt.result(30).partition for receipt in receipts].count(partition)
