"""The gateway's one producer, made when the registry answers; until then the gateway runs, and says why it cannot."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Protocol

from mabos.gateway.lazy import Lazy
from mabos.kafka.position import Position
from mabos.kafka.settings import Settings
from mabos.producers import PublishFailed
from mabos.schemas.errors import RegistryUnavailable

STOP_TIMEOUT_S = 5.0
"""How long the last records may take at the end: requests in hand have waited for theirs before."""

log = logging.getLogger("mabos.gateway")


class SentTask(Awaitable[Position], Protocol):
    """What a sender gives for a task: its name at once, and its position to be awaited."""

    task_id: str

    @property
    def is_done(self) -> bool:
        """Whether the broker has acknowledged or refused."""
        ...


class TaskSender(Protocol):
    """The face of :class:`mabos.producers.AsyncTaskProducer` that the gateway uses."""

    async def send_task_request(
        self,
        *,
        agent_id: str,
        payload: Mapping[str, Any],
        task_id: str | None = None,
        deadline: datetime | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> SentTask:
        """Publish a task for one agent."""
        ...

    async def cancel_task(self, *, agent_id: str, task_id: str, reason: str = "") -> SentTask:
        """Say that a task is of no more use."""
        ...

    async def stop(self, timeout_s: float | None = None) -> None:
        """Flush, and take no more tasks."""
        ...


ProducerFactory = Callable[[Settings], TaskSender]


class LazyProducer(Lazy[TaskSender]):
    """The producer, made when the registry answers.

    Args:
        settings: Of the producer.
        factory: Makes it; raises a MabosError where it cannot yet.
        patience_s: The longest that one caller waits for it to be made.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        settings: Settings,
        factory: ProducerFactory,
        *,
        patience_s: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        not_yet = RegistryUnavailable(
            f"schema registry at {settings.schema_registry_url} has not answered yet: "
            "is it up? see MABOS_SCHEMA_REGISTRY_URL"
        )
        super().__init__(
            lambda: factory(settings), not_yet, "tasks cannot be published yet", patience_s=patience_s, clock=clock
        )

    async def stop(self) -> None:
        """Stop the producer, once the attempt to make it has ended. Tasks not acknowledged by then are logged."""
        producer = await self.end()
        if producer is not None:
            try:
                await producer.stop(STOP_TIMEOUT_S)
            except PublishFailed as error:
                log.error("%s", error)
