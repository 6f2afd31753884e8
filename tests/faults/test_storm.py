"""Rebalances without end: workers come and go in order, under load."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest
from confluent_kafka import Consumer

from mabos.kafka.clients import librdkafka_config
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from tests.support.judge import must_hold, send_tasks, wait_until_committed
from tests.support.processes import WorkerProcess, find_overlaps, read_runs, wait_for_members, worker_processes
from tests.support.scale import IS_FULL, scaled
from tests.support.waiting import eventually

TASKS = scaled(3_000, 30_000)
REBALANCES = scaled(4, 20)
GUESTS = 10  # each makes two rebalances, one when it comes and one when it goes
TASKS_PER_GUEST = scaled(300, 3_000)
SEED = 5
WAYS = [
    ("consumer", "at-least-once"),
    ("classic", "at-least-once"),
    ("consumer", "exactly-once"),
    ("classic", "exactly-once"),
]


@pytest.mark.parametrize(("protocol", "delivery"), WAYS if IS_FULL else WAYS[:2])
def test_workers_that_come_and_go_run_each_task_once(
    settings: Settings, tmp_path: Path, protocol: str, delivery: str
) -> None:
    """Each that is stopped leaves in order: no task runs twice, and no two of an agent at a time in the group."""
    dice = random.Random(SEED)  # noqa: S311 - dice, no secret
    settings = settings.model_copy(update={"group_protocol": protocol})
    group = f"storm-{settings.queue}"
    options = {"limits": {"delivery": delivery, "concurrency": 8}}
    with worker_processes(settings, group, tmp_path, 2, options) as workers:
        send_tasks(settings, ((f"agent-{dice.randrange(150)}", f"t-{n}", {"pause_s": 0.01}) for n in range(TASKS)))
        running = list(workers)
        for number in range(REBALANCES):
            if number % 2:
                running.pop(0).terminate()
            else:
                running.append(WorkerProcess(settings, group, tmp_path, options))
                workers.append(running[-1])
                newest = running[-1]
                eventually(lambda newest=newest: "partitions assigned" in newest.log, timeout_s=30)  # type: ignore[misc]
        wait_until_committed(settings, group, timeout_s=120)
        wait_for_members(settings, group, 2)
        for worker in running:
            worker.terminate()
        assert [worker.wait() for worker in workers] == [0] * len(workers)
    must_hold(settings, tasks=TASKS)
    runs = read_runs(tmp_path)
    assert find_overlaps(runs) == []
    assert {task: count for task, count in Counter(run.task for run in runs).items() if count > 1} == {}


@pytest.mark.parametrize(("protocol", "delivery"), WAYS if IS_FULL else WAYS[:2])
def test_guests_that_come_and_go_cost_no_task(settings: Settings, tmp_path: Path, protocol: str, delivery: str) -> None:
    """Twenty rebalances, one right after the other: members of the group take partitions, read nothing, and leave."""
    settings = settings.model_copy(update={"group_protocol": protocol})
    group = f"guests-{settings.queue}"
    options = {"limits": {"delivery": delivery, "concurrency": 8}}
    sent = list[str]()
    with worker_processes(settings, group, tmp_path, 2, options) as workers:
        for guest in range(GUESTS):
            tasks = [(f"agent-{n % 150}", f"t-{guest}-{n}", {"pause_s": 0.005}) for n in range(TASKS_PER_GUEST)]
            send_tasks(settings, tasks)
            sent += [task for _, task, _ in tasks]
            visit(settings, group)
            wait_for_members(settings, group, 2)  # else the next guest may be given what this one had
        wait_until_committed(settings, group, timeout_s=120)
        for worker in workers:
            worker.terminate()
        assert [worker.wait() for worker in workers] == [0, 0]
        assert sum(worker.log.count("partitions revoked") for worker in workers) >= GUESTS
    must_hold(settings, tasks=len(sent))
    runs = read_runs(tmp_path)
    assert find_overlaps(runs) == []
    assert sorted(run.task for run in runs) == sorted(sent)


def visit(settings: Settings, group: str) -> None:
    """Be a member of a group until it gives partitions, and leave."""
    config = librdkafka_config(settings, "worker", client_id="guest", group=group)
    consumer = Consumer(config)
    try:
        consumer.subscribe([Queue(name=settings.queue).requests])
        eventually(lambda: (consumer.poll(0.05), consumer.assignment())[1], timeout_s=60, every_s=0)
    finally:
        consumer.close()
