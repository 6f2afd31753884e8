"""What a projector counts, as Prometheus metric families.

========================================== ======= ================ ==================================================
``mabos_view_…``                           kind    labels           what
========================================== ======= ================ ==================================================
``lag_records``                            gauge   topic, partition records that are not in the view yet
``records_total``                          counter                  records applied
``poisoned_records_total``                 counter                  of those, records that the view could not take
``batches_total``                          counter                  transactions
``apply_seconds_total``                    counter                  how long they took
========================================== ======= ================ ==================================================
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from mabos.streams.projector import Projector


class ProjectorFamilies:
    """A collector, as prometheus_client calls what yields families.

    Args:
        projector: Whose counts they are.
    """

    def __init__(self, projector: Projector) -> None:
        self._projector = projector
        self._process = ProcessCollector(registry=None)

    def collect(self) -> Iterator[Metric]:
        """All families, as they are now."""
        projector = self._projector
        lag = GaugeMetricFamily(
            "mabos_view_lag_records", "Records that are not in the view yet.", labels=("topic", "partition")
        )
        for place, records in projector.lag.items():
            lag.add_metric((place.topic, str(place.partition)), records)
        yield lag
        yield CounterMetricFamily("mabos_view_records", "Records applied.", value=projector.records)
        yield CounterMetricFamily(
            "mabos_view_poisoned_records", "Records that the view could not take.", value=projector.poisoned
        )
        yield CounterMetricFamily("mabos_view_batches", "Transactions.", value=projector.batches)
        yield CounterMetricFamily("mabos_view_apply_seconds", "How long they took.", value=projector.apply_s)
        yield from self._process.collect()
