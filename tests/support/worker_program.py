"""A worker as a process of its own: ``python -m tests.support.worker_program GROUP FOLDER``, settings from ``MABOS_*``.

Each attempt writes a line to ``FOLDER/ran`` when it begins: process id, agent, task. A task whose payload has ``wait``
goes on once ``FOLDER/go`` is there; one with ``pause_s`` takes that long.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

from mabos.consumers import AgentGroup, Task, Worker
from mabos.kafka.settings import load_settings


def main(group: str, folder: Path) -> None:
    """Run until SIGTERM."""
    agents = AgentGroup(group)
    log = os.open(folder / "ran", os.O_CREAT | os.O_WRONLY | os.O_APPEND)

    @agents.on_task_request()
    async def work(task: Task) -> dict[str, Any]:
        os.write(log, f"{os.getpid()} {task.agent_id} {task.task_id}\n".encode())
        await asyncio.sleep(task.payload.get("pause_s", 0))
        while task.payload.get("wait") and not (folder / "go").exists():  # noqa: ASYNC110 - another process makes it
            await asyncio.sleep(0.01)
        return {"n": task.payload.get("n")}

    worker = Worker(agents, load_settings())
    signal.signal(signal.SIGTERM, lambda *_: worker.stop())
    worker.run()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
