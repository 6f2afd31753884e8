"""The audit on the real broker: a healthy run holds, and whatever is planted straight into the topics is found."""

from __future__ import annotations

import time
from typing import Any

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from mabos.consumers import AgentGroup, Task, WorkerLimits
from mabos.kafka.clients import librdkafka_config, open_registry
from mabos.kafka.position import Position
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from mabos.schemas import REQUEST, Codec, Status, TaskRequest
from mabos.streams import Auditor, AuditRange, AuditReport, Finding
from tests.support.judge import send_tasks, wait_until_committed
from tests.support.planting import Planter
from tests.support.road import running
from tests.support.waiting import eventually


@pytest.fixture
def planter(settings: Settings) -> Planter:
    """A queue in which three tasks of one agent are asked in partition 3, and answered."""
    planter = Planter(settings)
    planter.ask(3, ("a", "1"), ("a", "2"), ("a", "3"))
    planter.answer(3, ("a", "1"), ("a", "2"), ("a", "3"))
    return planter


def audit(settings: Settings, **asked: Any) -> AuditReport:
    return Auditor(settings, asked=AuditRange(**asked)).run()


@pytest.mark.parametrize("delivery", ["at-least-once", "exactly-once"])
def test_a_healthy_run_holds(settings: Settings, delivery: Any) -> None:
    """Progress, failures and a task sent twice included; the ends of transactions are told as such, not as losses."""
    agents = AgentGroup(f"audited-{settings.queue}")

    @agents.on_task_request()
    async def work(task: Task) -> dict[str, Any]:
        task.progress({"half": True})
        return {}

    tasks = [(f"agent-{number % 20}", f"{number}", {}) for number in range(200)]
    with running(agents, settings, limits=WorkerLimits(delivery=delivery)):
        send_tasks(settings, [*tasks, tasks[0]])
        wait_until_committed(settings, agents.name, timeout_s=60)
    report = audit(settings, group=agents.name)
    assert report.holds, report
    assert (report.requests, report.duplicates, report.open, report.unjudged) == (200, 1, 0, 0)
    assert report.outcomes == {Status.COMPLETED: 200}
    read = report.topics[Queue(name=settings.queue).responses]
    assert read.records >= 400
    assert bool(read.marks) == (delivery == "exactly-once")
    assert read.compacted == 0


def found(report: AuditReport) -> dict[Finding, list[tuple[int, int]]]:
    return {kind: [(place.partition, place.offset) for place in places] for kind, places in report.places.items()}


def test_what_was_planted_is_found(settings: Settings, planter: Planter) -> None:
    """A lost response, an order break, a second outcome, a foreign partition and an answer that nobody asked for."""
    assert audit(settings).holds
    planter.ask(3, ("a", "lost"), ("a", "first"), ("a", "second"))
    planter.answer(3, ("a", "second"), ("a", "first"), ("a", "1"), ("a", "nobody"))
    planter.ask(5, ("b", "1"))
    planter.answer(4, ("b", "1"))
    report = audit(settings)
    assert found(report) == {
        Finding.UNANSWERED: [(3, 3)],
        Finding.DISORDERED: [(3, 4)],
        Finding.SUPERSEDED: [(3, 5)],
        Finding.UNASKED: [(3, 6)],
        Finding.MISPLACED: [(4, 0)],
    }
    assert report.places[Finding.UNANSWERED] == (Position(Queue(name=settings.queue).requests, 3, 3),)
    assert report.places[Finding.MISPLACED] == (Position(Queue(name=settings.queue).responses, 4, 0),)
    assert not report.holds


def test_a_range_is_judged_by_itself(settings: Settings, planter: Planter) -> None:
    """By partition and by time; an answer whose request stands before the range is none of its business."""
    planter.ask(7, ("b", "lost"))
    assert audit(settings, partitions={3}).holds
    assert found(audit(settings, partitions={7})) == {Finding.UNANSWERED: [(7, 0)]}
    now_ms = time.time_ns() // 1_000_000 + 1
    eventually(lambda: time.time_ns() // 1_000_000 > now_ms)
    planter.answer(3, ("a", "before"))
    planter.ask(3, ("a", "within"))
    since = audit(settings, since_ms=now_ms)
    assert found(since) == {Finding.UNANSWERED: [(3, 3)]}
    assert (since.requests, since.unjudged) == (1, 1)
    until = audit(settings, until_ms=now_ms)
    assert found(until) == {Finding.UNANSWERED: [(7, 0)]}
    assert (until.requests, until.unjudged) == (4, 1)


def test_tasks_on_their_way_are_open(settings: Settings, planter: Planter) -> None:
    """Those that are young, within their deadline, or not committed yet by the workers' group."""
    hour_ms = 3_600_000
    planter.ask(3, ("a", "late"), deadline_ms=time.time_ns() // 1_000_000 + hour_ms)
    assert (audit(settings).open, audit(settings).holds) == (1, True)
    planter.ask(4, ("b", "young"))
    assert audit(settings, grace_s=600).open == 2
    assert found(audit(settings)) == {Finding.UNANSWERED: [(4, 0)]}


def test_a_request_that_nobody_buried_is_found(settings: Settings, planter: Planter) -> None:
    """What holds no event, or stands under a foreign key, needs a dead letter that names its position."""
    queue = Queue(name=settings.queue)
    codec = Codec.for_topic(REQUEST, queue.requests, open_registry(settings))
    foreign = codec.encode(TaskRequest(agent_id="a", task_id="4", payload_json="{}"))
    producer = Producer(librdkafka_config(settings, "producer"))
    for key, value in ((b"a", b"junk"), (b"a", b"more junk"), (b"b", foreign)):
        producer.produce(queue.requests, value, key, 3)
    origin = Position(queue.requests, 3, 4)
    headers: list[tuple[str, bytes]] = [("mabos-error-code", b"not_avro"), ("mabos-origin", str(origin).encode())]
    producer.produce(queue.dead_letters, b"more junk", b"a", 3, headers=headers)
    assert producer.flush(30) == 0
    report = audit(settings)
    assert found(report) == {Finding.LOST: [(3, 3), (3, 5)]}
    assert report.places[Finding.LOST][0] == Position(queue.requests, 3, 3)
    assert not report.holds
    assert audit(settings, grace_s=600).open == 2
    assert audit(settings, partitions={4}).holds


def test_what_is_no_record_is_told_apart(settings: Settings, planter: Planter) -> None:
    """Aborted records, the ends of transactions, and what retention took."""
    topic = Queue(name=settings.queue).requests
    producer = Producer(librdkafka_config(settings, "producer") | {"transactional.id": f"planted-{settings.queue}"})
    producer.init_transactions(30)
    for end in (producer.abort_transaction, producer.commit_transaction):
        producer.begin_transaction()
        for _ in range(3):
            producer.produce(topic, b"junk", b"a", 6)
        producer.flush(30)
        end(30)
    read = audit(settings).topics[topic]
    assert (read.records, read.unreadable, read.aborted, read.marks, read.expired) == (6, 3, 3, 2, 0)
    admin = AdminClient(librdkafka_config(settings, "admin"))
    for done in admin.delete_records([TopicPartition(topic, 3, 2)]).values():
        done.result()
    read = audit(settings).topics[topic]
    assert (read.records, read.aborted, read.marks, read.compacted, read.expired) == (4, 3, 2, 0, 2)
