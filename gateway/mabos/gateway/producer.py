"""The gateway's one producer, made when the registry answers; until then the gateway runs, and says why it cannot."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Protocol

from mabos.kafka.position import Position
from mabos.kafka.settings import Settings
from mabos.producers import ProducerStopped, PublishFailed
from mabos.schemas.errors import MabosError, RegistryUnavailable

PAUSE_S = 1.0
"""How long after a failure the next attempt to make the producer waits: requests come by the thousand."""
STOP_TIMEOUT_S = 5.0
"""How long the last records may take at the end: requests in hand have waited for theirs before."""

log = logging.getLogger("mabos.gateway")


class SentTask(Awaitable[Position], Protocol):
    """What a sender gives for a task: its name at once, and its position to be awaited."""

    task_id: str


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

    async def stop(self, timeout_s: float | None = None) -> None:
        """Flush, and take no more tasks."""
        ...


ProducerFactory = Callable[[Settings], TaskSender]


class LazyProducer:
    """Makes the producer when it is first needed, in a thread since that may block for seconds, and tries again later.

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
        self._settings, self._factory, self._patience_s, self._clock = settings, factory, patience_s, clock
        self._producer: TaskSender | None = None
        self._failure: MabosError | None = None
        self._again_at = 0.0
        self._attempt: asyncio.Task[None] | None = None
        self._stopped = False

    async def get(self) -> TaskSender:
        """The producer. Callers that come while it is being made share one attempt.

        Raises:
            MabosError: It cannot be made yet; says why.
            ProducerStopped: After :meth:`stop`.
        """
        if self._stopped:
            raise ProducerStopped("the gateway is stopping: send the task again in a moment, or to another one")
        if self._producer is None:
            attempt = self.start()
            if attempt is not None:
                await asyncio.wait({attempt}, timeout=self._patience_s)
        if self._producer is None:
            raise self._failure or RegistryUnavailable(
                f"schema registry at {self._settings.schema_registry_url} has not answered yet: "
                "is it up? see MABOS_SCHEMA_REGISTRY_URL"
            )
        return self._producer

    def start(self) -> asyncio.Task[None] | None:
        """Begin to make the producer, unless it is there, or just failed; returns the attempt under way."""
        if self._attempt is not None and not self._attempt.done():
            return self._attempt
        if self._producer is not None or self._clock() < self._again_at:
            return None
        self._attempt = asyncio.get_running_loop().create_task(self._make())
        return self._attempt

    async def stop(self) -> None:
        """Stop the producer, once the attempt to make it has ended. Tasks not acknowledged by then are logged."""
        self._stopped = True
        if self._attempt is not None:
            await asyncio.wait({self._attempt})
        if self._producer is not None:
            try:
                await self._producer.stop(STOP_TIMEOUT_S)
            except PublishFailed as error:
                log.error("%s", error)

    async def _make(self) -> None:
        try:
            self._producer = await asyncio.to_thread(self._factory, self._settings)
        except MabosError as error:
            if self._failure is None or str(error) != str(self._failure):
                log.warning("tasks cannot be published yet: %s", error)
            self._failure, self._again_at = error, self._clock() + PAUSE_S
        else:
            if self._failure is not None:
                log.info("tasks can be published again")
            self._failure = None
