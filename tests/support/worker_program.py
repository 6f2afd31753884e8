"""A worker as a process of its own: ``python -m tests.support.worker_program GROUP FOLDER [OPTIONS]``.

Settings come from ``MABOS_*``; OPTIONS is a JSON object: ``plain`` for a plain handler, ``limits`` for a
:class:`WorkerLimits`.

Each attempt writes a line to ``FOLDER/ran`` when it begins and one when it ends: which of both, nanoseconds on the
clock that all processes share, process id, agent, task. What it does in between, its payload says:

- ``wait``: go on once ``FOLDER/go`` is there, or the file of the name given; ``pause_s``: take that long; in that order
- ``kill``: then kill this process with SIGKILL; ``exit``: leave it with ``os._exit``
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mabos.consumers import AgentGroup, Task, Worker, WorkerLimits
from mabos.kafka.settings import load_settings

_LOOK_S = 0.01


class Handlers:
    """The handler, plain and async, and what it notes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._log = os.open(folder / "ran", os.O_CREAT | os.O_WRONLY | os.O_APPEND)

    async def work(self, task: Task) -> dict[str, Any]:
        self._note("begin", task)
        try:
            while self._must_wait(task):  # noqa: ASYNC110 - another process makes the file
                await asyncio.sleep(_LOOK_S)
            await asyncio.sleep(task.payload.get("pause_s", 0))
            return self._end(task)
        finally:
            self._note("end", task)

    def work_plainly(self, task: Task) -> dict[str, Any]:
        self._note("begin", task)
        try:
            while self._must_wait(task):
                task.check_cancelled()
                time.sleep(_LOOK_S)
            time.sleep(task.payload.get("pause_s", 0))
            return self._end(task)
        finally:
            self._note("end", task)

    def _note(self, what: str, task: Task) -> None:
        os.write(self._log, f"{what} {time.monotonic_ns()} {os.getpid()} {task.agent_id} {task.task_id}\n".encode())

    def _must_wait(self, task: Task) -> bool:
        wait = task.payload.get("wait")
        return bool(wait) and not (self._folder / (wait if isinstance(wait, str) else "go")).exists()

    def _end(self, task: Task) -> dict[str, Any]:
        if task.payload.get("kill"):
            os.kill(os.getpid(), signal.SIGKILL)
        if task.payload.get("exit"):
            os._exit(3)
        return {"n": task.payload.get("n")}


def main(group: str, folder: Path, options: Mapping[str, Any]) -> None:
    """Run until SIGTERM."""
    agents = AgentGroup(group)
    handlers = Handlers(folder)
    agents.on_task_request()(handlers.work_plainly if options.get("plain") else handlers.work)
    worker = Worker(agents, load_settings(), limits=WorkerLimits(**options.get("limits", {})))
    signal.signal(signal.SIGTERM, lambda *_: worker.stop())
    worker.run()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3]) if len(sys.argv) > 3 else {})
