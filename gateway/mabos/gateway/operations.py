"""``GET /api/workers`` and ``/api/topics``: who works, and how the topics are, as Kafka says now."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Query

from mabos.gateway.access import needs
from mabos.gateway.looks import SharedLook
from mabos.gateway.models import Problem
from mabos.gateway.operationmodels import Topic, TopicList, Worker, WorkerPartition, Workers
from mabos.gateway.principals import Principal, Scope
from mabos.kafka.admin import Cluster
from mabos.kafka.settings import Settings
from mabos.kafka.topic_state import TopicState, look_at_topics
from mabos.kafka.topics import Queue
from mabos.streams.lag import PartitionLag
from mabos.streams.workers import WorkerGroup, WorkerWatch

_ASK_S = 3.0
"""How long one question to Kafka may take."""
_PATIENCE_S = 8.0
"""How long a caller waits for all of them."""
_THREADS = 2
_MAX_GROUPS = 32

_ANSWERS: dict[int | str, dict[str, Any]] = {
    422: {"model": Problem, "description": "A parameter is refused; `errors` names it."},
    500: {"model": Problem, "description": "Something unexpected."},
    503: {"model": Problem, "description": "Kafka is away, or the queue's topics are: try again."},
}

T = TypeVar("T")


class Operations:
    """Looks at Kafka for operators: in a few threads of its own, so that a Kafka that hangs holds up nobody else.

    Args:
        settings: Where Kafka is, and the queue.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._executor = ThreadPoolExecutor(_THREADS, thread_name_prefix="mabos-looks")
        self._parts: tuple[Cluster, WorkerWatch] | None = None
        self._topics = self._share(self._look_at_topics)
        self._workers: dict[str | None, SharedLook[WorkerGroup]] = {}

    async def topics(self) -> list[TopicState]:
        """The topics of the queue.

        Raises:
            BrokerUnavailable: No broker answers.
            BrokerRefused: A right is missing.
        """
        return await self._topics.get()

    async def workers(self, group: str | None) -> WorkerGroup:
        """The workers of a group; None for the group that has the most.

        Raises:
            BrokerUnavailable: No broker answers.
            BrokerRefused: A right is missing.
            TopicsDiffer: There is no such queue.
        """
        look = self._workers.pop(group, None)
        if look is None:
            look = self._share(partial(self._look_at_workers, group))
        self._workers[group] = look  # the one that was asked for last is the last to be forgotten
        if len(self._workers) > _MAX_GROUPS:
            del self._workers[next(iter(self._workers))]
        return await look.get()

    def stop(self) -> None:
        """Look no more; a look under way ends by itself."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _share(self, look: Callable[[], T]) -> SharedLook[T]:
        return SharedLook(look, patience_s=_PATIENCE_S, executor=self._executor)

    def _look_at_topics(self) -> list[TopicState]:
        return look_at_topics(self._make()[0], Queue(name=self._settings.queue))

    def _look_at_workers(self, group: str | None) -> WorkerGroup:
        return self._make()[1].look(group)

    def _make(self) -> tuple[Cluster, WorkerWatch]:
        """Made by the first who looks: a gateway whose operators sleep needs no such connection."""
        if self._parts is None:
            cluster = Cluster(self._settings, timeout_s=_ASK_S)
            self._parts = cluster, WorkerWatch(self._settings, cluster)
        return self._parts


def operation_routes(operations: Operations) -> APIRouter:
    """``GET /api/workers`` and ``GET /api/topics``."""
    router = APIRouter(prefix="/api", tags=["operations"], responses=_ANSWERS)

    @router.get("/workers", summary="List workers")
    async def list_workers(
        group: Annotated[
            str | None,
            Query(
                description="This consumer group; without it, the one with the most members.",
                min_length=1,
                max_length=255,
                examples=["mabos"],
            ),
        ] = None,
        _: Principal = Depends(needs(Scope.OPS_READ)),  # noqa: B008 - FastAPI's way
    ) -> Workers:
        """The members of a group that does the tasks of the queue, their partitions, and what waits there.

        What is in a worker's hand counts as waiting, until its offset is committed. A group that is empty, or not
        there, is an answer without members.
        """
        return _show_workers(await operations.workers(group))

    @router.get("/topics", summary="List topics")
    async def list_topics(
        _: Principal = Depends(needs(Scope.OPS_READ)),  # noqa: B008 - FastAPI's way
    ) -> TopicList:
        """The topics of the queue: what they hold, whether all copies are there, and what is not as wanted."""
        return TopicList(topics=[Topic(**topic.to_json()) for topic in await operations.topics()])

    return router


def _show_workers(found: WorkerGroup) -> Workers:
    members = [
        Worker(
            member_id=worker.member.member_id,
            client_id=worker.member.client_id,
            host=worker.member.host,
            partitions=[_show_place(place) for place in worker.partitions],
            lag=worker.lag_records,
        )
        for worker in found.workers
    ]
    return Workers(
        group=found.group,
        state=found.state,
        protocol=found.protocol,
        members=members,
        unassigned=[_show_place(place) for place in found.unassigned],
        lag=found.lag_records,
        others=list(found.others),
    )


def _show_place(place: PartitionLag) -> WorkerPartition:
    return WorkerPartition(
        partition=place.partition,
        lag=place.lag_records,
        committed=place.committed,
        end=place.end,
        expired=place.expired_records,
    )
