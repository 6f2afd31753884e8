"""Each request seen from outside: its id, one log line, and what is counted of it.

This is the outermost part of the application, so it sees every answer. What is noted here of a request stands in its
log line, such as its caller: of requests that write, that line is the audit log.
"""

from __future__ import annotations

import re
import time
from collections.abc import MutableMapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import structlog
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

if TYPE_CHECKING:
    from mabos.gateway.metrics import Metrics

log = structlog.stdlib.get_logger("mabos.gateway")

REQUEST_ID = b"x-request-id"
_NOTES = "mabos.notes"
_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")  # it stands in logs: nothing that could look like another line
_UNKNOWN = "none"  # a path of nobody's: counted by itself, since there is no end of them
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})  # asked every few seconds: told only when they fail


def note(scope: MutableMapping[str, Any], **notes: str | int) -> None:
    """Have something stand in the log line of a request, such as its task's position."""
    scope.setdefault(_NOTES, {}).update(notes)


class Observed:
    """An application whose requests are logged and counted, and have an id.

    Args:
        app: The application.
        metrics: Where they are counted.
        routes: Its routes, for requests that were answered before one was looked for, such as those of strangers.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, routes: Sequence[BaseRoute]) -> None:
        self._app, self._metrics, self._routes = app, metrics, routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _find_id(scope)
        scope[_NOTES] = {"request_id": request_id.decode()}
        status = 499  # as nobody answered: the caller left before
        begun_s = time.perf_counter()

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (REQUEST_ID, request_id)]
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        finally:
            self._tell(scope, status, time.perf_counter() - begun_s)

    def _tell(self, scope: Scope, status: int, duration_s: float) -> None:
        route = getattr(scope["route"] if "route" in scope else self._find_route(scope), "path_format", _UNKNOWN)
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        self._metrics.count_request(route, method, status, duration_s)
        if route in _QUIET and status < 400:
            return
        log.info(
            "request",
            method=method,
            route=route,
            status=status,
            duration_ms=round(duration_s * 1000, 3),
            **scope[_NOTES],
        )

    def _find_route(self, scope: Scope) -> BaseRoute | None:
        """The route of a request as a router finds it: one of the path and method, or else one of the path."""
        of_path: BaseRoute | None = None
        for route in self._routes:
            match, _ = route.matches(scope)
            if match is Match.FULL:
                return route
            if match is Match.PARTIAL and of_path is None:
                of_path = route
        return of_path


def _find_id(scope: Scope) -> bytes:
    """The id that the caller gave, if it can stand in a log, or a new one."""
    for name, value in scope["headers"]:
        if name == REQUEST_ID and _ID.fullmatch(value):
            return bytes(value)
    return uuid4().hex.encode()
