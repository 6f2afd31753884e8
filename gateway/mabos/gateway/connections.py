"""The connection guard: what uvicorn leaves open on a socket, closed.

uvicorn waits for ever for a head that does not come, or comes by the byte, or for the rest of a body that nobody reads;
it takes heads of any size, and says "Service Unavailable" and "Invalid HTTP request" as plain text.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from typing import ClassVar, Literal

from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mabos.gateway.errors import Refused
from mabos.gateway.problems import LINGER_S, ProblemResponse

_LIVENESS = b"/healthz"
_BUSY_S = 1.0  # how long a connection whose answer is still being worked out is left alone

Phase = Literal["idle", "head", "body", "whole"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """How many connections there may be, and how slow and how large their requests."""

    connections: int = 8000
    """From this many on, all but liveness is answered with 503."""
    head_bytes: int = 32_768
    """The most bytes that request line and headers may take."""
    head_timeout_s: float = 5.0
    """By when a head must be here; also how long a new connection may stay silent."""
    rest_timeout_s: float = 20.0
    """How long after its head a request, once answered, may still send a body that nobody reads."""
    write_timeout_s: float = 30.0
    """How long a client that has sent its request may leave what is written to it untaken."""


class HeadRefused(Exception):
    """Request line and headers are larger than they may be, or name no host; becomes a 431 or a 400."""


class GuardedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 protocol, with limits."""

    limits: ClassVar[ConnectionLimits] = ConnectionLimits()

    _phase: Phase = "idle"
    _requests = 0
    _head_bytes = 0
    _watched: tuple[Phase, int] | None = None
    _watch: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None
    _refusal: Refused | None = None
    _is_lingering = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Start to watch the clock."""
        super().connection_made(transport)
        self._watch_clock()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop watching."""
        self._unwatch()
        self._unstall()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, then see how far the request has come: one that comes whole costs no timer."""
        if self._is_lingering:
            return
        super().data_received(data)
        if self._is_lingering or self.transport.is_closing():
            return
        if self._phase == "head":  # httptools shows a header only once it has all of it
            self._head_bytes += len(data)
            if self._head_bytes > self.limits.head_bytes:
                self._refuse(self._too_large())
                return
        self._watch_clock()

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._phase, self._requests, self._head_bytes = "head", self._requests + 1, 0

    def on_headers_complete(self) -> None:
        """A head is here: see whether it may pass, and start the request."""
        self._phase = "body"
        if len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) > self.limits.head_bytes:
            self._refusal = self._too_large()
            raise HeadRefused  # httptools stops, and uvicorn calls send_400_response
        hosts = sum(name == b"host" for name, _ in self.headers)
        version = None if self.parser is None else self.parser.get_http_version()
        if hosts > 1 or (hosts == 0 and version == "1.1"):
            self._refusal = Refused(400, f"the header Host must be sent once, not {hosts} times")  # RFC 9112, 3.2
            raise HeadRefused
        is_over = len(self.connections) > self.limits.connections and self.url != _LIVENESS
        self.app = _answer_overload if is_over else self.config.loaded_app
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """A request is here whole."""
        super().on_message_complete()
        self._phase = "whole"

    def pause_writing(self) -> None:
        """The client does not take what is written to it: watch how long."""
        super().pause_writing()
        if self._stalled is None:
            self._stalled = self.loop.call_later(self.limits.write_timeout_s, self._stall)

    def resume_writing(self) -> None:
        """It takes again."""
        self._unstall()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's text, which says less
        """Say as a problem why the head, or the framing of the body, is refused; uvicorn calls it."""
        self._refuse(self._refusal or Refused(400, "this is not an HTTP/1.1 request"))

    def _watch_clock(self) -> None:
        if self._phase == "whole":
            self._unwatch()
            if self.cycle.response_complete and self.timeout_keep_alive_task is None:
                # uvicorn forgets it where the end of a body comes after its answer
                self.timeout_keep_alive_task = self.loop.call_later(
                    self.timeout_keep_alive, self.timeout_keep_alive_handler
                )
        elif self._watched != (self._phase, self._requests):
            self._unwatch()
            self._watched = (self._phase, self._requests)
            wait_s = self.limits.rest_timeout_s if self._phase == "body" else self.limits.head_timeout_s
            self._watch = self.loop.call_later(wait_s, self._time_is_up)

    def _unwatch(self) -> None:
        self._watched = None
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    def _stall(self) -> None:
        self._stalled = None
        if self._phase == "whole":
            self.transport.abort()  # to close would wait for the client to take what is written
        else:  # some clients send all of a body before they read; the body guard watches them
            self._stalled = self.loop.call_later(self.limits.write_timeout_s, self._stall)

    def _unstall(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def _time_is_up(self) -> None:
        if self.transport.is_closing():
            return
        if self.cycle is not None and not self.cycle.response_complete:  # the body guard has its own clock
            self._watch = self.loop.call_later(_BUSY_S, self._time_is_up)
        elif self._phase == "head":
            self._refuse(Refused(408, f"the headers were not here after {self.limits.head_timeout_s:g} s"))
        else:
            self.transport.close()

    def _too_large(self) -> Refused:
        return Refused(431, f"request line and headers take more than {self.limits.head_bytes} bytes")

    def _refuse(self, refused: Refused) -> None:
        """Answer without the application, which needs a head, and close."""
        self._unwatch()
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            if self._phase != "body":  # the answer to the request before is still to go out
                cycle.keep_alive = False
                return
            if cycle.response_started:  # a second answer inside the first would be nonsense
                self.transport.close()
                return
        response = ProblemResponse(refused)
        status = HTTPStatus(refused.status)
        headers = [*self.server_state.default_headers, *response.raw_headers, (b"connection", b"close")]
        self.transport.write(
            b"HTTP/1.1 %d %s\r\n" % (status, status.phrase.encode())
            + b"".join(name + b": " + value + b"\r\n" for name, value in headers)
            + b"\r\n"
            + bytes(response.body)
        )
        self._is_lingering = True  # what still comes is thrown away: unread, it would have the kernel reset the answer
        self.transport.write_eof()
        self._watch = self.loop.call_later(LINGER_S, self.transport.close)


async def _answer_overload(scope: Scope, receive: Receive, send: Send) -> None:
    refused = Refused(
        503,
        "the gateway has all the connections it takes: try again",
        headers={"Retry-After": "1", "Connection": "close"},
    )
    await ProblemResponse(refused)(scope, receive, send)


def guard(limits: ConnectionLimits) -> type[GuardedProtocol]:
    """The protocol with these limits."""

    class LimitedProtocol(GuardedProtocol):
        pass

    LimitedProtocol.limits = limits
    return LimitedProtocol
