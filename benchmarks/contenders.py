"""Who is measured: each a program of its own, started and ended by the harness."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.errors import MeasurementFailed
from benchmarks.jvm import java_command
from benchmarks.profiles import Profiler
from benchmarks.venvs import FASTSTREAM, QUIXSTREAMS, Venv, prepare_venv
from benchmarks.wire import Road
from mabos.kafka.process import Process, telling_line

ROOT = Path(__file__).parents[1]
_LOOK_EVERY_S = 0.05
_TAIL_LINES = 15


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Contender:
    """A program, and what people call it."""

    name: str
    """As it stands in tables."""
    family: str
    """Whose code it runs, as ``--skip`` takes it."""
    find_command: Callable[[], Sequence[str]]
    """Its command line, before the argument; prepares what it needs the first time."""
    limits: Mapping[str, Any] = field(default_factory=dict)
    """Our worker's limits."""

    @property
    def is_ours(self) -> bool:
        """Whether it runs our code."""
        return self.family == "ours"

    def argv(self, road: Road) -> list[str]:
        """The command line."""
        return [*self.find_command(), replace(road, limits=self.limits).to_argument()]


def _python(program: str, venv: Venv | None = None) -> Callable[[], Sequence[str]]:
    def find() -> Sequence[str]:
        python = sys.executable if venv is None else str(prepare_venv(venv))
        return [python, "-m", f"benchmarks.programs.{program}"]

    return find


def _ours(name: str, **limits: Any) -> Contender:  # noqa: ANN401 - each limit has its own type
    return Contender(name=name, family="ours", find_command=_python("our_worker"), limits=limits)


def _bare(name: str, program: str) -> Contender:
    return Contender(name=name, family="bare", find_command=_python(program))


def _faststream(program: str) -> Contender:
    return Contender(name="FastStream", family="faststream", find_command=_python(program, FASTSTREAM))


OURS = _ours("MABOS", concurrency=1)
OURS_EXACTLY_ONCE = _ours("MABOS exactly-once", concurrency=1, delivery="exactly-once")
OURS_ASYNC = _ours("MABOS 500 in flight", concurrency=500, is_async=True)
OUR_PUBLISHER = Contender(name="MABOS", family="ours", find_command=_python("our_publisher"))
BARE = _bare("bare loop", "bare_loop")
BARE_SINGLE = _bare("bare loop, one at a time", "bare_single")
BARE_TRANSACTIONAL = _bare("bare transactional loop", "bare_transactional")
BARE_PUBLISHER = _bare("bare loop", "bare_publisher")
FASTSTREAM_WORKER = _faststream("faststream_worker")
FASTSTREAM_PUBLISHER = _faststream("faststream_publisher")
GATEWAY = Contender(name="MABOS gateway", family="ours", find_command=_python("our_gateway"))
GATEWAY_ALONE = _bare("the same without Kafka", "gateway_alone")
LOAD_WORKER = Contender(name="MABOS worker", family="ours-worker", find_command=_python("load_worker"))
RESPONSE_FLOW = _bare("others' responses", "response_flow")
QUIXSTREAMS_WORKER = Contender(
    name="quixstreams", family="quixstreams", find_command=_python("quixstreams_worker", QUIXSTREAMS)
)
PARALLEL_CONSUMER = Contender(
    name="Confluent Parallel Consumer", family="java", find_command=lambda: java_command("ParallelConsumerWorker")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Command:
    name: str
    arguments: Sequence[str]
    log_file: Path
    environment: Mapping[str, str]
    kept_open: Sequence[int] = ()

    def argv(self) -> list[str]:
        return list(self.arguments)


class Started:
    """A contender that runs."""

    def __init__(self, contender: Contender, argv: Sequence[str], log_file: Path) -> None:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("MABOS_")}
        self.name = contender.name
        self._process = Process(
            _Command(
                name=contender.name,
                arguments=argv,
                log_file=log_file,
                environment=environment | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
            )
        )
        self._process.start()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.exit_code

    def check(self) -> None:
        """See that it runs, or ended well.

        Raises:
            MeasurementFailed: It ended with an error; has the end of its log.
        """
        if self._process.exit_code:
            lines = self._process.log_tail()[-_TAIL_LINES:]
            raise MeasurementFailed(
                f"{self.name} ended with code {self.exit_code}: {telling_line(lines)}\n" + "\n".join(lines)
            )

    def wait(self, timeout_s: float) -> None:
        """Wait until it ends by itself.

        Raises:
            MeasurementFailed: It ended with an error, or not in time.
        """
        deadline_s = time.monotonic() + timeout_s
        while self.exit_code is None:
            if time.monotonic() > deadline_s:
                raise MeasurementFailed(f"{self.name} does not end")
            time.sleep(_LOOK_EVERY_S)
        self.check()

    def stop(self) -> None:
        """End it, in order if it knows how to."""
        self._process.stop()


@contextmanager
def running(contender: Contender, road: Road, folder: Path, profiler: Profiler | None = None) -> Iterator[Started]:
    """A contender that works on a road while the block runs.

    Args:
        contender: Who.
        road: What it works on.
        folder: Where its log goes.
        profiler: Looks into it meanwhile, if it runs our code; None to leave it alone.
    """
    log_file = folder / "contenders" / f"{road.queue}-{contender.family}.log"
    started = Started(contender, contender.argv(road), log_file)
    try:
        if profiler is None or not contender.is_ours:
            yield started
        else:
            with profiler.watch(started.pid, f"{road.queue}-{contender.name}"):
                yield started
    finally:
        started.stop()
