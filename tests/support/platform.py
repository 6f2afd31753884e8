"""The platform that integration tests run against: one for each test process, a queue of its own for whoever wants one.

``MABOS_TEST_PLATFORM`` picks it: ``local`` (default) is the local broker and registry; ``containers`` runs the broker
in a container; ``HOST:PORT`` is any broker there is, with the local registry.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from mabos.kafka.local_broker import LocalBroker
from mabos.kafka.local_registry import LocalRegistry
from mabos.kafka.queues import prepare_queue
from mabos.kafka.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Platform:
    """A broker and a registry."""

    settings: Settings
    """Settings of the queue ``tasks``, whose topics and schemas are there."""
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def new_queue(self, **overrides: object) -> Settings:
        """Settings of a queue that nobody else uses, with its topics and schemas; overrides win."""
        name = f"test-{os.getpid()}-{next(self._numbers)}"
        settings = self.settings.model_copy(update={"queue": name, **overrides})
        prepare_queue(settings)
        return settings


@contextmanager
def run_platform(folder: Path) -> Iterator[Platform]:
    """Start the platform of this test run; everything it writes is in a folder."""
    wanted = os.environ.get("MABOS_TEST_PLATFORM", "local")
    with ExitStack() as stack:
        if wanted == "local":
            servers = stack.enter_context(LocalBroker(log_file=folder / "broker.log")).bootstrap_servers
        elif wanted == "containers":
            from tests.support.container import run_container_broker  # noqa: PLC0415 - needs a Docker engine

            servers = stack.enter_context(run_container_broker())
        else:
            servers = wanted
        registry = stack.enter_context(LocalRegistry(log_file=folder / "registry.log"))
        settings = Settings(
            bootstrap_servers=servers,
            schema_registry_url=registry.url,
            home=folder / "home",
            cache_dir=folder / "cache",
        )
        prepare_queue(settings)
        yield Platform(settings=settings)
