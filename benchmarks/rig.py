"""What everything is measured on: one broker and one registry, and fresh topics for each measurement."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka.admin import AdminClient

from benchmarks.wire import Road
from mabos.kafka.clients import librdkafka_config, open_registry
from mabos.kafka.local_broker import LocalBroker
from mabos.kafka.local_registry import LocalRegistry
from mabos.kafka.queues import prepare_queue
from mabos.kafka.settings import Settings, load_settings
from mabos.kafka.topics import Queue
from mabos.schemas.codec import REQUEST, RESPONSE, subject_of


@dataclass(frozen=True, kw_only=True)
class Rig:
    """A broker and a registry that nobody else uses."""

    folder: Path
    """Logs, and whatever else a measurement leaves behind; thrown away at the end."""
    broker_pid: int
    """The broker's process id."""
    _settings: Settings
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @contextmanager
    def new_queue(self) -> Iterator[Settings]:
        """Settings of a queue of its own, with its topics and schemas; the topics are deleted afterwards."""
        settings = self._settings.model_copy(update={"queue": f"bench-{next(self._numbers)}"})
        prepare_queue(settings)
        try:
            yield settings
        finally:
            queue = Queue(name=settings.queue)
            admin = AdminClient(librdkafka_config(settings, "admin"))
            asked = admin.delete_topics([queue.requests, queue.responses, queue.dead_letters, queue.controls])
            for future in asked.values():
                future.result(30)


@contextmanager
def run_rig() -> Iterator[Rig]:
    """Start the broker and the registry; both end with the block, and their data with them."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mabos-bench-")))
        broker = stack.enter_context(LocalBroker(log_file=folder / "broker.log"))
        registry = stack.enter_context(LocalRegistry(log_file=folder / "registry.log"))
        settings = load_settings(
            bootstrap_servers=broker.bootstrap_servers,
            schema_registry_url=registry.url,
            home=folder / "home",
            cache_dir=folder / "cache",
        )
        yield Rig(folder=folder, broker_pid=broker.pid, _settings=settings)


def describe_road(settings: Settings, *, count: int = 0) -> Road:
    """What a contender is told of a queue; publishers, also how many tasks to publish."""
    queue, registry = Queue(name=settings.queue), open_registry(settings)
    return Road(
        servers=settings.bootstrap_servers,
        registry_url=settings.schema_registry_url,
        requests=queue.requests,
        responses=queue.responses,
        queue=settings.queue,
        group=f"{settings.queue}-group",
        cache_dir=str(settings.cache_dir),
        request_id=registry.schema_id(subject_of(queue.requests), REQUEST.schema_text),
        response_id=registry.schema_id(subject_of(queue.responses), RESPONSE.schema_text),
        request_schema=REQUEST.schema_text,
        response_schema=RESPONSE.schema_text,
        count=count,
    )
