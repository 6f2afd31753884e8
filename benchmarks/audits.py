"""Proves from the topics, after a run, that the contender kept what it is fast at."""

from __future__ import annotations

from benchmarks.errors import MeasurementFailed
from mabos.consumers.log import read_log
from mabos.kafka.admin import Cluster
from mabos.kafka.clients import open_registry
from mabos.kafka.position import Position
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from mabos.schemas.codec import REQUEST, RESPONSE, Codec
from mabos.streams import Audit

_PARTITIONS = 3
"""How many partitions are read, each whole: it is every task of a quarter of the agents."""


def prove_order(settings: Settings) -> None:
    """Read some partitions of a queue, and check that each task has one outcome, in its agent's order.

    Raises:
        MeasurementFailed: It does not hold; says what was found.
    """
    queue, registry, audit = Queue(name=settings.queue), open_registry(settings), Audit()
    cluster = Cluster(settings)
    requests = Codec.for_topic(REQUEST, queue.requests, registry)
    responses = Codec.for_topic(RESPONSE, queue.responses, registry)
    for message in read_log(settings, queue.requests, {}, _some(cluster.end_offsets(queue.requests))):
        place = Position(queue.requests, message.partition() or 0, message.offset() or 0)
        audit.add_request(requests.decode(message.value()), place)
    for message in read_log(settings, queue.responses, {}, _some(cluster.end_offsets(queue.responses))):
        place = Position(queue.responses, message.partition() or 0, message.offset() or 0)
        audit.add_response(responses.decode(message.value()), place)
    report = audit.report()
    if not report.holds or report.superseded or not report.requests:
        raise MeasurementFailed(
            f"the audit of {report.requests} tasks found {len(report.unanswered)} unanswered, "
            f"{len(report.disordered)} out of order, {report.superseded} answered twice, "
            f"{len(report.misplaced)} misplaced, {len(report.unasked)} unasked"
        )


def _some(ends: dict[int, int]) -> dict[int, int]:
    return {partition: end for partition, end in ends.items() if partition < _PARTITIONS}
