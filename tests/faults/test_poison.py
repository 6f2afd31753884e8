"""A task that kills its worker is given up after three deaths, and takes no healthy task with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from mabos.schemas import Status
from tests.support.judge import must_hold, read_answers, send_tasks
from tests.support.processes import WorkerProcess, find_overlaps, read_begun, read_runs
from tests.support.road import read_lag, read_topic
from tests.support.scale import IS_FULL
from tests.support.waiting import eventually

HEALTHY = 300
WAY = [
    pytest.param({}, "at-least-once", "consumer", id="async"),
    pytest.param({"plain": True, "limits": {"concurrency": 1}}, "at-least-once", "consumer", id="plain, one at a time"),
    pytest.param({"plain": True}, "at-least-once", "consumer", id="plain, in threads"),
    pytest.param({}, "exactly-once", "consumer", id="exactly-once"),
    pytest.param({}, "at-least-once", "classic", id="classic"),
]


def keep_working(settings: Settings, group: str, folder: Path, options: dict[str, Any]) -> list[WorkerProcess]:
    """Start a worker, and another one each time it is killed, until all is done; returns those that were killed."""
    workers = [WorkerProcess(settings, group, folder, options)]

    def is_done() -> bool:
        if workers[-1].exit_code is not None:
            workers.append(WorkerProcess(settings, group, folder, options))
        return not read_lag(settings, group)

    try:
        eventually(is_done, timeout_s=150, every_s=0.2)
        workers[-1].terminate()
        assert workers[-1].wait() == 0, workers[-1].log
    finally:
        for worker in workers:
            worker.close()
    return workers[:-1]


@pytest.mark.parametrize(("options", "delivery", "protocol"), WAY if IS_FULL else WAY[:1])
def test_a_task_that_kills_its_worker_is_given_up(
    settings: Settings, tmp_path: Path, options: dict[str, Any], delivery: str, protocol: str
) -> None:
    """After three deaths, as failed and among the dead letters; all others complete, also those that run for long."""
    settings = settings.model_copy(update={"group_protocol": protocol})
    options = options | {"limits": {"delivery": delivery, **options.get("limits", {})}}
    group = f"poison-{settings.queue}"
    is_single = options["limits"].get("concurrency") == 1
    tasks: list[tuple[str, str, dict[str, Any]]] = [(f"long-{n}", f"long-{n}", {"pause_s": 1.0}) for n in range(4)]
    tasks += [("poison", "before", {}), ("poison", "poison", {"kill": True, "pause_s": 0.5}), ("poison", "after", {})]
    tasks += [(f"agent-{n % 50}", f"t-{n}", {"pause_s": 0 if is_single else 0.01}) for n in range(HEALTHY)]
    send_tasks(settings, tasks)
    dead = keep_working(settings, group, tmp_path, options)
    assert [worker.exit_code for worker in dead] == [-9] * 3
    must_hold(settings, tasks=len(tasks), statuses={Status.COMPLETED: len(tasks) - 1, Status.FAILED: 1})
    [failed] = [answer for answer in read_answers(settings) if answer.status is Status.FAILED]
    assert failed.task_id == "poison"
    assert failed.error is not None
    assert failed.error.code == "worker_lost"
    letters = read_topic(settings, Queue(name=settings.queue).dead_letters)
    assert [letter.header["mabos-task-id"] for letter in letters] == [b"poison"]
    assert [task for _, _, task in read_begun(tmp_path)].count("poison") == 3
    assert find_overlaps(read_runs(tmp_path)) == []
