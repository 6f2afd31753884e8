"""The application: its routes, its one producer, and what it says about itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI

from mabos.gateway.bodies import BodyLimits
from mabos.gateway.health import KafkaLook, Look, Readiness, health_routes
from mabos.gateway.problems import MEDIA_TYPE, add_problem_handlers
from mabos.gateway.producer import LazyProducer, ProducerFactory
from mabos.gateway.tasks import task_routes
from mabos.kafka.settings import Settings
from mabos.producers import AsyncTaskProducer

ENVELOPE_BYTES = 65_536
"""What a body may hold beside the payload."""


class Gateway(FastAPI):
    """FastAPI, whose description says that problems are ``application/problem+json``."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI description."""
        document = super().openapi()
        for path in document["paths"].values():
            for operation in path.values():
                for status, response in operation["responses"].items():
                    content = response.get("content", {})
                    if status >= "400" and "application/json" in content:
                        content[MEDIA_TYPE] = content.pop("application/json")
        return document


def create_app(
    settings: Settings,
    *,
    producer_factory: ProducerFactory = AsyncTaskProducer,
    kafka_look: Look | None = None,
    body_timeout_s: float = 15.0,
) -> FastAPI:
    """The HTTP door. It starts, and answers ``/healthz``, while Kafka or the registry is away.

    Args:
        settings: Where Kafka and the registry are.
        producer_factory: Makes the producer, in a thread, once the application has started.
        kafka_look: Looks whether Kafka answers, for ``/readyz``; by default asks the broker.
        body_timeout_s: By when all of a body must be here.
    """
    producer = LazyProducer(settings, producer_factory)
    limits = BodyLimits(size_bytes=settings.max_payload_bytes + ENVELOPE_BYTES, timeout_s=body_timeout_s)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        producer.start()
        yield
        await producer.stop()  # the server has answered the requests in hand before

    app = Gateway(
        title="MABOS gateway",
        summary="Ask the agents of a multi-agent system to do tasks.",
        version=version("mabos"),
        lifespan=lifespan,
        generate_unique_id_function=lambda route: route.name,  # operation ids are what generated clients call
        redirect_slashes=False,
        redoc_url=None,
    )
    add_problem_handlers(app)
    app.include_router(task_routes(producer, limits))
    app.include_router(health_routes(Readiness(producer, kafka_look or KafkaLook(settings))))
    return app
