"""Lag on the real broker: what waits for a group, since when, and who has it."""

from __future__ import annotations

import time
from typing import Any, Literal

import pytest
from confluent_kafka import Consumer, TopicPartition

from mabos.consumers import AgentGroup, Task
from mabos.kafka.admin import Cluster
from mabos.kafka.errors import UnknownGroup
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from mabos.streams.lag import GroupLag, LagMeter, PartitionLag, age_s
from tests.support.judge import send_tasks, wait_until_committed
from tests.support.planting import Planter
from tests.support.road import read_lag, running


def measure(settings: Settings, group: str) -> GroupLag:
    return LagMeter(settings, Cluster(settings)).measure(group)


@pytest.mark.parametrize("protocol", ["consumer", "classic"])
def test_a_group_is_seen_while_it_works_and_after(settings: Settings, protocol: Literal["consumer", "classic"]) -> None:
    """Each partition has its member while a worker runs, whatever the protocol; nothing is altered by looking."""
    settings = settings.model_copy(update={"group_protocol": protocol})
    agents = AgentGroup(f"lag-{settings.queue}")

    @agents.on_task_request()
    async def work(task: Task) -> dict[str, Any]:
        return {}

    tasks = [(f"agent-{number}", f"{number}", {}) for number in range(50)]
    with running(agents, settings):
        send_tasks(settings, tasks)
        wait_until_committed(settings, agents.name, timeout_s=60)
        busy = measure(settings, agents.name)
    send_tasks(settings, [(agent, f"{task}-again", payload) for agent, task, payload in tasks])
    idle = measure(settings, agents.name)
    assert (busy.state, len(busy.members), busy.lag_records, busy.oldest_at_ms) == ("stable", 1, 0, None)
    assert len(busy.partitions) == 12
    assert len({place.member for place in busy.partitions}) == 1
    assert None not in {place.member for place in busy.partitions}
    assert (idle.state, len(idle.members), idle.lag_records) == ("empty", 0, 50)
    assert {place.partition: place.lag_records for place in idle.partitions if place.lag_records} == read_lag(
        settings, agents.name
    )
    assert all((place.oldest_at_ms is None) == (place.lag_records == 0) for place in idle.partitions)
    assert measure(settings, agents.name).partitions == idle.partitions


def test_the_oldest_record_that_waits_tells_its_age(settings: Settings) -> None:
    """It is that at the committed offset, not a later one."""
    group, topic, planter = f"lag-{settings.queue}", Queue(name=settings.queue).requests, Planter(settings)
    planter.ask(3, ("a", "done"))
    before_ms = time.time_ns() // 1_000_000
    planter.ask(3, ("a", "oldest"))
    after_ms = time.time_ns() // 1_000_000
    planter.ask(3, ("a", "newest"))
    consumer = Consumer({"bootstrap.servers": settings.bootstrap_servers, "group.id": group})
    consumer.commit(offsets=[TopicPartition(topic, 3, 1)], asynchronous=False)
    consumer.close()
    found = measure(settings, group)
    by_number = {place.partition: place for place in found.partitions}
    assert (by_number[3].committed, by_number[3].end, by_number[3].lag_records) == (1, 3, 2)
    assert before_ms <= (found.oldest_at_ms or 0) <= after_ms
    assert (by_number[4].committed, by_number[4].lag_records, by_number[4].oldest_at_ms) == (None, 0, None)


def test_all_groups_of_a_queue_are_found(settings: Settings) -> None:
    """Those that have committed in it or have its partitions, and no others."""
    queue = Queue(name=settings.queue)
    consumer = Consumer({"bootstrap.servers": settings.bootstrap_servers, "group.id": f"lag-{settings.queue}"})
    consumer.commit(offsets=[TopicPartition(queue.requests, 0, 0)], asynchronous=False)
    consumer.commit(offsets=[TopicPartition(queue.responses, 0, 0)], asynchronous=False)
    consumer.close()
    (found,) = LagMeter(settings, Cluster(settings)).measure_all()
    assert found.group == f"lag-{settings.queue}"
    assert [place.topic for place in found.partitions] == [queue.requests] * 12 + [queue.responses] * 12
    with pytest.raises(UnknownGroup, match="there is no consumer group nobody; there are: "):
        measure(settings, "nobody")


def test_what_expired_unread_is_told() -> None:
    """Records between what was committed and the oldest one still there: they wait no more, they are lost."""
    place = PartitionLag(topic="t", partition=0, committed=5, begin=8, end=10)
    assert (place.next_offset, place.lag_records, place.expired_records) == (8, 2, 3)
    new = PartitionLag(topic="t", partition=0, committed=None, begin=8, end=10)
    assert (new.next_offset, new.lag_records, new.expired_records) == (8, 2, 0)


def test_an_age_is_never_negative() -> None:
    """A broker's clock may be ahead of ours."""
    assert age_s(time.time_ns() // 1_000_000 + 60_000) == 0
    assert age_s(None) is None
