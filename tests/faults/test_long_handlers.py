"""A handler runs for longer than a member of a group may stay away from its polls."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest

from mabos.consumers import AgentGroup, Task, WorkerLimits
from mabos.consumers import worker as worker_module
from mabos.kafka.clients import librdkafka_config
from mabos.kafka.settings import Settings
from tests.support.judge import must_hold, send_tasks, wait_until_committed
from tests.support.road import RunningWorker, running
from tests.support.scale import IS_FULL
from tests.support.waiting import eventually

MAX_POLL_S = 8.0  # at least the session
LONG_S = 1.7 * MAX_POLL_S  # ten minutes, beside the five that are the default
WAYS = [
    ("consumer", "at-least-once", 8),
    ("classic", "at-least-once", 8),
    ("consumer", "exactly-once", 8),
    ("consumer", "at-least-once", 1),
    ("classic", "exactly-once", 1),
]


@pytest.fixture(autouse=True)
def _short_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    def config(*args: Any, **names: Any) -> dict[str, Any]:
        return librdkafka_config(*args, **names) | {"max.poll.interval.ms": round(MAX_POLL_S * 1000)}

    monkeypatch.setattr(worker_module, "librdkafka_config", config)


def partitions(worker: RunningWorker) -> frozenset[int]:
    return worker.worker._assignment.partitions


@pytest.mark.parametrize(("protocol", "delivery", "concurrency"), WAYS if IS_FULL else WAYS[:2])
def test_a_worker_stays_in_its_group_while_handlers_run_on(
    settings: Settings, protocol: str, delivery: Any, concurrency: int
) -> None:
    """Plain and async ones: no partition moves, others are done meanwhile, and what took so long is answered once."""
    settings = settings.model_copy(update={"group_protocol": protocol})
    agents = AgentGroup(f"long-{settings.queue}")
    begun, gate, ran = list[str](), threading.Event(), list[str]()

    @agents.on_task_request("plain")
    def plain(task: Task) -> None:
        begun.append(task.task_id)
        gate.wait(10 * LONG_S)

    @agents.on_task_request("async")
    async def wait(task: Task) -> None:
        begun.append(task.task_id)
        while not gate.is_set():  # noqa: ASYNC110 - a thread sets it
            await asyncio.sleep(0.05)

    @agents.on_task_request()
    def note(task: Task) -> None:
        ran.append(task.task_id)

    limits = WorkerLimits(concurrency=concurrency, delivery=delivery)
    with running(agents, settings, limits=limits) as one, running(agents, settings, limits=limits) as other:
        eventually(lambda: len(partitions(one)) == len(partitions(other)) == 6, timeout_s=60)
        shares = partitions(one), partitions(other)
        kinds = ["plain", "async"] if concurrency > 1 else ["plain"]
        send_tasks(settings, [(f"long-{kind}", f"long-{kind}", {"action": kind}) for kind in kinds])
        eventually(lambda: len(begun) == len(kinds), timeout_s=60)
        end_s = time.monotonic() + LONG_S
        send_tasks(settings, [(f"agent-{n}", f"t-{n}", {}) for n in range(100)])
        # with one at a time those of the same worker have to wait
        eventually(lambda: len(ran) == 100 or (concurrency == 1 and time.monotonic() > end_s), timeout_s=60)
        eventually(lambda: time.monotonic() > end_s, timeout_s=2 * LONG_S)
        gate.set()
        wait_until_committed(settings, agents.name, timeout_s=60)
        assert (partitions(one), partitions(other)) == shares
    assert sorted(begun) == sorted(f"long-{kind}" for kind in kinds)
    assert len(ran) == 100
    must_hold(settings, tasks=100 + len(kinds))
