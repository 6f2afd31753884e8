"""Proves from the topics, after a run, that the contender kept what it is fast at."""

from __future__ import annotations

from benchmarks.errors import MeasurementFailed
from mabos.kafka.settings import Settings
from mabos.streams import Auditor, AuditRange, Finding

_PARTITIONS = range(3)
"""The partitions that are read, each whole: it is every task of a quarter of the agents."""


def prove_order(settings: Settings) -> None:
    """Read some partitions of a queue, and check that each task has one outcome, in its agent's order.

    Raises:
        MeasurementFailed: It does not hold; says what was found.
    """
    report = Auditor(settings, asked=AuditRange(partitions=_PARTITIONS), keep=0).run()
    if not report.holds or report.superseded or report.open or not report.requests:
        found = ", ".join(f"{report.found.get(kind, 0)} {kind.value}" for kind in Finding)
        raise MeasurementFailed(f"the audit of {report.requests} tasks found {found}")
