"""A cancel holds, whenever it comes; and comes too late once the task is answered."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mabos.consumers import AgentGroup, Task, WorkerLimits
from mabos.kafka.settings import Settings
from mabos.producers import TaskProducer
from mabos.schemas import Status
from tests.support.judge import audit, read_answers, send_tasks, wait_until_committed
from tests.support.processes import WorkerProcess, read_begun, worker_processes
from tests.support.road import running
from tests.support.waiting import eventually


def outcomes(settings: Settings) -> Mapping[str, Status]:
    """By task; each has one."""
    report = audit(settings)
    assert report.holds, report
    assert report.superseded == 0
    return {answer.task_id: answer.status for answer in read_answers(settings) if answer.status.is_terminal}


def cancel(settings: Settings, *tasks: tuple[str, str]) -> None:
    with TaskProducer(settings) as producer:
        for agent, task in tasks:
            producer.cancel_task(agent_id=agent, task_id=task, reason="of no more use").result(30)


def test_a_cancel_sent_while_no_worker_is_there_holds(settings: Settings, tmp_path: Path) -> None:
    """After the workers were killed, with the task in hand and another one queued behind it: neither runs again."""
    group = f"cancel-{settings.queue}"
    tasks: list[tuple[str, str, dict[str, Any]]] = [
        ("a", "in-hand", {"wait": True}),
        ("a", "queued", {}),
        ("a", "good", {}),
    ]
    with worker_processes(settings, group, tmp_path, 1) as workers:
        send_tasks(settings, tasks)
        eventually(workers[0].begun, timeout_s=30)
        workers[0].kill()
        cancel(settings, ("a", "in-hand"), ("a", "queued"))
        workers.append(WorkerProcess(settings, group, tmp_path))
        wait_until_committed(settings, group, timeout_s=60)
    assert outcomes(settings) == {
        "in-hand": Status.CANCELLED,
        "queued": Status.CANCELLED,
        "good": Status.COMPLETED,
    }
    assert [task for _, _, task in read_begun(tmp_path)] == ["in-hand", "good"]


def test_a_cancel_reaches_tasks_in_every_state(settings: Settings) -> None:
    """Queued: it does not run. Running async: it ends. Running plain: it sees it. Answered: nothing changes."""
    begun, seen, ran = threading.Barrier(3), threading.Event(), list[str]()
    agents = AgentGroup(f"cancel-{settings.queue}")

    @agents.on_task_request("plain")
    def plain(task: Task) -> None:
        begun.wait(30)
        eventually(lambda: task.cancelled, timeout_s=30)
        seen.set()
        task.check_cancelled()

    @agents.on_task_request("async")
    async def wait(task: Task) -> None:
        await asyncio.to_thread(begun.wait, 30)
        await asyncio.Event().wait()

    @agents.on_task_request()
    def note(task: Task) -> None:
        ran.append(task.task_id)

    with running(agents, settings, limits=WorkerLimits(concurrency=4)):
        send_tasks(settings, [("done", "answered", {})])
        eventually(lambda: ran == ["answered"], timeout_s=30)
        wait_until_committed(settings, agents.name, timeout_s=30)
        send_tasks(
            settings,
            [
                ("p", "plain", {"action": "plain"}),
                ("p", "queued", {}),
                ("s", "async", {"action": "async"}),
                ("s", "after", {}),
            ],
        )
        begun.wait(30)
        cancel(settings, ("done", "answered"), ("p", "queued"), ("p", "plain"), ("s", "async"))
        assert seen.wait(30)
        wait_until_committed(settings, agents.name, timeout_s=30)
    assert outcomes(settings) == {
        "answered": Status.COMPLETED,
        "plain": Status.CANCELLED,
        "queued": Status.CANCELLED,
        "async": Status.CANCELLED,
        "after": Status.COMPLETED,
    }
    assert ran == ["answered", "after"]
