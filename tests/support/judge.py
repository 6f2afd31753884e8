"""What stands on the log after a fault test, and whether the promises hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from mabos.consumers.log import read_log
from mabos.kafka.admin import Cluster
from mabos.kafka.clients import open_registry
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from mabos.producers import TaskProducer
from mabos.schemas import Status
from mabos.schemas.codec import RESPONSE, Codec
from mabos.schemas.events import TaskResponse
from mabos.schemas.registry import SchemaRegistry
from mabos.streams import Auditor, AuditReport
from tests.support.road import read_lag
from tests.support.waiting import eventually


def send_tasks(settings: Settings, tasks: Iterable[tuple[str, str, Mapping[str, Any]]]) -> None:
    """Send tasks, each an agent, a task id and a payload, and wait until the broker has them."""
    with TaskProducer(settings) as producer:
        receipts = [
            producer.send_task_request(agent_id=agent, task_id=task, payload=payload) for agent, task, payload in tasks
        ]
        for receipt in receipts:
            receipt.result(60)


def find_neighbours(settings: Settings, count: int) -> list[str]:
    """Agents whose tasks share one partition, found by asking the broker: a task of each is done then."""
    by_partition: dict[int, list[str]] = {}
    with TaskProducer(settings) as producer:
        for number in range(1000):
            agent = f"agent-{number}"
            receipt = producer.send_task_request(agent_id=agent, payload={}, task_id=f"find-{number}")
            found = by_partition.setdefault(receipt.result(30).partition, [])
            found.append(agent)
            if len(found) == count:
                return found
    raise AssertionError("no partition has so many among a thousand agents")


def wait_until_committed(settings: Settings, group: str, *, timeout_s: float) -> None:
    """Wait until the group has committed all there is."""
    eventually(lambda: not read_lag(settings, group), timeout_s=timeout_s, every_s=0.3)


def read_answers(settings: Settings, registry: SchemaRegistry | None = None) -> list[TaskResponse]:
    """All responses, progress included, each partition in its order, as a reader of committed records sees them."""
    topic, registry = Queue(name=settings.queue).responses, registry or open_registry(settings)
    codec = Codec.for_topic(RESPONSE, topic, registry)
    cluster = Cluster(settings)
    messages = read_log(settings, topic, cluster.begin_offsets(topic), cluster.end_offsets(topic))
    return [codec.decode(message.value()) for message in messages]


def audit(settings: Settings, registry: SchemaRegistry | None = None) -> AuditReport:
    """Audit all there is, as a reader of committed records sees it; what is no event counts for nothing."""
    return Auditor(settings, registry).run()


def must_hold(
    settings: Settings, *, tasks: int, statuses: Mapping[Status, int] | None = None, superseded: int = 0
) -> AuditReport:
    """Every task asked has its outcome, in its place, in its agent's order.

    Args:
        settings: Of the queue.
        tasks: How many distinct tasks were asked.
        statuses: How many tasks ended how; None if all completed.
        superseded: How many later terminal responses are allowed.
    """
    report = audit(settings)
    assert report.holds, report
    assert report.requests == tasks
    assert report.outcomes == Counter(statuses or {Status.COMPLETED: tasks})
    assert report.superseded <= superseded, report
    return report
