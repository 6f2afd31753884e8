"""Runs Locust against a gateway, and looks meanwhile at what each part uses of the machine."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks.errors import MeasurementFailed
from benchmarks.load.steps import MACHINE, Step, Usage, read_series
from benchmarks.venvs import Venv, prepare_venv

LOCUST = Venv(name="locust", requirements=("locust==2.47.0",))
GENERATOR = "Locust"
ROOT = Path(__file__).parents[2]
_LOOK_EVERY_S = 0.25
_GRACE_S = 60.0
_SPAWNED = b"All users spawned"
_TOLD_CHARS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A process that is looked at."""

    pid: int
    bound: float
    """How many cores it can use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What Locust is told."""

    file: str
    """The Locust file."""
    text: str
    """How much it is, for people."""
    users: int
    seconds: float
    """How long it lasts; of a file with a shape, each phase of it."""
    has_shape: bool = False
    """Whether the file says by itself how many users there are, and when it ends."""
    offered_per_s: float | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


def run_step(load: Load, url: str, parts: Mapping[str, Part]) -> Step:
    """Load the gateway once.

    Args:
        load: How.
        url: Where the gateway is.
        parts: What is looked at beside Locust, by name.

    Raises:
        MeasurementFailed: Locust did not do what it should; has what it said.
    """
    python = prepare_venv(LOCUST)
    arguments = [str(python), "-m", "locust", "-f", f"benchmarks/load/{load.file}.py", "--headless", "--json"]
    arguments += ["-u", str(load.users), "-r", str(load.users), "--host", url, "--exit-code-on-error", "0"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **load.environment}
    with tempfile.NamedTemporaryFile() as log:
        locust = subprocess.Popen(arguments, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=log)
        looks = _Looks({**parts, GENERATOR: Part(pid=locust.pid, bound=1)})
        try:
            if not load.has_shape:
                # its own --run-time counts from before it has read the file
                _wait_until_spawned(locust, Path(log.name))
                time.sleep(load.seconds)
                locust.terminate()
            stats, _ = locust.communicate(timeout=3 * load.seconds + _GRACE_S)
            series, begin_s, end_s = read_series(stats)
        except (ValueError, KeyError, subprocess.TimeoutExpired) as error:
            said = Path(log.name).read_text(encoding="utf-8")[-_TOLD_CHARS:]
            raise MeasurementFailed(f"Locust gave no figures at {load.text}: {said}") from error
        finally:
            locust.kill()
            locust.wait()
            looks.stop()
    return Step(
        load=load.text,
        offered_per_s=load.offered_per_s,
        lasted_s=max(end_s - begin_s, 0.001),
        series=series,
        usage=looks.usage(begin_s, end_s),
    )


def _wait_until_spawned(locust: subprocess.Popen[bytes], log: Path) -> None:
    deadline_s = time.monotonic() + _GRACE_S
    while _SPAWNED not in log.read_bytes():
        if locust.poll() is not None or time.monotonic() > deadline_s:
            raise ValueError("it does not begin")
        time.sleep(_LOOK_EVERY_S)


class _Looks:
    """Looks at the processor time of parts again and again, in a thread."""

    def __init__(self, parts: Mapping[str, Part]) -> None:
        self._parts = parts
        self._taken: list[tuple[float, dict[str, float]]] = []
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="looks")
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._is_over.set()
        self._thread.join()

    def usage(self, begin_s: float, end_s: float) -> dict[str, Usage]:
        """What each part used between two moments, in seconds since 1970, and all that runs on the machine."""
        within = [look for look in self._taken if begin_s <= look[0] <= end_s] or self._taken
        (first_s, first), (last_s, last) = within[0], within[-1]
        took_s = max(last_s - first_s, _LOOK_EVERY_S)
        bounds = {name: part.bound for name, part in self._parts.items()} | {MACHINE: float(os.cpu_count() or 1)}
        return {
            name: Usage(cores=max(0.0, last[name] - first[name]) / took_s, bound=bounds[name])
            for name in last
            if name in first
        }

    def _run(self) -> None:
        while not self._is_over.wait(_LOOK_EVERY_S):
            times: dict[str, float] = {}
            for name, part in self._parts.items():
                with suppress(psutil.Error):
                    spent = psutil.Process(part.pid).cpu_times()
                    times[name] = spent.user + spent.system
            machine = psutil.cpu_times()
            times[MACHINE] = machine.user + machine.system
            self._taken.append((time.time(), times))
