"""The audit of many tasks takes no more memory than that of a few."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

PROGRAM = """
import resource
from mabos.schemas.events import Status
from mabos.streams.audit import ASKED, NO_DEADLINE, Scope, kind_of
from mabos.streams.matching import match
from mabos.streams.spill import Spill

TASKS = 150_000
RAN = kind_of(Status.COMPLETED, has_run=True)

def peak_kib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

before, found = peak_kib(), []
with Spill(64) as spill:
    for number in range(TASKS):
        spill.add((number.to_bytes(16), NO_DEADLINE, 0, number // 12, number % 12, ASKED))
    for number in range(TASKS):
        spill.add((number.to_bytes(16), number % 1000, 1, number // 12, number % 12, RAN))
    tally = match(spill, Scope(now_ms=10), found.append, lambda *_: None)
    print(tally.requests, sum(tally.outcomes.values()), len(found), spill.size_bytes // TASKS, peak_kib() - before)
"""


def test_memory_does_not_grow_with_the_number_of_tasks() -> None:
    """300,000 events, a bucket of some 2,300 tasks at a time: a few MiB, where all of them would take over 80."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=True)
    requests, outcomes, found, bytes_each, grown_kib = map(int, done.stdout.split())
    assert (requests, outcomes, found) == (150_000, 150_000, 0)
    assert bytes_each <= 120
    if sys.platform == "linux":  # elsewhere ru_maxrss has another unit
        assert grown_kib < 32 * 1024, f"{grown_kib} KiB more"
