"""Projectors are killed, and partitions move between them: the view is as one made anew, row for row."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from mabos.kafka.process import Process
from mabos.kafka.python import PythonCommand
from mabos.kafka.settings import Settings
from mabos.producers import TaskProducer
from mabos.schemas.events import Status, TaskResponse
from mabos.streams.database import ensure_view, live_schema
from mabos.streams.local_database import LocalDatabase
from tests.support.scale import scaled
from tests.support.view import Answerer, is_caught_up, read_one, read_rows, rebuild_and_compare
from tests.support.waiting import eventually

KILLS = scaled(4, 100)
TASKS = scaled(4_000, 50_000)
MOVES = scaled(3, 20)
SEED = 31
MOST_DELAY_S = 0.3
WAIT_S = 120.0
_STATUSES = (Status.COMPLETED, Status.COMPLETED, Status.FAILED, Status.IN_PROGRESS)


@pytest.fixture
def view(settings: Settings) -> Iterator[Settings]:
    """A queue of the test's own, with its view in a database of its own."""
    with LocalDatabase() as database:
        found = settings.model_copy(update={"database_url": SecretStr(database.url)})
        ensure_view(found, live_schema(found.queue))
        yield found


def wait(look: Callable[[], bool]) -> None:
    eventually(look, timeout_s=WAIT_S)


def start_projector(settings: Settings, folder: Path) -> Process:
    names = ("bootstrap_servers", "schema_registry_url", "cache_dir", "queue", "group_protocol")
    told = {name: str(getattr(settings, name)) for name in (*names, "classic_session_timeout_s")}
    told["database_url"] = settings.database_url.get_secret_value()
    environment = {"PATH": os.defpath, **{f"MABOS_{name.upper()}": value for name, value in told.items()}}
    process = Process(
        PythonCommand(
            name="projector",
            arguments=["-m", "mabos.cli.main", "view", "run"],
            log_file=folder / "projector.log",
            environment=environment,
        )
    )
    process.start()
    return process


def count_applied(settings: Settings) -> int:
    """How many offsets the view has passed."""
    return int(read_one(settings, "SELECT coalesce(sum(next_offset), 0) FROM partitions")[0])


def count_takes(settings: Settings) -> int:
    """How many times a partition was taken."""
    return int(read_one(settings, "SELECT coalesce(sum(epoch), 0) FROM partitions")[0])


def publish(settings: Settings, dice: random.Random, tasks: range) -> None:
    """Requests, some of them twice, and answers, some before others and some twice."""
    answerer = Answerer(settings)
    with TaskProducer(settings) as producer:
        for first in range(0, len(tasks), 500):
            receipts = []
            for number in tasks[first : first + 500]:
                name, agent = f"t-{number}", f"agent-{dice.randrange(100)}"
                for _ in range(1 + (dice.random() < 0.02)):
                    payload = {"action": f"x{number % 3}", "n": number}
                    receipt = producer.send_task_request(agent_id=agent, task_id=name, payload=payload)
                receipts.append((name, agent, receipt))
            dice.shuffle(receipts)
            for name, agent, receipt in receipts:
                for _ in range(dice.choice((0, 1, 1, 1, 2))):
                    status = dice.choice(_STATUSES)
                    answer = TaskResponse(task_id=name, agent_id=agent, status=status, started_at_ms=1_700_000_000_000)
                    answerer.answer(receipt.result().partition, answer, flush=False)
            answerer.flush()


@pytest.mark.timeout(scaled(600, 2400))  # a start takes some seconds
def test_a_killed_projector_loses_nothing_and_counts_nothing_twice(view: Settings, tmp_path: Path) -> None:
    """``kill -9`` at random moments while it catches up; what is there then equals a view made in peace."""
    dice = random.Random(SEED)  # noqa: S311 - dice, no secret
    share = TASKS // KILLS
    for number in range(KILLS):
        publisher = threading.Thread(target=publish, args=(view, dice, range(number * share, (number + 1) * share)))
        publisher.start()
        wanted = count_applied(view) + dice.randrange(share)
        process = start_projector(view, tmp_path)
        wait(lambda wanted=wanted: count_applied(view) > wanted)  # type: ignore[misc]
        threading.Event().wait(dice.uniform(0, MOST_DELAY_S))  # not always when a batch has just been applied
        process.kill()
        publisher.join()
    process = start_projector(view, tmp_path)
    wait(lambda: is_caught_up(view))
    process.stop()
    assert len(read_rows(view)["tasks"]) == TASKS
    rebuild_and_compare(view, wait)


@pytest.mark.parametrize("protocol", ["consumer", "classic"])
def test_partitions_move_between_projectors(view: Settings, tmp_path: Path, protocol: str) -> None:
    """Under load a second one comes and goes, and one is frozen until the other has its partitions, and wakes."""
    dice = random.Random(SEED)  # noqa: S311 - dice, no secret
    view = view.model_copy(update={"group_protocol": protocol})
    publisher = threading.Thread(target=publish, args=(view, dice, range(TASKS)))
    publisher.start()
    first = start_projector(view, tmp_path)
    wait(lambda: count_takes(view) > 0)
    try:
        for number in range(MOVES):
            before = count_takes(view)
            second = start_projector(view, tmp_path)
            wait(lambda before=before: count_takes(view) > before)  # type: ignore[misc]
            if number % 2:
                second.stop()
                continue
            first.pause()
            before = count_takes(view)
            wait(lambda before=before: count_takes(view) > before)  # type: ignore[misc]
            first.resume()
            first.stop()
            first = second
        publisher.join()
        wait(lambda: is_caught_up(view))
    finally:
        publisher.join()
        first.stop()
    assert len(read_rows(view)["tasks"]) == TASKS
    rebuild_and_compare(view, wait)
