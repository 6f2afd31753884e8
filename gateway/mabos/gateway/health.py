"""Liveness and readiness: is the process there, and is all there that it needs to do whatever it is asked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from fastapi import APIRouter

from mabos.gateway.errors import Refused
from mabos.gateway.looks import SharedLook
from mabos.gateway.models import Health, Problem, Ready
from mabos.gateway.problems import WITHOUT_DATABASE
from mabos.gateway.producer import LazyProducer
from mabos.gateway.tables import SCHEMA
from mabos.kafka.admin import Cluster
from mabos.kafka.database_address import socket_file
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from mabos.schemas.errors import MabosError
from mabos.streams.database import connect

_LOOK_S = 2.0

DATABASE = "database"

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


class DatabaseLook:
    """Looks whether the database answers, where this gateway has one. Blocks up to some seconds.

    It has one where the settings name it or API keys are kept in it, or once the local one of its home has run.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._counts = "database_url" in settings.model_fields_set or settings.gateway_auth == "required"
        self._counts = self._is_used()

    def __call__(self) -> None:
        """Look.

        Raises:
            DatabaseUnavailable: Nothing answers, or it does not let us in.
            DatabaseRefused: It is too old.
        """
        self._counts = self._is_used()
        if self._counts:
            connect(self._settings, SCHEMA, autocommit=True).close()

    def _is_used(self) -> bool:
        return self._counts or socket_file(self._settings.home).exists()


class Readiness:
    """What is missing for a gateway to do whatever it is asked.

    Args:
        producer: The gateway's producer: without the schema registry it cannot be made.
        kafka: Looks at Kafka, in a thread; raises a MabosError where something is missing.
        database: Looks at the database, likewise.
        clock: Monotonic seconds.
    """

    def __init__(
        self, producer: LazyProducer, kafka: Look, database: Look, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._producer = producer
        self._kafka, self._database = SharedLook(kafka, clock=clock), SharedLook(database, clock=clock)

    async def missing(self) -> list[tuple[str, str]]:
        """Pairs of a missing part, ``schema_registry``, ``kafka`` or ``database``, and what is wrong with it."""
        parts: dict[str, LazyProducer | SharedLook[None]] = {
            "schema_registry": self._producer,
            "kafka": self._kafka,
            DATABASE: self._database,
        }
        reasons = await asyncio.gather(*(_find_reason(part) for part in parts.values()))
        return [(name, reason) for name, reason in zip(parts, reasons, strict=True) if reason is not None]


async def _find_reason(part: LazyProducer | SharedLook[None]) -> str | None:
    """Why a part cannot be had; None if it can."""
    try:
        await part.get()
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
        summary="Is all there that is needed?",
        responses={503: {"model": Problem, "description": "Not now; `errors` names what is missing."}},
    )
    async def readyz() -> Ready:
        """Looks whether Kafka has the topic, the request schema is known, and the database, if there is one, answers.

        Without the database tasks are taken all the same, and the problem says so.
        """
        missing = await readiness.missing()
        if not missing:
            return Ready()
        names = [part for part, _ in missing]
        detail = f"not ready, missing {' and '.join(names)}: {missing[0][1]}"
        if names == [DATABASE]:
            detail += f" ({WITHOUT_DATABASE})"
        raise Refused(503, detail, fields=missing, headers={"Retry-After": "2"})

    return router
