"""The counts of a worker as Prometheus metric families.

========================================== ========= =============== ================================================
``mabos_worker_…``                         kind      labels          what
========================================== ========= =============== ================================================
``tasks_total``                            counter   action, status  tasks answered
``task_wait_seconds``                      histogram action          request in the log until the last attempt began
``task_run_seconds``                       histogram action          how long the handler ran in that attempt
``task_retries_total``                     counter   action          attempts that failed and were followed by another
``redelivered_tasks_total``                counter                   tasks skipped, for they had their outcome
``dead_letters_total``                     counter   code            dead letters written
``commits_total``                          counter   result          commits ``taken`` and ``refused``
``rebalances_total``                       counter   kind            ``assigned``, ``revoked``, ``lost``
``rebalanced_partitions_total``            counter   kind            partitions that came or went with them
``ledger_records_total``                   counter                   responses read on taking over partitions
``ledger_read_seconds``                    histogram                 how long each such reading took
``tasks_in_hand``, ``tasks_waiting``       gauge                     begun; read and not begun
``deepest_lane_tasks``                     gauge                     tasks waiting in the fullest lane
``oldest_waiting_seconds``                 gauge                     age of the task that waits longest
``partition_lag_records``                  gauge     partition       records after the committed offset
``partitions_assigned``                    gauge                     partitions of this worker
``held_bytes``                             gauge                     bytes of the records read and not done
``unacknowledged_records``                 gauge                     records the broker has not acknowledged
========================================== ========= =============== ================================================

Labels are bounded: ``action`` has the actions with a handler of their own and ``other``, ``status`` the terminal ones,
``code`` at most :data:`mabos.consumers.metrics.MAX_CODES` and ``other``. The histograms' buckets are
:data:`mabos.consumers.metrics.BUCKETS_S`. Beside them stand the usual ``process_…`` and ``python_gc_…``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate

from prometheus_client import GC_COLLECTOR, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from mabos.consumers.metrics import BUCKETS_S, Histogram, Snapshot, WorkerMetrics

_BOUNDS = [*map(str, BUCKETS_S), "+Inf"]


class WorkerFamilies:
    """A collector, as prometheus_client calls what yields families.

    Args:
        metrics: The counts.
    """

    def __init__(self, metrics: WorkerMetrics) -> None:
        self._metrics = metrics
        self._process = ProcessCollector(registry=None)

    def collect(self) -> Iterator[Metric]:
        """All families, as they are now."""
        yield from self._tasks()
        yield from self._reader()
        yield from _gauges(self._metrics.look())
        yield from self._process.collect()
        yield from GC_COLLECTOR.collect()

    def _tasks(self) -> Iterator[Metric]:
        answered = CounterMetricFamily(
            "mabos_worker_tasks", "Tasks answered, by action and outcome.", labels=["action", "status"]
        )
        waits = HistogramMetricFamily(
            "mabos_worker_task_wait_seconds",
            "From the request's append to the log until the attempt that answered it began.",
            labels=["action"],
        )
        runs = HistogramMetricFamily(
            "mabos_worker_task_run_seconds",
            "How long the handler ran in the attempt that answered the task.",
            labels=["action"],
        )
        retries = CounterMetricFamily(
            "mabos_worker_task_retries", "Attempts that failed and were followed by another.", labels=["action"]
        )
        for action, counts in self._metrics.by_action.items():
            label = action.encode("utf-8", "replace").decode()  # a lone surrogate could not be served
            for status, count in counts.answered.items():
                answered.add_metric([label, status], count)
            waits.add_metric([label], *_cumulate(counts.waits))
            runs.add_metric([label], *_cumulate(counts.runs))
            retries.add_metric([label], counts.retries)
        yield from (answered, waits, runs, retries)

    def _reader(self) -> Iterator[Metric]:
        metrics = self._metrics
        yield CounterMetricFamily(
            "mabos_worker_redelivered_tasks",
            "Tasks read again and skipped, for they had their outcome.",
            metrics.redelivered_tasks,
        )
        letters = metrics.dead_letters.copy()  # in one step: another thread may add a code meanwhile
        yield _counter("mabos_worker_dead_letters", "Dead letters written, by cause.", "code", letters)
        yield _counter(
            "mabos_worker_commits", "Offset commits that the broker took or refused.", "result", metrics.commits
        )
        yield _counter("mabos_worker_rebalances", "Changes of the assignment.", "kind", metrics.rebalances)
        yield _counter(
            "mabos_worker_rebalanced_partitions",
            "Partitions that came or went with changes of the assignment.",
            "kind",
            metrics.moved_partitions,
        )
        yield CounterMetricFamily(
            "mabos_worker_ledger_records",
            "Responses read to learn which tasks have their outcome already.",
            metrics.ledger_records,
        )
        reads = HistogramMetricFamily(
            "mabos_worker_ledger_read_seconds",
            "How long it took to read the outcomes of partitions taken over.",
            labels=[],
        )
        reads.add_metric([], *_cumulate(metrics.ledger_reads))
        yield reads


def _gauges(now: Snapshot) -> Iterator[Metric]:
    plain: Iterable[tuple[str, str, float]] = (
        ("tasks_in_hand", "Tasks begun and not answered.", now.tasks_in_hand),
        ("tasks_waiting", "Tasks read and not begun.", now.tasks_waiting),
        ("deepest_lane_tasks", "Tasks that wait in the fullest lane.", now.deepest_lane_tasks),
        ("oldest_waiting_seconds", "How long the oldest waiting task has been in the log.", now.oldest_waiting_s),
        ("partitions_assigned", "Partitions that this worker reads.", now.partitions_assigned),
        ("held_bytes", "Bytes of the records read and not done.", now.held_bytes),
        ("unacknowledged_records", "Records that the broker has not acknowledged.", now.unacknowledged_records),
    )
    for name, text, value in plain:
        yield GaugeMetricFamily(f"mabos_worker_{name}", text, value)
    lag = GaugeMetricFamily(
        "mabos_worker_partition_lag_records", "Records after the committed offset.", labels=["partition"]
    )
    for partition, records in sorted(now.lag_records.items()):
        lag.add_metric([str(partition)], records)
    yield lag


def _counter(name: str, text: str, label: str, counts: Mapping[str, int]) -> CounterMetricFamily:
    family = CounterMetricFamily(name, text, labels=[label])
    for value, count in counts.items():
        family.add_metric([value], count)
    return family


def _cumulate(histogram: Histogram) -> tuple[list[tuple[str, float]], float]:
    """Buckets as Prometheus has them, each with all that is in those below, and the sum."""
    counts = histogram.counts.copy()  # in one step: its thread goes on counting
    return list(zip(_BOUNDS, accumulate(counts), strict=True)), histogram.sum_s
