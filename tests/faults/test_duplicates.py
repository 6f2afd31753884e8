"""Every request is sent twice: each task has one answer, and runs once."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from mabos.kafka.settings import Settings
from tests.support.judge import must_hold, send_tasks, wait_until_committed
from tests.support.processes import WorkerProcess, read_begun, worker_processes
from tests.support.scale import scaled
from tests.support.waiting import eventually

TASKS = scaled(1_000, 20_000)


@pytest.mark.parametrize("delivery", ["at-least-once", "exactly-once"])
def test_tasks_that_are_sent_twice_are_answered_once(settings: Settings, tmp_path: Path, delivery: str) -> None:
    """The second of each soon after the first, or long after; also when another worker meets it."""
    dice = random.Random(3)  # noqa: S311 - dice, no secret
    group = f"twice-{settings.queue}"
    options = {"limits": {"delivery": delivery}}
    first = [(f"agent-{n % 40}", f"t-{n}", {"n": n}) for n in range(TASKS)]
    late = dice.sample(first, TASKS // 2)
    soon = {task for _, task, _ in first} - {task for _, task, _ in late}
    with worker_processes(settings, group, tmp_path, 1, options) as workers:
        send_tasks(settings, (task for task in first for _ in range(1 + (task[1] in soon))))
        wait_until_committed(settings, group, timeout_s=90)
        workers[0].terminate()
        assert workers[0].wait() == 0
        workers.append(WorkerProcess(settings, group, tmp_path, options))
        send_tasks(settings, late)
        eventually(lambda: "partitions assigned" in workers[1].log, timeout_s=30)
        wait_until_committed(settings, group, timeout_s=90)
    report = must_hold(settings, tasks=TASKS)
    assert report.duplicates == TASKS
    assert set(Counter(task for _, _, task in read_begun(tmp_path)).values()) == {1}
