"""Ours: a worker with one handler for every action."""

import asyncio
from typing import Any

from benchmarks.wire import do_task, read_road
from mabos.cli.signals import call_on_signals
from mabos.consumers import AgentGroup, Task, Worker, WorkerLimits
from mabos.consumers.garbage import calm_garbage_collector
from mabos.kafka.settings import load_settings

HANDLER_S = 0.01


def main() -> None:
    """Work until SIGTERM."""
    road = read_road()
    settings = load_settings(
        bootstrap_servers=road.servers,
        schema_registry_url=road.registry_url,
        queue=road.queue,
        cache_dir=road.cache_dir,
    )
    limits: dict[str, Any] = dict(road.limits)
    handler = _do_later if limits.pop("is_async", False) else _do_now
    agents = AgentGroup(road.group)
    agents.on_task_request()(handler)
    worker = Worker(agents, settings, limits=WorkerLimits(**limits))
    call_on_signals(worker.stop)
    calm_garbage_collector()  # as `mabos worker run` does
    worker.run()


def _do_now(task: Task) -> dict[str, Any]:
    return do_task(task.payload)


async def _do_later(task: Task) -> dict[str, Any]:
    await asyncio.sleep(HANDLER_S)
    return do_task(task.payload)


if __name__ == "__main__":
    main()
