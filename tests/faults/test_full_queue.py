"""The broker takes no more answers, and the client's queue of them is full."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import pytest

from mabos.consumers import AgentGroup, Task, WorkerLimits
from mabos.kafka.admin import Cluster
from mabos.kafka.clients import librdkafka_config
from mabos.kafka.local_broker import LocalBroker
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from mabos.producers import publisher as publisher_module
from tests.support.judge import must_hold, send_tasks, wait_until_committed
from tests.support.road import running
from tests.support.scale import scaled
from tests.support.waiting import eventually

TASKS = scaled(6_000, 60_000)
ROOM = 200
UNFINISHED = 1_000
BATCH = 501  # what a reader that was told to pause may still have in hand


def test_a_worker_whose_answers_do_not_get_out_waits(
    settings: Settings, broker: LocalBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes on no more than it may hold; when the broker is back all is answered, once, and no handler runs again.

    The group must not give up the worker meanwhile, for then its tasks would rightly run again.
    """
    settings = settings.model_copy(update={"group_protocol": "classic", "classic_session_timeout_s": 45.0})
    agents, ran, gate = AgentGroup(f"full-{settings.queue}"), Counter[str](), threading.Event()
    send_tasks(settings, ((f"agent-{n % 300}", f"t-{n}", {"text": "x" * 100}) for n in range(TASKS)))

    @agents.on_task_request()
    def work(task: Task) -> dict[str, Any]:
        gate.wait(120)
        ran[task.task_id] += 1
        return {}

    def config(*args: Any, **names: Any) -> dict[str, Any]:
        return librdkafka_config(*args, **names) | {"queue.buffering.max.messages": ROOM}

    monkeypatch.setattr(publisher_module, "librdkafka_config", config)
    limits = WorkerLimits(concurrency=1, max_unfinished=UNFINISHED)
    with running(agents, settings, limits=limits) as it:
        worker = it.worker
        partitions = len(Cluster(settings).end_offsets(Queue(name=settings.queue).requests))
        eventually(lambda: len(worker._assignment.tenures) == partitions, timeout_s=60)  # no ledger is read any more
        eventually(lambda: worker._assignment.unfinished >= UNFINISHED, timeout_s=60)
        broker.pause()
        gate.set()
        try:
            eventually(lambda: len(worker._delivery._outbox._waiting) > ROOM, timeout_s=30)
            eventually(lambda: not len(worker._engine.lanes), timeout_s=30)
            held = worker._delivery.unstored
            assert held <= UNFINISHED + BATCH
            assert len(ran) < TASKS, "there was nothing left that it could have taken on"
        finally:
            broker.resume()
        wait_until_committed(settings, agents.name, timeout_s=120)
    assert set(ran.values()) == {1}
    must_hold(settings, tasks=TASKS)
