"""The application: its routes, its one producer, and what it says about itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from mabos.gateway.access import SECURITY, Access, AccessGuard, is_guarded
from mabos.gateway.batch import batch_routes
from mabos.gateway.bodies import BodyLimits
from mabos.gateway.callers import caller_routes
from mabos.gateway.cancels import cancel_routes
from mabos.gateway.claimstore import ClaimStore
from mabos.gateway.console import CONSOLE_FOLDER, Console
from mabos.gateway.cors import let_in
from mabos.gateway.docs import docs_routes
from mabos.gateway.events import event_routes
from mabos.gateway.health import DatabaseLook, KafkaLook, Look, Readiness, health_routes
from mabos.gateway.idempotency import Idempotency
from mabos.gateway.letters import letter_routes
from mabos.gateway.metrics import Metrics, metrics_routes
from mabos.gateway.observing import Observed
from mabos.gateway.operations import Operations, operation_routes
from mabos.gateway.problems import MEDIA_TYPE, add_problem_handlers
from mabos.gateway.producer import LazyProducer, ProducerFactory
from mabos.gateway.rates import Rates
from mabos.gateway.records import record_routes
from mabos.gateway.redrives import RedriveDesk, redrive_routes
from mabos.gateway.replays import ReplayDoor, replay_routes
from mabos.gateway.responses import Responses, TailFactory, open_tail
from mabos.gateway.sse import StreamLimits
from mabos.gateway.streams import Streams
from mabos.gateway.tasks import Publisher, task_routes
from mabos.gateway.views import view_routes
from mabos.gateway.waiting import Waiting
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from mabos.producers import AsyncTaskProducer
from mabos.streams.letter_contents import LetterReader
from mabos.streams.task_records import RecordReader
from mabos.streams.view import AsyncTaskView

_PROBLEM = {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
_REFUSALS = {
    "401": {"description": "Who asks is not known: send `Authorization: Bearer KEY`.", "content": _PROBLEM},
    "403": {"description": "The caller lacks a scope, or may not reach the agent.", "content": _PROBLEM},
    "429": {"description": "The caller asks too often: `Retry-After` says when to try again.", "content": _PROBLEM},
}

ENVELOPE_BYTES = 65_536
"""What a body may hold beside the payload."""


class Gateway(FastAPI):
    """FastAPI, whose description says that problems are ``application/problem+json``."""

    streams: Streams
    waiting: Waiting
    replays: ReplayDoor
    metrics: Metrics
    access: Access | None
    rates: Rates
    origins: str
    view: AsyncTaskView
    claims: ClaimStore
    known_routes: list[BaseRoute]

    def build_middleware_stack(self) -> ASGIApp:
        """As Starlette does it, and all of it observed, the answer to an unexpected error, too."""
        guarded = AccessGuard(super().build_middleware_stack(), self.access, self.rates)
        return Observed(let_in(guarded, self.origins), self.metrics, self.known_routes)

    def include_all(self, *routers: APIRouter) -> None:
        """Include routers, and know their routes: what is refused before one is looked for is counted under its own."""
        for router in routers:
            self.include_router(router)
            self.known_routes += router.routes

    async def disconnect(self) -> None:
        """Close the connections to the database that this event loop has opened; the next request opens others."""
        await self.view.close()
        await self.claims.close()

    def begin_stop(self) -> None:
        """The server stops: end what would go on for long, so that it can finish what is in hand."""
        self.streams.end_all()
        self.waiting.end_all()
        self.replays.jobs.stop_all()

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI description."""
        document = super().openapi()
        document["components"].setdefault("securitySchemes", {})["bearer"] = SECURITY
        for name, path in document["paths"].items():
            for operation in path.values():
                if is_guarded(name):
                    operation["security"] = [{"bearer": []}] if self.access else [{}, {"bearer": []}]
                    for status, response in _REFUSALS.items():
                        operation["responses"].setdefault(status, response)
                for status, response in operation["responses"].items():
                    if status >= "400" and response.get("content"):
                        response["content"] = {MEDIA_TYPE: next(iter(response["content"].values()))}
        return document


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the application is made of and round; tests give others."""

    producer: ProducerFactory = AsyncTaskProducer
    """Makes the producer, in a thread, once the application has started."""
    tail: TailFactory = open_tail
    """Makes the tail of the responses, likewise."""
    kafka_look: Look | None = None
    """Looks whether Kafka answers, for ``/readyz``; by default asks the broker."""
    database_look: Look | None = None
    """Looks whether the database answers, likewise; by default asks it, where there is one."""
    body_timeout_s: float = 15.0
    """By when all of a body must be here."""
    access: Access | None = None
    """Says who asks; None for a gateway that is open."""
    streams: StreamLimits = field(default_factory=StreamLimits)
    """How many streams there may be, and how long."""


def create_app(settings: Settings, parts: Parts | None = None) -> Gateway:
    """The HTTP door. It starts, and answers ``/healthz``, while Kafka or the registry is away.

    Args:
        settings: Where Kafka and the registry are.
        parts: Other parts than the usual.
    """
    parts = parts or Parts()
    producer = LazyProducer(settings, parts.producer)
    responses = Responses(settings, parts.tail)
    view, claims = AsyncTaskView(settings), ClaimStore(settings)
    operations, replays = Operations(settings), ReplayDoor(settings)
    redrives = RedriveDesk(settings)
    limits = BodyLimits(size_bytes=settings.max_payload_bytes + ENVELOPE_BYTES, timeout_s=parts.body_timeout_s)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        producer.start()
        responses.start()
        yield
        await replays.close()
        await producer.stop()  # the server has answered the requests in hand before
        await responses.stop()
        await app.disconnect()
        operations.stop()
        redrives.stop()

    app = Gateway(
        title="MABOS gateway",
        summary="Ask the agents of a multi-agent system to do tasks.",
        version=version("mabos"),
        lifespan=lifespan,
        generate_unique_id_function=lambda route: route.name,  # operation ids are what generated clients call
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
    )
    app.view, app.claims, app.known_routes = view, claims, []
    metrics = app.metrics = Metrics()
    app.streams, app.waiting = Streams(responses, parts.streams), Waiting(responses)
    app.replays = replays
    app.access, app.rates = parts.access, Rates(settings.gateway_rate_per_s)
    app.origins = settings.gateway_cors_origins
    add_problem_handlers(app)
    metrics.watch(
        {
            "waiters": ("Requests that wait for an outcome.", lambda: app.waiting.waiters),
            "task_streams": ("Open streams of one task.", lambda: app.streams.task_streams),
            "live_streams": ("Open streams of everything.", lambda: app.streams.live_streams),
            "tail_lag_records": ("Responses that the gateway has not read yet.", responses.lag_records),
        }
    )
    queue, idempotency = Queue(name=settings.queue), Idempotency(claims, metrics)
    kafka_look, database_look = parts.kafka_look or KafkaLook(settings), parts.database_look or DatabaseLook(settings)
    app.include_all(
        task_routes(Publisher(producer, metrics), app.waiting, idempotency, limits),
        batch_routes(producer, metrics, app.waiting, idempotency, limits),
        cancel_routes(producer, limits),
        event_routes(app.streams),
        operation_routes(operations),
        replay_routes(replays, limits),
        record_routes(view, queue, RecordReader(settings)),
        view_routes(view, queue),  # after those whose paths begin like its own
        caller_routes(),
        redrive_routes(redrives, queue, limits),
        letter_routes(view, queue, LetterReader(settings)),
        health_routes(Readiness(producer, kafka_look, database_look)),
        metrics_routes(metrics),
        docs_routes(app.title),
    )
    app.router.default = Console(CONSOLE_FOLDER)
    return app
