"""SIGTERM: what is in hand finishes, what is queued is handed over, and nothing runs twice."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from mabos.kafka.clients import open_registry
from mabos.kafka.settings import Settings
from mabos.producers import TaskProducer
from tests.support.processes import read_begun, worker_processes
from tests.support.road import read_lag, read_responses
from tests.support.waiting import eventually


def test_a_terminated_worker_finishes_what_is_in_hand(settings: Settings, tmp_path: Path) -> None:
    """Its answer is published and committed; the tasks behind it run once, at whoever comes next."""
    group = f"drain-{settings.queue}"
    registry = open_registry(settings)
    with worker_processes(settings, group, tmp_path, 1) as [worker]:
        with TaskProducer(settings) as producer:
            for number in range(5):
                producer.send_task_request(agent_id="slow", payload={"wait": number == 0}, task_id=f"slow-{number}")
        eventually(worker.begun, timeout_s=30)
        worker.terminate()
        eventually(worker.is_finishing, timeout_s=30)
        (tmp_path / "go").touch()
        assert worker.wait() == 0
        assert worker.begun() == [("slow", "slow-0")]
    assert [response.task_id for response in read_responses(settings, registry)] == ["slow-0"]
    assert sum(read_lag(settings, group).values()) == 4
    with worker_processes(settings, group, tmp_path, 1) as [worker]:
        eventually(lambda: not read_lag(settings, group), timeout_s=30, every_s=0.3)
        worker.terminate()
        assert worker.wait() == 0
    assert [response.task_id for response in read_responses(settings, registry)] == [f"slow-{n}" for n in range(5)]
    assert Counter(task for _, _, task in read_begun(tmp_path)) == {f"slow-{n}": 1 for n in range(5)}
