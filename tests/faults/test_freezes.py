"""A worker is frozen beyond its session and wakes: what it had in hand is all that it may still answer."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import pytest

from mabos.kafka.settings import Settings
from tests.support.judge import must_hold, send_tasks, wait_until_committed
from tests.support.processes import find_overlaps, read_begun, read_runs, worker_processes
from tests.support.scale import IS_FULL, scaled
from tests.support.waiting import eventually

TASKS = scaled(1_500, 10_000)
CONCURRENCY = 8
FROZEN_S = 8.0  # beyond each session here, and beyond the silence after which a worker begins nothing
WAYS = [
    ("consumer", "at-least-once"),
    ("consumer", "exactly-once"),
    ("classic", "at-least-once"),
    ("classic", "exactly-once"),
]


@pytest.mark.parametrize(("protocol", "delivery"), WAYS if IS_FULL else WAYS[:2])
def test_a_frozen_worker_that_wakes_does_no_harm(
    settings: Settings, tmp_path: Path, protocol: str, delivery: str
) -> None:
    """It may answer what it had in hand: superseded, or fenced and not to be seen. Nothing else runs twice.

    It begins none of what it had read before the freeze, for that is another worker's now.
    """
    settings = settings.model_copy(update={"group_protocol": protocol})
    group = f"frozen-{settings.queue}"
    options = {"limits": {"delivery": delivery, "concurrency": CONCURRENCY}}
    tasks = [(f"agent-{n % 97}", f"t-{n}", {"pause_s": 0.03}) for n in range(TASKS)]
    with worker_processes(settings, group, tmp_path, 2, options) as workers:
        frozen = workers[0]
        send_tasks(settings, tasks)
        eventually(lambda: len(frozen.begun()) > 5 * CONCURRENCY, timeout_s=60)
        frozen.freeze()
        before, thaw_s = frozen.begun(), time.monotonic() + FROZEN_S
        eventually(lambda: time.monotonic() > thaw_s, timeout_s=2 * FROZEN_S)
        wait_until_committed(settings, group, timeout_s=90)
        frozen.thaw()
        send_tasks(settings, [(agent, f"later-{task}", payload) for agent, task, payload in tasks[:97]])
        wait_until_committed(settings, group, timeout_s=90)
        for worker in workers:
            worker.terminate()
        codes = [worker.wait() for worker in workers]
    # what it had in hand, and for each place the answer before, which lingers for less than a task takes
    may_answer = 2 * CONCURRENCY if delivery == "at-least-once" else 0
    must_hold(settings, tasks=TASKS + 97, superseded=may_answer)
    assert codes == [0, 0], "the one that was fenced goes on, too"
    woke = [task for _, task in frozen.begun()[len(before) :] if not task.startswith("later-")]
    assert woke == [], "it began what was another worker's by then"
    assert find_overlaps(read_runs(tmp_path), but=frozenset({frozen.pid})) == []
    again = {task: count for task, count in Counter(task for _, _, task in read_begun(tmp_path)).items() if count > 1}
    in_doubt = {task for _, task in before[-8 * CONCURRENCY :]}
    # exactly-once: all that was not committed yet runs again
    assert set(again) <= in_doubt or delivery == "exactly-once", (
        "what had been answered, or not begun, at the freeze ran twice"
    )
    assert set(again.values()) <= {2}
