"""Workers are killed in mid-batch, again and again: nothing lost, nothing answered twice, order held."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from mabos.kafka.settings import Settings
from tests.support.judge import must_hold, send_tasks, wait_until_committed
from tests.support.processes import WorkerProcess, find_overlaps, read_begun, read_runs, worker_processes
from tests.support.scale import scaled
from tests.support.waiting import eventually

TASKS = scaled(3_000, 30_000)
KILLS = scaled(2, 10)
CONCURRENCY = 16
SEED = 23


@pytest.mark.parametrize(
    ("protocol", "delivery"),
    [
        ("consumer", "at-least-once"),
        ("classic", "at-least-once"),
        ("consumer", "exactly-once"),
        ("classic", "exactly-once"),
    ],
)
def test_killed_workers_lose_nothing_and_answer_nothing_twice(
    settings: Settings, tmp_path: Path, protocol: str, delivery: str
) -> None:
    """At random moments, while another goes on and the dead one is replaced.

    One answer each: what the killed one had answered is found on the log, what it had in hand runs again. No handler of
    an agent begins while another one of it runs.
    """
    dice = random.Random(SEED)  # noqa: S311 - dice, no secret
    settings = settings.model_copy(update={"group_protocol": protocol})
    group = f"kills-{settings.queue}"
    options = {"limits": {"delivery": delivery, "concurrency": CONCURRENCY, "commit_interval_s": 1.0}}
    with worker_processes(settings, group, tmp_path, 2, options) as workers:
        send_tasks(settings, ((f"agent-{dice.randrange(200)}", f"t-{n}", {"pause_s": 0.005}) for n in range(TASKS)))
        for number in range(KILLS):
            part = TASKS * (number + dice.random()) / (KILLS + 1)
            eventually(lambda part=part: len(read_begun(tmp_path)) > part, timeout_s=90)  # type: ignore[misc]
            workers[number].kill()
            workers.append(WorkerProcess(settings, group, tmp_path, options))
        wait_until_committed(settings, group, timeout_s=120)
    must_hold(settings, tasks=TASKS)
    assert find_overlaps(read_runs(tmp_path)) == []
