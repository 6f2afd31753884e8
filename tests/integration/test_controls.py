"""Cancels on the real broker: who reads them misses none, whatever goes away meanwhile."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import structlog.testing

from mabos.consumers import ControlFeed, controls, tail
from mabos.kafka.clients import open_registry
from mabos.kafka.errors import BrokerUnavailable, TopicsDiffer
from mabos.kafka.local_broker import LocalBroker
from mabos.kafka.queues import prepare_queue
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from mabos.producers import AsyncTaskProducer, Publisher, Record, TaskProducer
from mabos.schemas import CONTROL, Codec, SchemaRegistry, TaskControl, Verb
from tests.support.nowhere import closed_port
from tests.support.platform import Platform
from tests.support.registries import FakeRegistry
from tests.support.road import read_topic
from tests.support.waiting import eventually

FOREIGN = 77


class Heard(list[TaskControl]):
    """What a feed told."""

    @property
    def tasks(self) -> list[str]:
        return [control.task_id for control in self]


@contextmanager
def feeding(settings: Settings, registry: SchemaRegistry) -> Iterator[Heard]:
    """A feed that has told what was there; it follows until the end."""
    heard = Heard()
    feed = ControlFeed(settings, registry, heard.append)
    feed.start()
    try:
        yield heard
    finally:
        feed.stop()


def publish(settings: Settings, *values: bytes, agent_id: str = "a") -> None:
    """Put values into the controls, whatever they are."""
    publisher = Publisher(settings, client_id="tests")
    for value in values:
        publisher.publish(Record(Queue(name=settings.queue).controls, agent_id.encode(), value), lambda *_: None)
    publisher.stop()


def foreign(task_id: str, agent_id: str = "a") -> bytes:
    """A cancel by a writer with a schema of its own."""
    newer = Codec(CONTROL, FOREIGN, FakeRegistry())
    return newer.encode(TaskControl(task_id=task_id, agent_id=agent_id, verb=Verb.CANCEL)) + b"\x0e"


def newer_schema() -> str:
    schema = json.loads(CONTROL.schema_text)
    return json.dumps(schema | {"fields": [*schema["fields"], {"name": "urgency", "type": "int", "default": 0}]})


def test_a_feed_tells_what_was_there_and_follows(settings: Settings) -> None:
    """All cancels of all partitions, those from before the start at once, each agent's in their order."""
    names = [f"{agent}-{number}" for number in range(4) for agent in range(30)]

    def cancel_all(cancel: Callable[..., object], reason: str) -> None:
        for name in names:
            cancel(agent_id=f"a{name.partition('-')[0]}", task_id=name, reason=reason)

    registry = open_registry(settings)
    with TaskProducer(settings, registry) as producer:
        cancel_all(producer.cancel_task, "before")
    with feeding(settings, registry) as heard, feeding(settings, registry) as second:
        assert sorted(heard.tasks) == sorted(second.tasks) == sorted(names)
        assert {control.reason for control in heard} == {"before"}

        async def go_on() -> None:
            async with AsyncTaskProducer(settings, registry) as producer:
                for name in names:
                    await producer.cancel_task(agent_id=f"a{name.partition('-')[0]}", task_id=name)

        asyncio.run(go_on())
        eventually(lambda: len(heard) == len(second) == 2 * len(names))
    for agent in range(30):
        mine = [control.task_id for control in heard if control.agent_id == f"a{agent}"]
        assert mine == [f"{agent}-{number}" for number in range(4)] * 2
    assert len({record.partition for record in read_topic(settings, Queue(name=settings.queue).controls)}) > 6


def test_a_cancel_stands_with_its_task(settings: Settings) -> None:
    """In the same partition, for both have the agent as key and one partitioner."""
    with TaskProducer(settings) as producer:
        for number in range(40):
            task = producer.send_task_request(agent_id=f"агент-{number}", payload={}).result()
            cancel = producer.cancel_task(agent_id=f"агент-{number}", task_id="t").result()
            assert task.partition == cancel.partition


def test_a_feed_says_what_is_missing(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The broker, or the topics; and leaves no thread behind."""
    monkeypatch.setattr(controls, "_FIRST_ANSWER_S", 1.0)
    registry = FakeRegistry().as_registry
    threads = threading.active_count()
    with (
        pytest.raises(TopicsDiffer, match="run `mabos topics apply`"),
        feeding(settings.model_copy(update={"queue": "missing"}), registry),
    ):
        pass
    with (
        closed_port() as address,
        pytest.raises(BrokerUnavailable, match="start one with `mabos up`"),
        feeding(Settings(bootstrap_servers=address), registry),
    ):
        pass
    eventually(lambda: threading.active_count() <= threads)


def test_what_is_no_control_is_passed(settings: Settings) -> None:
    """In the log before the start and after it: one line each, and the feed goes on."""
    registry = open_registry(settings)
    with structlog.testing.capture_logs() as lines, TaskProducer(settings, registry) as producer:
        publish(settings, b"garbage", b"")
        producer.cancel_task(agent_id="a", task_id="1").result()
        with feeding(settings, registry) as heard:
            assert heard.tasks == ["1"]
            publish(settings, b"garbage", b"\0\0\0\0")
            producer.cancel_task(agent_id="a", task_id="2").result()
            eventually(lambda: heard.tasks == ["1", "2"])
    assert [line["event"] for line in lines] == ["record not decodable"] * 4


def test_a_partition_waits_for_the_registry_and_the_others_go_on(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is passed over while a writer's schema cannot be looked up, and each is told once."""
    monkeypatch.setattr(tail, "_HOLD_S", 0.3)
    registry = FakeRegistry()
    with TaskProducer(settings, registry.as_registry) as producer, feeding(settings, registry.as_registry) as heard:
        registry.is_away = True
        publish(settings, foreign("1"))
        producer.cancel_task(agent_id="a", task_id="2").result()
        for agent in ("b", "c", "d", "e"):
            producer.cancel_task(agent_id=agent, task_id=agent).result()
        eventually(lambda: registry.asked and set(heard.tasks) & {"b", "c", "d", "e"})
        assert not {"1", "2"} & set(heard.tasks)
        registry.texts[FOREIGN] = newer_schema()
        registry.is_away = False
        eventually(lambda: len(heard) == 6)
        assert [control.task_id for control in heard if control.agent_id == "a"] == ["1", "2"]
    with feeding(settings, registry.as_registry) as heard:
        assert sorted(heard.tasks) == ["1", "2", "b", "c", "d", "e"]


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalBroker]:
    """A broker of this module's own, which its test may freeze."""
    with LocalBroker(data_dir=tmp_path_factory.mktemp("broker")) as running_broker:
        yield running_broker


def test_a_broker_that_goes_away_is_waited_for(broker: LocalBroker, platform: Platform) -> None:
    """The feed goes on where it was when the broker thaws, and can be stopped while it is frozen."""
    settings = platform.settings.model_copy(update={"bootstrap_servers": broker.bootstrap_servers})
    prepare_queue(settings)
    registry = open_registry(settings)
    with TaskProducer(settings, registry) as producer, feeding(settings, registry) as heard:
        stopped = ControlFeed(settings, registry, lambda _: None)
        stopped.start()
        broker.pause()
        try:
            receipt = producer.cancel_task(agent_id="a", task_id="frozen")
            stopped.stop()
            assert not receipt.is_done
        finally:
            broker.resume()
        eventually(lambda: heard.tasks == ["frozen"], timeout_s=60)
