"""What a worker shows from outside: ``/metrics``, ``/healthz`` and ``/readyz`` on a small HTTP server of its own.

It shares a process with 80,000 tasks a second, so it is bounded: one request a connection, GET and HEAD, no body; a
head comes whole within its time and size, an answer is taken within its time; so many connections and no more; one
scrape at a time. It has no authentication, and listens on this machine's loopback address unless told otherwise.
"""

from __future__ import annotations

import errno
import io
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import Any, Self

import structlog
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from mabos.consumers.errors import MonitorFailed
from mabos.kafka.errors import PortTaken
from mabos.kafka.ports import LOOPBACK, find_listener

log = structlog.stdlib.get_logger("mabos.monitor")

_TEXT = "text/plain; charset=utf-8"
_STOP_POLL_S = 0.2
_LINGER_BYTES = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorLimits:
    """How many clients there may be, and how slow and large their requests."""

    connections: int = 64
    """How many are served at a time; more are closed unread."""
    head_bytes: int = 16_384
    """The most bytes that request line and headers may take."""
    head_timeout_s: float = 5.0
    """By when a head must be here, whole."""
    answer_timeout_s: float = 5.0
    """By when a client must have taken the answer; also how long a scrape waits for the one before it."""
    linger_s: float = 1.0
    """How long what a client still sends is read and thrown away, so that it can read why it was refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    status: HTTPStatus
    body: bytes
    content_type: str = _TEXT


class Monitor:
    """Serves what a process says about itself.

    Args:
        collector: Gives the families of ``/metrics``; called on the monitor's threads, one scrape at a time.
        unready: Says in one line why the process cannot do its work now, or None when it can; on any thread.
        host: The address to listen on.
        port: The port; 0 takes a free one.
        limits: Of clients.
    """

    def __init__(
        self,
        collector: Collector,
        unready: Callable[[], str | None],
        *,
        host: str = LOOPBACK,
        port: int = 0,
        limits: MonitorLimits | None = None,
    ) -> None:
        self._collector, self._unready = collector, unready
        self._scraping = threading.Lock()
        self._limits = limits or MonitorLimits()
        self._server = _listen(self, host, port, self._limits)
        self.host = host
        self.port: int = self._server.server_address[1]
        """Where it listens."""
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_STOP_POLL_S,), name="mabos-monitor", daemon=True
        )

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Take no more connections, and close the port."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def answer(self, path: str, accept: str) -> _Answer:
        """What a GET of a path gets."""
        if path == "/healthz":
            return _Answer(status=HTTPStatus.OK, body=b"ok\n")
        if path == "/readyz":
            reason = self._unready()
            if reason is None:
                return _Answer(status=HTTPStatus.OK, body=b"ready\n")
            line = " ".join(reason.split())
            return _Answer(status=HTTPStatus.SERVICE_UNAVAILABLE, body=f"{line}\n".encode("utf-8", "replace"))
        if path == "/metrics":
            return self._scrape(" ".join(accept.split()))
        return _Answer(status=HTTPStatus.NOT_FOUND, body=b"there are /metrics, /healthz and /readyz\n")

    def _scrape(self, accept: str) -> _Answer:
        try:
            encode, content_type = choose_encoder(accept)
        except (TypeError, ValueError):  # a version that is no number
            encode, content_type = choose_encoder("")
        if not self._scraping.acquire(timeout=self._limits.answer_timeout_s):
            return _Answer(status=HTTPStatus.SERVICE_UNAVAILABLE, body=b"other scrapes are under way\n")
        try:
            return _Answer(status=HTTPStatus.OK, body=encode(self._collector), content_type=content_type)
        finally:
            self._scraping.release()


class _Server(ThreadingTCPServer):
    """A thread per connection, and only so many. Not an HTTPServer: that one asks DNS for its own name."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, family: int, address: tuple[Any, ...], monitor: Monitor, limits: MonitorLimits) -> None:
        self.address_family = family
        self.monitor, self.limits = monitor, limits
        self._free = threading.Semaphore(limits.connections)
        super().__init__(address, _Connection)

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as socketserver has it
        """Serve a connection in a thread, if there is one left."""
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._free.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as above
        """Runs in the thread."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401, ARG002 - as above
        """Into the log, not onto standard error."""
        log.exception("a request to the monitor failed")  # noqa: LOG004 - socketserver calls it in its handler


class _Connection(BaseHTTPRequestHandler):
    """One connection: one request, one answer."""

    protocol_version = "HTTP/1.1"
    command = ""  # until the head is here
    server: _Server  # pyright: ignore[reportIncompatibleVariableOverride]  # nothing else makes one

    def handle(self) -> None:
        """Read the head within its time, answer, and close."""
        with suppress(OSError):  # the client left, or was too slow
            self._serve()

    def _serve(self) -> None:
        head = self._read_head()
        if head is None:
            return
        self.rfile.close()
        self.rfile = io.BufferedReader(io.BytesIO(head))
        self.raw_requestline = self.rfile.readline()
        if not self.parse_request():  # it has sent the error
            self._linger()
            return
        has_body = self.headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in self.headers
        if self.command not in ("GET", "HEAD"):
            self.send_error(HTTPStatus.METHOD_NOT_ALLOWED, "only GET and HEAD are answered")
        elif has_body:
            self.send_error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "no body is taken")
        else:
            self._send(self._find_answer())
        if has_body:
            self._linger()

    def _read_head(self) -> bytes | None:
        """The bytes up to the end of the headers, and maybe more; None if the client left, or was told off."""
        limits, head = self.server.limits, b""
        deadline_s = time.monotonic() + limits.head_timeout_s
        while b"\r\n\r\n" not in head:
            if len(head) > limits.head_bytes:
                self.send_error(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the head is too large")
                self._linger()
                return None
            try:
                piece = self._receive(deadline_s)
            except TimeoutError:
                self.send_error(HTTPStatus.REQUEST_TIMEOUT, "the head did not come in time")
                self._linger()
                return None
            if not piece:
                return None
            head += piece
        return head

    def _receive(self, deadline_s: float) -> bytes:
        left_s = deadline_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        self.connection.settimeout(left_s)
        piece: bytes = self.connection.recv(4096)
        return piece

    def _find_answer(self) -> _Answer:
        try:
            return self.server.monitor.answer(self.path.partition("?")[0], self.headers.get("Accept", ""))
        except Exception:  # what is asked may raise anything, and the client shall hear of it
            log.exception("the monitor cannot say", path=self.path)
            return _Answer(status=HTTPStatus.INTERNAL_SERVER_ERROR, body=b"it cannot be told now: see the log\n")

    def _send(self, answer: _Answer) -> None:
        self.connection.settimeout(self.server.limits.answer_timeout_s)  # sendall counts it over all that it sends
        self.request_version = self.protocol_version  # the base class sends no head for what it takes for HTTP/0.9
        self.send_response_only(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Connection", "close")
        if answer.status is HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET, HEAD")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002
        """One line of text, not the page that the base class sends."""
        status = HTTPStatus(code)
        self._send(_Answer(status=status, body=f"{message or status.phrase}\n".encode("utf-8", "replace")))

    def handle_expect_100(self) -> bool:
        """Nobody is invited to send a body."""
        return True

    def _linger(self) -> None:
        """Closing a socket with unread bytes would reset it, and the client might never see the answer."""
        deadline_s = time.monotonic() + self.server.limits.linger_s
        self.connection.shutdown(socket.SHUT_WR)
        left = _LINGER_BYTES
        while left > 0 and (piece := self._receive(deadline_s)):
            left -= len(piece)


def _listen(monitor: Monitor, host: str, port: int, limits: MonitorLimits) -> _Server:
    """A server that is bound and listens.

    Raises:
        PortTaken: Another process listens there, or this user may not.
        MonitorFailed: The address is not one of this machine's.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return _Server(family, address, monitor, limits)
    except PermissionError:
        raise PortTaken(f"metrics: port {port} is reserved for root: give one above 1023 with --metrics-port") from None
    except (OSError, OverflowError, UnicodeError) as error:
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            holder = find_listener(port) or "another process"
            raise PortTaken(
                f"metrics: port {port} is taken by {holder}: stop it, or give another with --metrics-port"
            ) from None
        raise MonitorFailed(f"metrics: cannot listen on {host}, port {port}: {error}") from None
