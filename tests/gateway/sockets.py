"""The gateway behind a real socket, and a client that may send anything."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self, cast

import uvicorn
from starlette.types import ASGIApp

from mabos.gateway.app import Gateway
from mabos.gateway.connections import ConnectionLimits
from mabos.gateway.server import make_server, open_listener

TIMEOUT_S = 15
POST = b"POST /api/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
GOOD = b'{"task_id": "1", "agent_id": "agent_1", "payload": {"action": "test"}}'


@dataclass(frozen=True, kw_only=True)
class Running:
    """A server in a thread of this process."""

    server: uvicorn.Server
    thread: threading.Thread
    port: int

    def stop(self) -> None:
        """Ask it to stop, as SIGTERM does, and wait."""
        self.server.should_exit = True
        self.thread.join(TIMEOUT_S)
        assert not self.thread.is_alive()


@contextmanager
def serve(app: ASGIApp, limits: ConnectionLimits | None = None) -> Iterator[Running]:
    """Serve an application on a free port."""
    listener = open_listener("127.0.0.1", 0)
    port = listener.getsockname()[1]
    on_stop = app.begin_stop if isinstance(app, Gateway) else None
    server = make_server(app, limits=limits, on_stop=on_stop)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    running = Running(server=server, thread=thread, port=port)
    thread.start()
    try:
        yield running
    finally:
        running.stop()


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """Its body."""
        return json.loads(self.body)

    def problem(self, status: int) -> dict[str, Any]:
        """Its problem, checked to have this status."""
        assert (self.status, self.headers["content-type"]) == (status, "application/problem+json"), self
        assert "server" not in self.headers
        problem: dict[str, Any] = json.loads(self.body)
        assert problem["status"] == status
        return problem


class _Stream:
    """What a connection still has to give: one buffer for all answers, since two may come in one piece."""

    def __init__(self, sock: socket.socket) -> None:
        self._file = sock.makefile("rb")
        self.read, self.read1 = self._file.read, self._file.read1
        self.readline, self.readinto = self._file.readline, self._file.readinto

    def makefile(self, _mode: str) -> _Stream:
        """What HTTPResponse reads from."""
        return self

    def flush(self) -> None:
        """HTTPResponse flushes what it closes."""

    def close(self) -> None:
        """HTTPResponse closes what it has read; the next answer is still to come."""

    def end(self) -> None:
        """Close it for good."""
        self._file.close()


class Client:
    """One connection."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S)
        self._stream = _Stream(self._socket)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(self, data: bytes) -> None:
        """Send these bytes."""
        self._socket.sendall(data)

    def read(self) -> Answer:
        """Read one answer."""
        response = http.client.HTTPResponse(cast(socket.socket, self._stream))
        response.begin()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(status=response.status, headers=headers, body=response.read())

    def read_head(self) -> Answer:
        """Read the head of an answer that comes in pieces; then :meth:`read_chunk` gives each."""
        self._response = http.client.HTTPResponse(cast(socket.socket, self._stream))
        self._response.begin()
        headers = {name.lower(): value for name, value in self._response.getheaders()}
        return Answer(status=self._response.status, headers=headers, body=b"")

    def read_chunk(self) -> bytes:
        """Read some of the body; empty at its end."""
        return self._response.read1(65_536)

    def read_rest(self) -> bytes:
        """Read the rest of the body."""
        return self._response.read()

    def close(self) -> None:
        """Close the connection."""
        self._stream.end()
        self._socket.close()

    def is_closed(self) -> bool:
        """Wait until the server closes the connection; False if it still sends."""
        try:
            return self._stream.read(1) == b""
        except ConnectionResetError:
            return True


def ask(port: int, data: bytes) -> Answer:
    """Send these bytes on a connection of their own, and read the answer."""
    with Client(port) as client:
        client.send(data)
        return client.read()
