"""The deadline watcher on a real broker and database: it answers once, and never what has an outcome."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaException

from mabos.consumers import AgentGroup, Task
from mabos.kafka.clients import open_registry
from mabos.kafka.settings import Settings
from mabos.producers import TaskProducer
from mabos.schemas.events import Status, TaskResponse
from mabos.streams.deadlines import DeadlineWatcher
from mabos.streams.inquiries import find_tasks
from mabos.streams.local_database import LocalDatabase
from mabos.streams.view import TaskView
from tests.support.platform import Platform
from tests.support.road import read_responses
from tests.support.road import running as working
from tests.support.view import Answerer, is_caught_up, make_view, running
from tests.support.waiting import eventually

TASKS = 60
ROOT = Path(__file__).parents[2]
PROGRAM = """
from mabos.kafka.settings import load_settings
from mabos.streams.deadlines import DeadlineWatcher
DeadlineWatcher(load_settings(), grace_s=0).run()
"""


@pytest.fixture
def settings(platform: Platform, database: LocalDatabase) -> Settings:
    """A queue of the test's own, with its view in that database."""
    return make_view(platform, database)


def send(settings: Settings, count: int, deadline: datetime | None = None) -> dict[str, int]:
    """Send tasks whose deadline has passed; gives their partitions by name."""
    deadline = deadline or datetime.now(UTC) - timedelta(seconds=1)
    with TaskProducer(settings) as producer:
        receipts = [
            producer.send_task_request(agent_id=f"a{n}", task_id=f"t{n}", payload={"n": n}, deadline=deadline)
            for n in range(count)
        ]
        return {receipt.task_id: receipt.result().partition for receipt in receipts}


def answers(settings: Settings) -> list[TaskResponse]:
    return read_responses(settings, open_registry(settings))


def watch(watcher: DeadlineWatcher, times: int = 1) -> int:
    return sum(watcher.look() for _ in range(times))


def test_what_is_overdue_is_answered_once(settings: Settings) -> None:
    """Like a worker's answer, in the request's partition, also by a second watcher, and while the view lags."""
    partitions = send(settings, TASKS)
    with TaskProducer(settings) as producer:
        future = datetime.now(UTC) + timedelta(hours=1)
        producer.send_task_request(agent_id="a0", task_id="later", payload={}, deadline=future).result()
        producer.send_task_request(agent_id="a0", task_id="never", payload={}).result()
    with running(settings):
        eventually(lambda: is_caught_up(settings), timeout_s=90)
    one, other = DeadlineWatcher(settings, grace_s=0), DeadlineWatcher(settings, grace_s=0)
    patient = DeadlineWatcher(settings, grace_s=3600)
    assert watch(patient) == 0
    assert watch(one) == 0  # it is not its turn
    patient.let_go()
    assert watch(one) == TASKS
    assert watch(other, 3) == 0
    assert watch(one, 3) == 0
    one.let_go()
    assert watch(other, 3) == 0
    other.let_go()
    found = answers(settings)
    assert Counter(answer.task_id for answer in found) == dict.fromkeys(partitions, 1)
    assert {(answer.status, answer.attempt, answer.started_at_ms) for answer in found} == {(Status.TIMED_OUT, 0, None)}
    with running(settings), TaskView(settings) as view:
        eventually(lambda: is_caught_up(settings), timeout_s=90)
        (task,) = view.ask(find_tasks("t7"))
    assert (task.state, task.response_partition, task.error_code) == ("timed_out", partitions["t7"], "deadline")


def test_an_old_view_leads_to_no_wrong_answer(settings: Settings) -> None:
    """What a worker has answered since the view was read is seen on the log."""
    partitions = send(settings, TASKS)
    with running(settings):
        eventually(lambda: is_caught_up(settings), timeout_s=90)
    answerer = Answerer(settings)
    for n in range(TASKS // 2):
        response = TaskResponse(task_id=f"t{n}", agent_id=f"a{n}", status=Status.COMPLETED)
        answerer.answer(partitions[f"t{n}"], response)
    watcher = DeadlineWatcher(settings, grace_s=0)
    assert watch(watcher, 2) == TASKS // 2
    watcher.let_go()
    assert set(Counter(answer.task_id for answer in answers(settings)).values()) == {1}


def test_a_frozen_watcher_that_wakes_is_fenced(settings: Settings) -> None:
    """It lost its lock in the middle of its answers: what the next one answers is all that is ever seen."""
    send(settings, TASKS)
    with running(settings):
        eventually(lambda: is_caught_up(settings), timeout_s=90)
    frozen, other = DeadlineWatcher(settings, grace_s=0), DeadlineWatcher(settings, grace_s=0)
    connection = frozen._take_turn()
    assert connection is not None
    overdue = frozen._find(connection, ())
    frozen._open_producer()
    connection.close()
    assert watch(other) == len(overdue) == TASKS
    with pytest.raises(KafkaException, match=r"newer|[Ff]enced|epoch"):
        frozen._answer(overdue)
    other.let_go()
    frozen.let_go()
    assert Counter(answer.task_id for answer in answers(settings)) == {f"t{n}": 1 for n in range(TASKS)}


def test_a_task_in_hand_may_still_end_and_counts_for_nothing(settings: Settings) -> None:
    """The watcher's answer is first in the log; what a plain handler gives later is superseded."""
    agents = AgentGroup(f"late-{settings.queue}")

    @agents.on_task_request()
    def work(task: Task) -> dict[str, Any]:
        eventually(lambda: answers(settings), timeout_s=90)
        return {}

    with working(agents, settings), running(settings):
        send(settings, 1, datetime.now(UTC) + timedelta(seconds=2))
        with DeadlineWatcher(settings, grace_s=0), TaskView(settings) as view:
            eventually(
                lambda: [(t.state, t.superseded) for t in view.ask(find_tasks("t0"))] == [("timed_out", 1)],
                timeout_s=90,
            )


def test_killed_at_any_moment_it_answers_nothing_twice(settings: Settings) -> None:
    """Killed with SIGKILL again and again, with a view that lags: each task is answered once all the same."""
    env = os.environ | {f"MABOS_{name.upper()}": str(value) for name, value in settings.model_dump(
        include={"bootstrap_servers", "schema_registry_url", "queue", "cache_dir"}).items()}  # fmt: skip
    env["MABOS_DATABASE_URL"] = settings.database_url.get_secret_value()
    send(settings, TASKS)
    with running(settings):
        eventually(lambda: is_caught_up(settings), timeout_s=90)
    for _ in range(3):
        with subprocess.Popen([sys.executable, "-c", PROGRAM], env=env, cwd=ROOT) as process:
            eventually(lambda: answers(settings) or process.poll() is not None, timeout_s=60, every_s=0.01)
            process.send_signal(signal.SIGKILL)
    with DeadlineWatcher(settings, grace_s=0):
        eventually(lambda: len(answers(settings)) >= TASKS, timeout_s=60)
        began_s = time.monotonic()
        eventually(lambda: time.monotonic() > began_s + 2)
    assert Counter(answer.task_id for answer in answers(settings)) == {f"t{n}": 1 for n in range(TASKS)}
