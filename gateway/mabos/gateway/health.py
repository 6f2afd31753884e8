"""Liveness and readiness: is the process there, and could it publish a task."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from fastapi import APIRouter

from mabos.gateway.errors import Refused
from mabos.gateway.looks import SharedLook
from mabos.gateway.models import Health, Problem, Ready
from mabos.gateway.producer import LazyProducer
from mabos.kafka.admin import Cluster
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from mabos.schemas.errors import MabosError

_LOOK_S = 2.0

Look = Callable[[], None]


class KafkaLook:
    """Looks whether Kafka answers and has the requests topic. Blocks up to some seconds."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._cluster: Cluster | None = None

    def __call__(self) -> None:
        """Look.

        Raises:
            BrokerUnavailable: No broker answers.
            TopicsDiffer: The topic is not there.
        """
        if self._cluster is None:
            self._cluster = Cluster(self._settings, timeout_s=_LOOK_S)
        self._cluster.end_offsets(Queue(name=self._settings.queue).requests)


class Readiness:
    """What is missing for a task to be published.

    Args:
        producer: The gateway's producer: without the schema registry it cannot be made.
        look: Looks at Kafka, in a thread; raises a MabosError where something is missing.
        clock: Monotonic seconds.
    """

    def __init__(self, producer: LazyProducer, look: Look, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._producer, self._kafka = producer, SharedLook(look, clock=clock)

    async def missing(self) -> list[tuple[str, str]]:
        """Pairs of a missing part, ``schema_registry`` or ``kafka``, and what is wrong with it; empty when ready."""
        kafka, registry = await asyncio.gather(self._missing_kafka(), self._missing_producer())
        found = [("schema_registry", registry), ("kafka", kafka)]
        return [(part, reason) for part, reason in found if reason is not None]

    async def _missing_producer(self) -> str | None:
        try:
            await self._producer.get()
        except MabosError as error:
            return str(error)
        return None

    async def _missing_kafka(self) -> str | None:
        try:
            await self._kafka.get()
        except MabosError as error:
            return str(error)
        return None


def health_routes(readiness: Readiness) -> APIRouter:
    """``GET /healthz`` and ``GET /readyz``."""
    router = APIRouter(tags=["health"])

    @router.get("/healthz", summary="Is the process alive?")
    async def healthz() -> Health:
        """Answers while the process does, whatever becomes of Kafka."""
        return Health()

    @router.get(
        "/readyz",
        summary="Can tasks be published?",
        responses={503: {"model": Problem, "description": "Not now; `errors` names what is missing."}},
    )
    async def readyz() -> Ready:
        """Looks whether Kafka answers and has the topic, and whether the request schema is known."""
        missing = await readiness.missing()
        if missing:
            names = " and ".join(part for part, _ in missing)
            raise Refused(
                503, f"not ready, missing {names}: {missing[0][1]}", fields=missing, headers={"Retry-After": "2"}
            )
        return Ready()

    return router
