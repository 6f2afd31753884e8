"""Catching up with topics that are full already."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mabos.kafka.admin import Cluster
from mabos.kafka.clients import open_registry
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from mabos.producers import TaskProducer
from mabos.schemas.errors import RegistryUnavailable
from mabos.schemas.events import Status, TaskResponse
from mabos.schemas.registry import SchemaRegistry
from mabos.streams.batch import Batch
from mabos.streams.places import Claim, Place
from mabos.streams.reader import Reader
from tests.support.platform import Platform
from tests.support.view import Answerer
from tests.support.waiting import eventually

TASKS = 1_500
WAIT_S = 90.0
STRANGE = b"\x00\x00\x0f\xff\xff?"


class LateRegistry:
    """The registry, which does not answer the first question about a foreign schema."""

    def __init__(self, registry: SchemaRegistry) -> None:
        self._registry = registry
        self.asked = 0

    def schema_id(self, subject: str, text: str) -> int:
        return self._registry.schema_id(subject, text)

    def schema_text(self, schema_id: int) -> str | None:
        self.asked += 1
        if self.asked == 1:
            raise RegistryUnavailable("not yet")
        return None


@pytest.fixture
def settings(platform: Platform) -> Settings:
    """A queue with tasks of three agents and their answers, and one strange record amid them."""
    settings = platform.new_queue()
    answerer = Answerer(settings)
    with TaskProducer(settings) as producer:
        receipts = [
            (number, producer.send_task_request(agent_id=f"a-{number % 3}", task_id=f"t-{number}", payload={}))
            for number in range(TASKS)
        ]
        for number, receipt in receipts:
            partition = receipt.result().partition
            response = TaskResponse(task_id=f"t-{number}", agent_id=f"a-{number % 3}", status=Status.COMPLETED)
            if number == TASKS // 2:
                answerer.publish(partition, STRANGE, flush=False)
            answerer.answer(partition, response, flush=False)
    answerer.flush()
    return settings


def read_all(reader: Reader, records: int) -> Iterator[Batch]:
    found = 0

    def read() -> Batch:
        return reader.read(0.1)

    while found < records:
        batch = eventually(read, timeout_s=WAIT_S)
        found += batch.records
        yield batch


def test_each_record_comes_once_and_in_its_order(settings: Settings) -> None:
    """Partition after partition, also past a record that holds its partition for a while."""
    topics, cluster = Queue(name=settings.queue), Cluster(settings)
    stretches = {
        Place(topic, partition): (0, end)
        for topic in (topics.requests, topics.responses, topics.controls)
        for partition, end in cluster.end_offsets(topic).items()
    }
    registry = LateRegistry(open_registry(settings))
    reader = Reader(settings, registry, batch_records=400)  # type: ignore[arg-type]  # all that it asks is there
    try:
        reader.assign({place: Claim(epoch=1, next_offset=0) for place in stretches}, stretches)
        batches = list(read_all(reader, 2 * TASKS + 1))
    finally:
        reader.close()
    offsets: dict[Place, list[int]] = {}
    for batch in batches:
        for record in sorted([*batch.entries, *batch.poison], key=lambda record: record.offset):
            offsets.setdefault(record.place, []).append(record.offset)
    assert offsets == {place: list(range(end)) for place, (_, end) in stretches.items() if end}
    assert [poison.code for batch in batches for poison in batch.poison] == ["unknown_schema"]
    assert registry.asked == 2
