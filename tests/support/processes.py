"""Worker processes for tests: :mod:`tests.support.worker_program`, started and stopped."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from mabos.kafka.admin import Cluster
from mabos.kafka.settings import Settings
from tests.support.waiting import eventually

_ROOT = Path(__file__).parents[2]
_NUMBERS = itertools.count(1)


class WorkerProcess:
    """One worker process."""

    def __init__(self, settings: Settings, group: str, folder: Path) -> None:
        self.folder = folder
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MABOS_")}
        for name, value in settings.model_dump(mode="json", exclude_none=True, exclude={"sasl_password"}).items():
            environment[f"MABOS_{name.upper()}"] = str(value)
        self._log = folder / f"log-{next(_NUMBERS)}"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.worker_program", group, str(folder)],
                cwd=_ROOT,
                env=environment,
                stdout=log,
                stderr=log,
            )
        self.pid = self._process.pid

    def begun(self) -> list[tuple[str, str]]:
        """Agent and task of each attempt that this process began, in that order."""
        return [(agent, task) for pid, agent, task in read_begun(self.folder) if pid == self.pid]

    def terminate(self) -> None:
        """Send SIGTERM."""
        self._process.send_signal(signal.SIGTERM)

    def is_finishing(self) -> bool:
        """Whether it has taken notice of the signal: from then on it begins nothing."""
        return "finishing what is in hand" in self._log.read_text(encoding="utf-8")

    def wait(self, timeout_s: float = 60.0) -> int:
        """Its exit code."""
        return self._process.wait(timeout_s)

    def close(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.wait()


def read_begun(folder: Path) -> list[tuple[int, str, str]]:
    """Process, agent and task of each attempt that any process began."""
    file = folder / "ran"
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return [(int(pid), agent, task) for pid, agent, task in (line.split(" ") for line in lines)]


@contextmanager
def worker_processes(settings: Settings, group: str, folder: Path, count: int) -> Iterator[list[WorkerProcess]]:
    """Worker processes that share the partitions among them."""
    with ExitStack() as stack:
        workers = []
        for _ in range(count):
            worker = WorkerProcess(settings, group, folder)
            stack.callback(worker.close)
            workers.append(worker)
        wait_for_members(settings, group, count)
        yield workers


def wait_for_members(settings: Settings, group: str, count: int) -> None:
    """Wait until so many members share all partitions."""
    cluster = Cluster(settings)

    def is_shared() -> bool:
        shares = [len(places) for places in cluster.group_members(group).values()]
        return len(shares) == count and sum(shares) == 12 and min(shares) > 0

    eventually(is_shared, timeout_s=60, every_s=0.2)
