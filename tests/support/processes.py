"""Worker processes for tests: :mod:`tests.support.worker_program`, started, stopped, frozen and killed."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mabos.kafka.admin import Cluster
from mabos.kafka.settings import Settings
from tests.support.waiting import eventually

_ROOT = Path(__file__).parents[2]
_NUMBERS = itertools.count(1)


class WorkerProcess:
    """One worker process.

    Attributes:
        pid: Its process id.
        folder: Where it notes what it runs.
    """

    def __init__(self, settings: Settings, group: str, folder: Path, options: Mapping[str, Any] | None = None) -> None:
        self.folder = folder
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MABOS_")}
        for name, value in settings.model_dump(
            mode="json", exclude_none=True, exclude={"sasl_password", "database_url"}
        ).items():
            environment[f"MABOS_{name.upper()}"] = str(value)
        self._log = folder / f"log-{next(_NUMBERS)}"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.worker_program", group, str(folder), json.dumps(options or {})],
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

    def kill(self) -> None:
        """Kill it as a crash would, and wait until it is gone."""
        self._process.kill()
        self._process.wait()

    def freeze(self) -> None:
        """Let it do nothing more (SIGSTOP)."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on (SIGCONT)."""
        self._process.send_signal(signal.SIGCONT)

    @property
    def exit_code(self) -> int | None:
        """Its exit code, minus the signal that ended it; None while it runs."""
        return self._process.poll()

    @property
    def log(self) -> str:
        """What it has logged."""
        return self._log.read_text(encoding="utf-8")

    @property
    def last_words(self) -> str:
        """The end of what it has logged, without the many lines of an outage."""
        return "\n".join([line for line in self.log.splitlines() if not line.startswith("FAIL ")][-40:])

    def is_finishing(self) -> bool:
        """Whether it has taken notice of the signal: from then on it begins nothing."""
        return "finishing what is in hand" in self.log

    def wait(self, timeout_s: float = 60.0) -> int:
        """Its exit code."""
        return self._process.wait(timeout_s)

    def close(self) -> None:
        """End it, whatever it does."""
        self.kill()


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One attempt."""

    pid: int
    """The process that made it."""
    agent: str
    """Whose task."""
    task: str
    """Which task."""
    begin_ns: int
    """When it began, on the clock that all processes share."""
    end_ns: int | None
    """When it ended; None if it did not, as when its process was killed."""


def read_runs(folder: Path) -> list[Run]:
    """Each attempt that any process made, in the order in which they began."""
    open_runs: dict[tuple[int, str, str], int] = {}
    runs: list[Run] = []
    for what, moment, pid, agent, task in _read_lines(folder):
        key = int(pid), agent, task
        if what == "begin":
            open_runs[key] = len(runs)
            runs.append(Run(pid=key[0], agent=agent, task=task, begin_ns=int(moment), end_ns=None))
        else:
            number = open_runs.pop(key)
            begun = runs[number]
            runs[number] = Run(pid=key[0], agent=agent, task=task, begin_ns=begun.begin_ns, end_ns=int(moment))
    return sorted(runs, key=lambda run: run.begin_ns)


def find_overlaps(runs: Sequence[Run], *, but: frozenset[int] = frozenset()) -> list[tuple[Run, Run]]:
    """Attempts for one agent that began while another one for it ran, in whatever processes.

    Args:
        runs: Attempts in the order in which they began. One without an end is over: its process was killed.
        but: Process ids that do not count, as of those that were frozen.
    """
    last: dict[str, Run] = {}
    found = []
    for run in runs:
        if run.pid in but:
            continue
        before = last.get(run.agent)
        if before is not None and before.end_ns is not None and run.begin_ns < before.end_ns:
            found.append((before, run))
        last[run.agent] = run
    return found


def read_begun(folder: Path) -> list[tuple[int, str, str]]:
    """Process, agent and task of each attempt that any process began."""
    return [(int(pid), agent, task) for what, _, pid, agent, task in _read_lines(folder) if what == "begin"]


def _read_lines(folder: Path) -> list[list[str]]:
    file = folder / "ran"
    return [line.split(" ") for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []


@contextmanager
def worker_processes(
    settings: Settings, group: str, folder: Path, count: int, options: Mapping[str, Any] | None = None
) -> Iterator[list[WorkerProcess]]:
    """Worker processes that share the partitions among them; whatever is in the list at the end is ended."""
    workers: list[WorkerProcess] = []
    with ExitStack() as stack:
        stack.callback(_close, workers)
        workers += [WorkerProcess(settings, group, folder, options) for _ in range(count)]
        try:
            wait_for_members(settings, group, count)
            yield workers
        except BaseException:
            for worker in workers:
                print(f"\nworker {worker.pid} said at last:\n{worker.last_words}")  # noqa: T201 - pytest shows it
            raise


def _close(workers: Sequence[WorkerProcess]) -> None:
    for worker in workers:
        worker.close()


def wait_for_members(settings: Settings, group: str, count: int) -> None:
    """Wait until so many members share all partitions."""
    cluster = Cluster(settings)

    def is_shared() -> bool:
        shares = [len(places) for places in cluster.group_members(group).values()]
        return len(shares) == count and sum(shares) == 12 and min(shares) > 0

    eventually(is_shared, timeout_s=60, every_s=0.2)
