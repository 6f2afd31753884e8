"""The registry is away: what is cached is enough to start and to go on, and without it the error says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from mabos.consumers import AgentGroup, Worker
from mabos.kafka.local_registry import LocalRegistry
from mabos.kafka.queues import prepare_queue
from mabos.kafka.settings import Settings
from mabos.producers import TaskProducer
from mabos.schemas.errors import RegistryUnavailable
from tests.support.judge import must_hold, wait_until_committed
from tests.support.processes import WorkerProcess, wait_for_members, worker_processes


def test_a_worker_needs_no_registry_once_it_has_seen_it(settings: Settings, tmp_path: Path) -> None:
    """It goes away in mid-run: tasks go on being sent and answered, and a worker that starts then works, too.

    Where nothing is cached, the start fails with an error that names the registry.
    """
    group = f"registry-{settings.queue}"
    with LocalRegistry(log_file=tmp_path / "registry.log") as registry:
        update = {"schema_registry_url": registry.url, "cache_dir": tmp_path / "cache"}
        settings = settings.model_copy(update=update)
        prepare_queue(settings)
        producer = TaskProducer(settings)
        with worker_processes(settings, group, tmp_path, 1) as workers, producer:
            producer.send_task_request(agent_id="a", payload={}).result(30)
            wait_until_committed(settings, group, timeout_s=30)
            registry.stop()
            for number in range(200):
                producer.send_task_request(agent_id=f"a-{number % 20}", payload={"pause_s": 0.01})
            workers.append(WorkerProcess(settings, group, tmp_path))
            wait_for_members(settings, group, 2)
            for number in range(200):
                producer.send_task_request(agent_id=f"a-{number % 20}", payload={})
            assert producer.flush(30) == 0
            wait_until_committed(settings, group, timeout_s=60)
            for worker in workers:
                worker.terminate()
            assert [worker.wait() for worker in workers] == [0, 0]
    empty = settings.model_copy(update={"cache_dir": tmp_path / "empty"})
    agents = AgentGroup(group)
    agents.on_task_request()(lambda task: None)
    with pytest.raises(RegistryUnavailable, match=settings.schema_registry_url):
        Worker(agents, empty)
    must_hold(settings, tasks=401)
