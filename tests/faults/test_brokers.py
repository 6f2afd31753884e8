"""The broker goes away under load: workers go on by themselves, nothing is lost, and nothing is answered twice."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka import KafkaException

from mabos.kafka.local_broker import LocalBroker
from mabos.kafka.settings import Settings
from mabos.producers import Receipt, TaskProducer
from tests.support.judge import must_hold
from tests.support.outages import take_away
from tests.support.processes import WorkerProcess, read_begun, worker_processes
from tests.support.road import read_lag
from tests.support.scale import IS_FULL, scaled
from tests.support.waiting import eventually

TASKS = scaled(2_000, 20_000)
OUTAGES = scaled(1, 3)
WAYS = [
    ("at-least-once", "killed", 0.0),
    ("exactly-once", "killed", 5.0),
    ("exactly-once", "frozen", 20.0),
    ("exactly-once", "killed", 0.0),
    ("exactly-once", "killed", 30.0),
    ("at-least-once", "killed", 30.0),
    ("at-least-once", "frozen", 20.0),
]


@pytest.mark.parametrize(("delivery", "how", "away_s"), WAYS if IS_FULL else WAYS[:3])
def test_workers_outlive_a_broker_that_goes_away(
    settings: Settings, broker: LocalBroker, tmp_path: Path, delivery: str, how: str, away_s: float
) -> None:
    """Tasks are sent before, meanwhile and after; the workers are the same processes at the end, and leave in order."""
    settings = settings.model_copy(update={"publish_timeout_s": 90.0})
    group = f"broker-{settings.queue}"
    options = {"limits": {"concurrency": 16, "delivery": delivery}}
    with worker_processes(settings, group, tmp_path, 2, options) as workers, sending(settings) as receipts:
        for number in range(OUTAGES):
            part = TASKS * (number + 1) // (OUTAGES + 1)
            eventually(lambda part=part: len(read_begun(tmp_path)) > part, timeout_s=90)  # type: ignore[misc]
            take_away(broker, how, away_s)
        eventually(lambda: len(receipts) == TASKS, timeout_s=120)
        assert len({receipt.result(90) for receipt in receipts}) == TASKS
        eventually(lambda: is_done(settings, group, workers), timeout_s=120, every_s=0.3)
        for worker in workers:
            worker.terminate()
        assert [worker.wait() for worker in workers] == [0, 0]
    # at least once: a broker that wakes may think its members dead, while their answers are on their way
    may_answer = TASKS if delivery == "at-least-once" and how == "frozen" else 0
    must_hold(settings, tasks=TASKS, superseded=may_answer)


@contextmanager
def sending(settings: Settings) -> Iterator[list[Receipt]]:
    """Sends tasks from a thread, never far ahead of what the broker acknowledges; gives the receipts so far."""
    receipts: list[Receipt] = []
    with TaskProducer(settings) as producer:

        def send() -> None:
            for n in range(TASKS):
                payload = {"pause_s": 0.01}
                receipts.append(
                    producer.send_task_request(agent_id=f"agent-{n % 80}", task_id=f"t-{n}", payload=payload)
                )
                if n % 50 == 49:
                    receipts[-1].result(120)

        thread = threading.Thread(target=send)
        thread.start()
        yield receipts
        thread.join(120)


def is_done(settings: Settings, group: str, workers: Sequence[WorkerProcess]) -> bool:
    """Whether the group has committed all there is; each worker must be alive."""
    for worker in workers:
        assert worker.exit_code is None, worker.log[-3000:]
    try:
        return not read_lag(settings, group)
    except KafkaException:  # a transaction is open that has offsets in it
        return False
