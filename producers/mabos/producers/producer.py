"""TaskProducer and AsyncTaskProducer: publish tasks for agents, and cancel them.

Two faces over one :class:`Publisher`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from mabos.kafka.clients import open_registry
from mabos.kafka.settings import Settings, load_settings
from mabos.kafka.topics import Queue
from mabos.producers.controls import ControlBuilder
from mabos.producers.publisher import Publisher
from mabos.producers.receipts import Receipt
from mabos.producers.requests import RequestBuilder
from mabos.schemas.codec import REQUEST, Codec
from mabos.schemas.events import Verb
from mabos.schemas.registry import SchemaRegistry


class TaskProducer:
    """Publishes tasks from threads. Safe to share between them; one per process is enough.

    Args:
        settings: Where Kafka and the registry are.
        registry: The registry; by default that of the settings.

    Raises:
        RegistryError: The request schema is not registered, or the registry is away and never told its id.
    """

    def __init__(self, settings: Settings, registry: SchemaRegistry | None = None) -> None:
        registry = registry or open_registry(settings)
        self._builder = _request_builder(settings, registry)
        self._controls = _control_builder(settings, registry)
        self._publisher = Publisher(settings, client_id="mabos-producer")

    @classmethod
    def from_settings(cls, **overrides: Any) -> Self:  # noqa: ANN401 - each setting has its own type
        """A producer for the settings of this process (``MABOS_*``, ``mabos.toml``); arguments win.

        Raises:
            InvalidSettings: A setting is refused.
            RegistryError: As the class says.
        """
        return cls(load_settings(**overrides))

    def send_task_request(
        self,
        *,
        agent_id: str,
        payload: Mapping[str, Any],
        task_id: str | None = None,
        deadline: datetime | None = None,
        headers: Mapping[str, str] | None = None,
        queue_full_timeout_s: float | None = None,
    ) -> Receipt:
        """Publish a task for one agent.

        Tasks of one ``agent_id`` share a partition, so the agent sees them in the order they were sent.

        Args:
            agent_id: The agent, 1 to 255 bytes of UTF-8.
            payload: A JSON object, at most ``max_payload_bytes`` once encoded. ``payload["action"]`` picks the handler.
            task_id: Your name for the task; None makes a UUIDv7.
            deadline: Aware datetime after which the answer is of no use; None for never.
            headers: Kafka headers, such as ``traceparent``.
            queue_full_timeout_s: How long to wait while the local queue is full; None for the setting of that name.

        Returns:
            A receipt; ``receipt.result()`` blocks until the broker has the record and gives its position.

        Raises:
            InvalidTask: A field is refused; nothing was sent. The message names the field.
            PublishQueueFull: The local queue stayed full that long; nothing was sent.
            ProducerStopped: After :meth:`stop`.
            ForkedClient: In a process forked after the producer was made.
        """
        task_id, record = self._builder.build(
            agent_id=agent_id, payload=payload, task_id=task_id, deadline=deadline, headers=headers
        )
        receipt = Receipt(task_id, self._publisher)
        self._publisher.publish(record, receipt.on_delivery, queue_full_timeout_s)
        return receipt

    def cancel_task(self, *, agent_id: str, task_id: str, reason: str = "") -> Receipt:
        """Say that a task is of no more use.

        A task that waits is answered ``cancelled`` without running. One that runs is cancelled if its handler is async;
        a plain handler sees ``task.cancelled`` and may stop. A task that is answered already stays as it is: its
        response tells what became of it, not the receipt. A cancel may come before its task, which is answered
        ``cancelled`` when it comes; so a cancelled ``task_id`` is used up.

        Args:
            agent_id: The task's agent.
            task_id: The task.
            reason: Why, a line for people of at most 1000 bytes of UTF-8.

        Returns:
            A receipt; ``receipt.result()`` blocks until the broker has the cancel and gives its position.

        Raises:
            InvalidTask: A field is refused; nothing was sent. The message names the field.
            RegistryError: The schema of controls is not registered, or the registry is away and never told its id.
            PublishError: As :meth:`send_task_request`.
        """
        control, record = self._controls.build(agent_id=agent_id, task_id=task_id, verb=Verb.CANCEL, reason=reason)
        receipt = Receipt(control.task_id, self._publisher)
        self._publisher.publish(record, receipt.on_delivery)
        return receipt

    def as_async(self) -> AsyncTaskProducer:
        """The face of this same producer for event loops; a stop of either stops both."""
        face = AsyncTaskProducer.__new__(AsyncTaskProducer)
        face._builder, face._publisher = self._builder, self._publisher  # noqa: SLF001 - two faces of one
        face._controls = self._controls  # noqa: SLF001
        return face

    def flush(self, timeout_s: float | None = None) -> int:
        """Wait until every task sent is acknowledged or has failed; returns how many are neither by ``timeout_s``."""
        return self._publisher.flush(timeout_s)

    def stop(self, timeout_s: float | None = None) -> None:
        """Flush, and take no more tasks.

        Raises:
            PublishFailed: Some tasks were not acknowledged within ``timeout_s``; says how many.
        """
        self._publisher.stop(timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class AsyncTaskProducer:
    """Publishes tasks from an event loop. Arguments and errors as :class:`TaskProducer`."""

    def __init__(self, settings: Settings, registry: SchemaRegistry | None = None) -> None:
        registry = registry or open_registry(settings)
        self._builder = _request_builder(settings, registry)
        self._controls = _control_builder(settings, registry)
        self._publisher = Publisher(settings, client_id="mabos-producer")

    @classmethod
    def from_settings(cls, **overrides: Any) -> Self:  # noqa: ANN401 - each setting has its own type
        """As :meth:`TaskProducer.from_settings`."""
        return cls(load_settings(**overrides))

    async def send_task_request(
        self,
        *,
        agent_id: str,
        payload: Mapping[str, Any],
        task_id: str | None = None,
        deadline: datetime | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Receipt:
        """Publish a task for one agent, as :meth:`TaskProducer.send_task_request`.

        Returns:
            A receipt, once the task is in the local queue; ``await receipt`` gives the position.
        """
        task_id, record = self._builder.build(
            agent_id=agent_id, payload=payload, task_id=task_id, deadline=deadline, headers=headers
        )
        receipt = Receipt(task_id, self._publisher)
        await self._publisher.publish_async(record, receipt.on_delivery)
        return receipt

    async def cancel_task(self, *, agent_id: str, task_id: str, reason: str = "") -> Receipt:
        """Say that a task is of no more use, as :meth:`TaskProducer.cancel_task`.

        Returns:
            A receipt, once the cancel is in the local queue; ``await receipt`` gives the position.
        """
        control, record = await asyncio.to_thread(  # the first cancel may ask the registry, which may take 2 s
            self._controls.build, agent_id=agent_id, task_id=task_id, verb=Verb.CANCEL, reason=reason
        )
        receipt = Receipt(control.task_id, self._publisher)
        await self._publisher.publish_async(record, receipt.on_delivery)
        return receipt

    async def flush(self, timeout_s: float | None = None) -> int:
        """As :meth:`TaskProducer.flush`."""
        return await asyncio.to_thread(self._publisher.flush, timeout_s)

    async def stop(self, timeout_s: float | None = None) -> None:
        """As :meth:`TaskProducer.stop`."""
        await asyncio.to_thread(self._publisher.stop, timeout_s)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()


def _request_builder(settings: Settings, registry: SchemaRegistry) -> RequestBuilder:
    topic = Queue(name=settings.queue).requests
    codec = Codec.for_topic(REQUEST, topic, registry)
    return RequestBuilder(codec, topic, max_payload_bytes=settings.max_payload_bytes)


def _control_builder(settings: Settings, registry: SchemaRegistry) -> ControlBuilder:
    return ControlBuilder(registry, Queue(name=settings.queue).controls)
