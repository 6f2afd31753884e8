"""Ours: a worker whose handler takes as long as its task says, for the load on the HTTP door."""

import asyncio
from typing import Any

from benchmarks.wire import read_road
from mabos.cli.signals import call_on_signals
from mabos.consumers import AgentGroup, Task, Worker, WorkerLimits
from mabos.consumers.garbage import calm_garbage_collector
from mabos.kafka.settings import load_settings

CONCURRENCY = 10_000


def main() -> None:
    """Work until SIGTERM."""
    road = read_road()
    settings = load_settings(
        bootstrap_servers=road.servers,
        schema_registry_url=road.registry_url,
        queue=road.queue,
        cache_dir=road.cache_dir,
    )
    agents = AgentGroup(road.group)
    agents.on_task_request()(_do)
    worker = Worker(agents, settings, limits=WorkerLimits(concurrency=CONCURRENCY))
    call_on_signals(worker.stop)
    calm_garbage_collector()
    worker.run()


async def _do(task: Task) -> dict[str, Any]:
    pause_s = task.payload.get("pause_s")
    if pause_s:
        await asyncio.sleep(pause_s)
    return {}


if __name__ == "__main__":
    main()
