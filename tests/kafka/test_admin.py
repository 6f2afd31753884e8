"""A cluster, looked at and changed: on the real broker, and where there is none."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from confluent_kafka import Producer

from mabos.kafka.admin import Cluster
from mabos.kafka.errors import BrokerRefused, BrokerUnavailable, TopicsDiffer
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue, TopicSpec, diff_topics, read_topic_specs
from tests.support.nowhere import closed_port


@pytest.fixture
def specs(settings: Settings) -> list[TopicSpec]:
    """The topics of the test's own queue, as they are wanted."""
    return read_topic_specs(Queue(name=settings.queue), brokers=1)


def names(specs: list[TopicSpec]) -> list[str]:
    return [spec.name for spec in specs]


def test_what_was_applied_is_found_as_wanted(settings: Settings, specs: list[TopicSpec]) -> None:
    """Every partition, copy and configuration; a second time there is nothing to do."""
    found = Cluster(settings).describe_topics([*names(specs), "mabos.no-such.requests"])
    assert sorted(found) == sorted(names(specs))
    assert diff_topics(specs, found) == []


def test_drift_is_shown_and_put_right(settings: Settings, specs: list[TopicSpec]) -> None:
    """A configuration that somebody changed comes back; partition counts are shown, and left alone."""
    cluster = Cluster(settings)
    config = {**specs[0].config, "retention.ms": "1000000"}
    wanted = [replace(specs[0], config=config, partitions=13), *specs[1:]]
    changes = diff_topics(wanted, cluster.describe_topics(names(specs)))
    assert [str(change).partition(": ")[2] for change in changes] == [
        "partitions is 12, wanted 13",
        "retention.ms is 604800000, wanted 1000000",
    ]
    assert [change.kind for change in cluster.apply_changes(wanted, changes)] == ["config"]
    left = diff_topics(wanted, cluster.describe_topics(names(specs)))
    assert [change.kind for change in left] == ["partitions"]


def test_two_who_apply_at_once_are_both_content(settings: Settings) -> None:
    """Each saw that the topic was missing; the second finds it made, and that is what it wanted."""
    cluster = Cluster(settings)
    specs = [
        replace(spec, name=spec.name + "-twice") for spec in read_topic_specs(Queue(name=settings.queue), brokers=1)
    ]
    changes = diff_topics(specs, {})
    for _ in range(2):
        assert cluster.apply_changes(specs, changes) == changes
    assert diff_topics(specs, cluster.describe_topics(names(specs))) == []


def test_what_the_broker_refuses_is_told_in_its_words(settings: Settings) -> None:
    """Not as if no broker answered."""
    bad = TopicSpec(name=f"{settings.queue}-bad", partitions=1, replication_factor=1, config={"retention.ms": "soon"})
    with pytest.raises(BrokerRefused, match=r"refuses: .*retention\.ms"):
        Cluster(settings).apply_changes([bad], diff_topics([bad], {}))
    copies = replace(bad, config={}, replication_factor=9)
    with pytest.raises(BrokerRefused, match=r"refuses: .*replication"):
        Cluster(settings).apply_changes([copies], diff_topics([copies], {}))


def test_offsets_tell_what_a_topic_holds(settings: Settings) -> None:
    """By partition; a record moves the end of its own."""
    cluster, topic = Cluster(settings), Queue(name=settings.queue).requests
    empty = dict.fromkeys(range(12), 0)
    assert cluster.end_offsets(topic) == cluster.begin_offsets(topic) == empty
    producer = Producer({"bootstrap.servers": settings.bootstrap_servers})
    for _ in range(3):
        producer.produce(topic, b"v", partition=5)
    assert producer.flush(20) == 0
    assert cluster.end_offsets(topic) == empty | {5: 3}
    assert cluster.begin_offsets(topic) == empty


def test_a_topic_that_is_missing_is_told(settings: Settings) -> None:
    """With what to run."""
    with pytest.raises(TopicsDiffer, match=r"topic mabos\.no-such\.requests does not exist: run `mabos topics apply`"):
        Cluster(settings).end_offsets("mabos.no-such.requests")


def test_a_group_that_is_not_there_has_no_members(settings: Settings) -> None:
    """No error: nobody runs a worker yet."""
    assert Cluster(settings).group_members(f"nobody-{os.getpid()}") == {}


def test_no_broker_is_told_soon_and_where() -> None:
    """With what starts one, and which setting says where it is."""
    with closed_port() as address:
        cluster = Cluster(Settings(bootstrap_servers=address), timeout_s=0.5)
        for ask in (
            cluster.count_brokers,
            lambda: cluster.describe_topics(["a"]),
            lambda: cluster.end_offsets("a"),
        ):
            with pytest.raises(BrokerUnavailable, match=rf"no Kafka answers at {address}: start one with `mabos up`"):
                ask()
