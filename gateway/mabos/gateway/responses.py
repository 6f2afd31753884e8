"""The gateway's one tail of the responses: whoever waits here hears of any task, whichever gateway took it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, TypeVar

from mabos.consumers.recall import Past, Recall
from mabos.consumers.responses import ResponseFeed
from mabos.gateway.bridge import Bridge
from mabos.gateway.lazy import Lazy
from mabos.kafka.clients import open_registry
from mabos.kafka.errors import BrokerUnavailable
from mabos.kafka.position import Position
from mabos.kafka.settings import Settings

RECALLS = 4
"""How many readings of the log go on at a time; others wait in line."""

T = TypeVar("T")


class PastReader(Protocol):
    """The face of :class:`mabos.consumers.Recall` that the gateway uses."""

    def find_begin(self, position: Position, agent_id: str) -> int:
        """The response offset from which on all responses of a task stand."""
        ...

    def read(self, agent_id: str, task_id: str, begin: Position, end: int) -> Past:
        """Past responses of one task."""
        ...

    def stop(self) -> None:
        """Close what is open."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Tail:
    """Responses as they come, and those that came before."""

    feed: ResponseFeed
    recall: PastReader


TailFactory = Callable[[Settings], Tail]


def open_tail(settings: Settings) -> Tail:
    """Start to read the responses of a queue.

    Raises:
        BrokerUnavailable: No broker answers.
        TopicsDiffer: The topic does not exist.
        RegistryError: The schema is not registered, or the registry is away and never told its id.
    """
    registry = open_registry(settings)
    recall = Recall(settings, registry)
    feed = ResponseFeed(settings, registry)
    feed.start()
    return Tail(feed=feed, recall=recall)


class Responses:
    """The tail, made when Kafka and the registry answer, and made anew if it breaks.

    Args:
        settings: Where they are.
        factory: Makes it; raises a MabosError where it cannot yet.
    """

    def __init__(self, settings: Settings, factory: TailFactory) -> None:
        not_yet = BrokerUnavailable(
            f"Kafka at {settings.bootstrap_servers} has not answered yet: is it up? see MABOS_BOOTSTRAP_SERVERS"
        )
        self._lazy = Lazy(lambda: factory(settings), not_yet, "responses cannot be read yet")
        self._bridge: Bridge | None = None
        self._threads = ThreadPoolExecutor(RECALLS, thread_name_prefix="mabos-recall")

    @property
    def bridge(self) -> Bridge:
        """From the feed's thread to the running loop."""
        if self._bridge is None:
            self._bridge = Bridge(asyncio.get_running_loop())
        return self._bridge

    def start(self) -> None:
        """Begin to make the tail."""
        self._lazy.start()

    async def get(self) -> Tail:
        """The tail.

        Raises:
            MabosError: It cannot be made yet; says why.
        """
        tail = await self._lazy.get()
        if tail.feed.is_ended:
            self._lazy.drop(tail)
            tail = await self._lazy.get()
        return tail

    async def recall(self, read: Callable[[], T]) -> T:
        """Have something read from the log, in a thread; only so many at a time."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, read)

    def lag_records(self) -> int:
        """How many responses there are that were not read yet."""
        return 0 if self._lazy.made is None else self._lazy.made.feed.lag_records()

    def reached(self) -> Mapping[int, int]:
        """By partition, how far the tail has read; empty before it reads."""
        return {} if self._lazy.made is None else self._lazy.made.feed.reached

    async def stop(self) -> None:
        """Stop reading."""
        tail = await self._lazy.end()
        if tail is not None:
            await asyncio.to_thread(tail.feed.stop)
            await asyncio.to_thread(tail.recall.stop)
        self._threads.shutdown(wait=False, cancel_futures=True)
