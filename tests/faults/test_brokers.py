"""The broker is killed under load: workers go on by themselves, and nothing is lost."""

from __future__ import annotations

import threading
from pathlib import Path

from mabos.kafka.local_broker import LocalBroker
from mabos.kafka.settings import Settings
from mabos.producers import TaskProducer
from tests.support.judge import must_hold
from tests.support.processes import read_begun, worker_processes
from tests.support.road import read_lag
from tests.support.scale import scaled
from tests.support.waiting import eventually

TASKS = scaled(2_000, 20_000)
KILLS = scaled(1, 5)


def test_a_killed_broker_loses_nothing(settings: Settings, broker: LocalBroker, tmp_path: Path) -> None:
    """Tasks are sent before, meanwhile and after; the workers are the same processes at the end, and leave in order."""
    settings = settings.model_copy(update={"publish_timeout_s": 60.0})
    group = f"broker-{settings.queue}"
    options = {"limits": {"concurrency": 16}}
    with worker_processes(settings, group, tmp_path, 2, options) as workers, TaskProducer(settings) as producer:
        receipts = []

        def send() -> None:
            for n in range(TASKS):
                payload = {"pause_s": 0.01}
                receipts.append(
                    producer.send_task_request(agent_id=f"agent-{n % 80}", task_id=f"t-{n}", payload=payload)
                )
                if n % 50 == 49:
                    receipts[-1].result(90)

        sending = threading.Thread(target=send)
        sending.start()
        for number in range(KILLS):
            part = TASKS * (number + 1) // (KILLS + 1)
            eventually(lambda part=part: len(read_begun(tmp_path)) > part, timeout_s=90)  # type: ignore[misc]
            broker.kill()
            broker.start()
        sending.join(120)
        assert len({receipt.result(60) for receipt in receipts}) == TASKS

        def is_done() -> bool:
            for worker in workers:
                assert worker.exit_code is None, worker.log[-3000:]
            return not read_lag(settings, group)

        eventually(is_done, timeout_s=120, every_s=0.3)
        for worker in workers:
            worker.terminate()
        assert [worker.wait() for worker in workers] == [0, 0]
    must_hold(settings, tasks=TASKS)
