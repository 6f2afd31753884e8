"""What a worker counts, and the Prometheus families that are made of it."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from itertools import pairwise
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from mabos.consumers.families import WorkerFamilies
from mabos.consumers.metrics import BUCKETS_S, MAX_CODES, Snapshot, WorkerMetrics
from mabos.schemas.events import Status

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def make_metrics(*actions: str, now: Snapshot | None = None) -> WorkerMetrics:
    return WorkerMetrics(actions, lambda: now or Snapshot())


def register(metrics: WorkerMetrics) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(WorkerFamilies(metrics))
    return registry


def samples(families: Iterable[Metric]) -> Samples:
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


class Served:
    """The samples of some metrics, as a scrape reads them."""

    def __init__(self, metrics: WorkerMetrics) -> None:
        self._samples = samples(parse_text(generate_latest(register(metrics)).decode()))

    def __call__(self, name: str, **labels: str) -> float | None:
        return self._samples.get((f"mabos_worker_{name}", frozenset(labels.items())))


def test_tasks_are_counted_by_action_and_outcome() -> None:
    """Each answered task once; what has not happened yet is 0, so that its first rise is seen."""
    metrics = make_metrics("greet", "count")
    for _ in range(3):
        metrics.note_task("greet", Status.COMPLETED, 0.002, 0.001)
    metrics.note_task("count", Status.TIMED_OUT, 0.002, 5.0)
    metrics.note_task(None, Status.REJECTED, 0.002, None)
    metrics.note_retry("greet")
    served = Served(metrics)
    assert served("tasks_total", action="greet", status="completed") == 3
    assert served("tasks_total", action="greet", status="failed") == 0
    assert served("tasks_total", action="count", status="timed_out") == 1
    assert served("tasks_total", action="other", status="rejected") == 1
    assert served("tasks_total", action="other", status="in_progress") is None
    assert served("task_retries_total", action="greet") == 1
    assert served("task_retries_total", action="count") == 0


def test_waits_and_runs_are_histograms() -> None:
    """A duration counts in its bucket and in all above; a bound belongs to its own bucket; sums add up."""
    metrics = make_metrics("greet")
    for waited_s in (0.0001, 0.0005, 0.003, 601.0):
        metrics.note_task("greet", Status.COMPLETED, waited_s, None)
    metrics.note_task("greet", Status.COMPLETED, 0.25, 0.75)
    served = Served(metrics)
    counts = {le: served("task_wait_seconds_bucket", action="greet", le=le) for le in ("0.0005", "0.001", "0.005")}
    assert counts == {"0.0005": 2, "0.001": 2, "0.005": 3}
    assert served("task_wait_seconds_bucket", action="greet", le="600.0") == 4
    assert served("task_wait_seconds_bucket", action="greet", le="+Inf") == 5
    assert served("task_wait_seconds_count", action="greet") == 5
    assert served("task_wait_seconds_sum", action="greet") == pytest.approx(601.2536)
    assert served("task_run_seconds_count", action="greet") == 1
    assert served("task_run_seconds_sum", action="greet") == 0.75


def test_clocks_that_differ_never_make_a_sum_fall() -> None:
    """A request from a broker whose clock is ahead has waited for nothing at all."""
    metrics = make_metrics("greet")
    metrics.note_task("greet", Status.COMPLETED, -3.0, -0.1)
    metrics.note_ledger_read(0, -1.0)
    served = Served(metrics)
    assert served("task_wait_seconds_bucket", action="greet", le="0.0005") == 1
    assert served("task_wait_seconds_sum", action="greet") == 0
    assert served("task_run_seconds_sum", action="greet") == 0
    assert served("ledger_read_seconds_sum") == 0


@given(st.lists(st.floats(-1, 1e6)))
def test_a_histogram_agrees_with_its_durations(durations_s: list[float]) -> None:
    """Whatever they are: buckets never fall, the last has all, and each holds what is not above its bound."""
    metrics = make_metrics("greet")
    for duration_s in durations_s:
        metrics.note_task("greet", Status.COMPLETED, duration_s, duration_s)
    (runs,) = [f for f in register(metrics).collect() if f.name == "mabos_worker_task_run_seconds"]
    buckets = [s.value for s in runs.samples if s.name.endswith("_bucket") and s.labels["action"] == "greet"]
    assert all(lower <= upper for lower, upper in pairwise(buckets))
    assert buckets == [sum(d <= bound for d in durations_s) for bound in (*BUCKETS_S, float("inf"))]


def test_foreign_actions_add_no_labels() -> None:
    """Ten thousand made-up actions, and ones that only look like one of ours, count as one."""
    metrics = make_metrics("greet")
    before = len(list(samples(register(metrics).collect())))
    for number in range(10_000):
        metrics.note_task(f"made up {number}", Status.REJECTED, 0.0, None)
        metrics.note_retry(f"made up {number}")
    metrics.note_task("Greet", Status.REJECTED, 0.0, None)
    served = Served(metrics)
    assert len(list(samples(register(metrics).collect()))) == before
    assert served("tasks_total", action="other", status="rejected") == 10_001
    assert served("task_retries_total", action="other") == 10_000


def test_an_action_may_be_called_other() -> None:
    """It shares its label with all that have none of their own."""
    metrics = make_metrics("other")
    metrics.note_task("other", Status.COMPLETED, 0.0, 0.0)
    metrics.note_task("foreign", Status.COMPLETED, 0.0, 0.0)
    assert Served(metrics)("tasks_total", action="other", status="completed") == 2


def test_the_codes_of_dead_letters_are_bounded() -> None:
    """The first codes have labels of their own, all after them share one, and none is forgotten."""
    metrics = make_metrics()
    for number in range(1000):
        metrics.note_dead_letter(f"code {number}")
    metrics.note_dead_letter("code 0")
    assert len(metrics.dead_letters) == MAX_CODES + 1
    served = Served(metrics)
    assert served("dead_letters_total", code="code 0") == 2
    assert served("dead_letters_total", code="other") == 1000 - MAX_CODES


def test_what_the_reader_notes_is_served() -> None:
    """Commits, changes of the assignment, ledger readings, redelivered tasks."""
    metrics = make_metrics()
    for taken in (True, True, False):
        metrics.note_commit(taken)
    metrics.note_rebalance("assigned", 6)
    metrics.note_rebalance("assigned", 3)
    metrics.note_rebalance("lost", 9)
    metrics.note_ledger_read(400, 0.4)
    metrics.note_ledger_read(100, 0.2)
    metrics.note_redelivered(7)
    served = Served(metrics)
    assert (served("commits_total", result="taken"), served("commits_total", result="refused")) == (2, 1)
    assert (served("rebalances_total", kind="assigned"), served("rebalances_total", kind="revoked")) == (2, 0)
    assert served("rebalanced_partitions_total", kind="assigned") == 9
    assert served("rebalanced_partitions_total", kind="lost") == 9
    assert served("ledger_records_total") == 500
    assert served("ledger_read_seconds_count") == 2
    assert served("ledger_read_seconds_sum") == pytest.approx(0.6)
    assert served("redelivered_tasks_total") == 7


def test_gauges_show_the_moment_of_the_scrape() -> None:
    """They are asked for anew each time; lag is shown by partition."""
    now = SimpleNamespace(snapshot=Snapshot())
    metrics = WorkerMetrics([], lambda: now.snapshot)
    assert Served(metrics)("tasks_in_hand") == 0
    now.snapshot = Snapshot(
        tasks_in_hand=1,
        tasks_waiting=2,
        deepest_lane_tasks=3,
        oldest_waiting_s=4.5,
        lag_records={11: 5, 2: 0},
        partitions_assigned=2,
        held_bytes=6,
        unacknowledged_records=7,
    )
    served = Served(metrics)
    names = ("tasks_in_hand", "tasks_waiting", "deepest_lane_tasks", "oldest_waiting_seconds")
    assert [served(name) for name in names] == [1, 2, 3, 4.5]
    assert [served(name) for name in ("partitions_assigned", "held_bytes", "unacknowledged_records")] == [2, 6, 7]
    assert served("partition_lag_records", partition="11") == 5
    assert served("partition_lag_records", partition="2") == 0


def test_both_formats_parse_and_say_the_same() -> None:
    """Prometheus text and OpenMetrics, read by their strict parser, also with action names that need escaping."""
    names = ('quo"te', "new\nline", "back\\slash", "bra{ce}", "日本", "\ud800")
    metrics = make_metrics(*names, now=Snapshot(lag_records={0: 1}))
    for name in names:
        metrics.note_task(name, Status.COMPLETED, 0.01, 0.01)
    metrics.note_dead_letter("bad_key")

    def ours(families: Iterable[Metric]) -> Samples:
        return {key: value for key, value in samples(families).items() if key[0].startswith("mabos_")}

    registry = register(metrics)
    text = ours(parse_text(generate_latest(registry).decode()))
    assert text == ours(parse_openmetrics(generate_openmetrics(registry).decode()))
    actions = {dict(labels).get("action") for _, labels in text} - {None}
    assert actions == {*names[:-1], "?", "other"}


@pytest.mark.skipif(sys.platform != "linux", reason="prometheus_client reads them from /proc")
def test_the_process_is_described_too() -> None:
    """Memory, processor time and file descriptors come under the names that dashboards know."""
    names = {family.name for family in register(make_metrics()).collect()}
    assert {
        "process_resident_memory_bytes",
        "process_cpu_seconds",
        "process_open_fds",
        "python_gc_collections",
    } <= names
