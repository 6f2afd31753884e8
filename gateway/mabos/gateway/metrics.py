"""What the gateway counts, for Prometheus. Labels are bounded: routes as they are written, known methods, statuses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from time import perf_counter
from typing import Literal, get_args

from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import choose_encoder

from mabos.gateway.access import needs
from mabos.gateway.principals import Principal, Scope

KeyedOutcome = Literal["first", "replayed", "conflict", "unavailable"]

_REQUEST_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_PUBLISH_S = _REQUEST_S[:-1]


class Metrics:
    """Counts. Of one application: two in one process do not share them."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        requests = Counter(
            "mabos_gateway_requests", "Requests answered.", ["route", "method", "status"], registry=self.registry
        )
        durations = Histogram(
            "mabos_gateway_request_seconds",
            "From a request's head to the end of its answer; streams last as long as their readers stay.",
            ["route", "method"],
            buckets=_REQUEST_S,
            registry=self.registry,
        )
        self._requests, self._durations = requests, durations
        self._children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self._publish = Histogram(
            "mabos_gateway_publish_seconds",
            "From a task's hand-over to the broker's acknowledgement, of tasks published one by one.",
            buckets=_PUBLISH_S,
            registry=self.registry,
        )
        self._failed = Counter(
            "mabos_gateway_publish_failures", "Tasks that the broker did not acknowledge.", registry=self.registry
        )
        self._items = Counter(
            "mabos_gateway_batch_items",
            "Items of batches, by what became of them.",
            ["outcome"],
            registry=self.registry,
        )
        for outcome in ("accepted", "refused"):
            self._items.labels(outcome)
        self._keyed = Counter(
            "mabos_gateway_keyed_requests",
            "Requests with an Idempotency-Key: the first of their key, repetitions, other tasks, and those not taken.",
            ["outcome"],
            registry=self.registry,
        )
        for outcome in get_args(KeyedOutcome):
            self._keyed.labels(outcome)

    def watch(self, gauges: Mapping[str, tuple[str, Callable[[], float]]]) -> None:
        """Have values told that somebody else knows: by name, what it is and where it comes from."""
        for name, (text, read) in gauges.items():
            Gauge(f"mabos_gateway_{name}", text, registry=self.registry).set_function(read)

    def count_request(self, route: str, method: str, status: int, duration_s: float) -> None:
        """A request was answered."""
        key = (route, method, status)
        children = self._children.get(key)
        if children is None:  # to look a child up by its labels takes longer than to count
            children = self._requests.labels(route, method, str(status)), self._durations.labels(route, method)
            self._children[key] = children
        children[0].inc()
        children[1].observe(duration_s)

    def count_items(self, accepted: int, refused: int) -> None:
        """A batch was answered."""
        self._items.labels("accepted").inc(accepted)
        self._items.labels("refused").inc(refused)

    def count_keyed(self, outcome: KeyedOutcome) -> None:
        """It was found out what the key of a request stands for, or not."""
        self._keyed.labels(outcome).inc()

    @contextmanager
    def time_publish(self) -> Iterator[None]:
        """Time a publish; an error that leaves the block counts as its failure."""
        begun_s = perf_counter()
        try:
            yield
        except Exception:
            self._failed.inc()
            raise
        self._publish.observe(perf_counter() - begun_s)


def metrics_routes(metrics: Metrics) -> APIRouter:
    """``GET /metrics``."""
    router = APIRouter(tags=["health"])

    @router.get(
        "/metrics",
        status_code=200,
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}, "example": _EXAMPLE}}}},
        summary="What is counted",
    )
    async def read_metrics(
        request: Request,
        _: Principal = Depends(needs(Scope.OPS_READ)),  # noqa: B008 - FastAPI's way
    ) -> Response:
        """For Prometheus, in the text format that its `Accept` asks for."""
        try:
            encode, content_type = choose_encoder(request.headers.get("accept", ""))
        except (TypeError, ValueError):  # a version that is no number
            encode, content_type = choose_encoder("")
        return Response(encode(metrics.registry), media_type=content_type, headers={"Cache-Control": "no-store"})

    return router


_EXAMPLE = 'mabos_gateway_requests_total{route="/api/tasks",method="POST",status="202"} 1.0\n'
