"""Where our contenders spend their time: py-spy samples them from outside, thread by thread.

Only the thread that holds the interpreter's lock is sampled: there is one of it, so it is what limits a worker.
"""

from __future__ import annotations

import signal
import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.errors import MeasurementFailed
from benchmarks.venvs import PY_SPY, prepare_venv

_RATE_HZ = 500
_TOP = 14
_IMPORTS = "_find_and_load"  # a program that starts says nothing about one that works


class Profiler:
    """Samples a process while a block runs, and prints its busiest functions.

    py-spy must be allowed to look into another process: on Linux that takes root, or ``kernel.yama.ptrace_scope=0``.

    Args:
        folder: Where the raw stacks are kept, for flame graphs.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._py_spy = prepare_venv(PY_SPY).with_name("py-spy")
        self.summary = ""
        """The busiest functions of the process that was sampled last."""

    @contextmanager
    def watch(self, pid: int, name: str) -> Iterator[None]:
        """Sample a process while the block runs.

        Raises:
            MeasurementFailed: py-spy gave no stacks; says why.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        stacks = self._folder / f"{name.replace(' ', '-').replace(',', '')}.stacks"
        stacks.unlink(missing_ok=True)
        arguments = ["record", "--pid", str(pid), "--threads", "--gil", "--function", "--rate", str(_RATE_HZ)]
        arguments += ["--duration", "unlimited", "--format", "raw", "--output", str(stacks)]
        spy = subprocess.Popen(
            [str(self._py_spy), *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        try:
            yield
        finally:
            spy.send_signal(signal.SIGINT)
            _, said = spy.communicate(timeout=60)
        if not stacks.is_file():
            raise MeasurementFailed(f"py-spy gave no stacks: {said.strip()}")
        self.summary = summarize(stacks.read_text(encoding="utf-8"))
        print(self.summary)
        print(f"raw stacks, for a flame graph: {stacks}\n")


def summarize(stacks: str) -> str:
    """The busiest functions of each thread.

    Args:
        stacks: A line per stack: the thread, then frames, outermost first, joined by ``;``, then the number of samples.
    """
    own: dict[str, Counter[str]] = defaultdict(Counter)
    with_callees: dict[str, Counter[str]] = defaultdict(Counter)
    for line in stacks.splitlines():
        stack, _, number = line.rpartition(" ")
        thread, *frames = stack.split(";")
        if not frames or any(frame.startswith(_IMPORTS) for frame in frames):
            continue
        thread = thread.partition(": ")[2] or thread
        own[thread][frames[-1]] += int(number)
        with_callees[thread].update(dict.fromkeys(frames, int(number)))
    total = sum(counts.total() for counts in own.values()) or 1
    lines = []
    for thread, counts in sorted(own.items(), key=lambda item: -item[1].total()):
        lines.append(f"\n{thread}: {counts.total() / total:.0%} of all samples\n  own    with callees")
        busiest = with_callees[thread].most_common(_TOP) + counts.most_common(_TOP)
        lines += [
            f"  {counts[frame] / total:5.1%}  {inclusive / total:5.1%}  {frame}"
            for frame, inclusive in with_callees[thread].most_common()
            if frame in dict(busiest)
        ]
    return "\n".join(lines)
