"""The shortest HTTP client that can load a gateway: raw bytes over kept connections, on one event loop."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from benchmarks.errors import MeasurementFailed
from benchmarks.tasks import make_task

_LENGTH = b"content-length: "
_ANSWER_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What came back for many requests."""

    took_s: float
    """From the first request to the last answer."""
    times_s: list[float] = field(default_factory=list)
    """From each request to its answer."""


def post_bytes(number: int) -> bytes:
    """A ``POST /api/tasks``."""
    task_id, agent_id, payload = make_task(number)
    body = orjson.dumps({"task_id": task_id, "agent_id": agent_id, "payload": payload})
    return (
        b"POST /api/tasks HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
    )


class _Connection(asyncio.Protocol):
    """Sends one request, waits for its answer, sends the next."""

    def __init__(self) -> None:
        self.answered: asyncio.Future[None] | None = None
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]  # TCP gives that

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, separator, body = self._buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        at = head.index(_LENGTH) + len(_LENGTH)
        if len(body) < int(head[at : head.find(b"\r", at) if b"\r" in head[at:] else None]):
            return
        self._buffer = b""
        if self.answered is not None and not self.answered.done():
            if head.startswith(b"HTTP/1.1 202 "):
                self.answered.set_result(None)
            else:
                self.answered.set_exception(MeasurementFailed(f"the gateway answers {head[:200]!r}"))

    def connection_lost(self, exc: Exception | None) -> None:
        if self.answered is not None and not self.answered.done():
            self.answered.set_exception(MeasurementFailed(f"the gateway closed a connection: {exc}"))

    async def ask(self, request: bytes) -> None:
        self.answered = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        await self.answered


async def post_many(port: int, count: int, connections: int) -> Answers:
    """Post tasks as fast as answers come, over so many connections.

    Raises:
        MeasurementFailed: An answer is no 202, or does not come.
    """
    requests = (post_bytes(number) for number in range(count))

    async def use(connection: _Connection) -> None:
        for request in requests:
            await connection.ask(request)

    return await _with_connections(port, connections, lambda connection, _: use(connection))


async def post_paced(port: int, count: int, every_s: float, connections: int) -> Answers:
    """Post tasks at a steady pace, and time each.

    Raises:
        MeasurementFailed: As :func:`post_many`.
    """
    times_s: list[float] = []
    begin_s = time.perf_counter() + 0.1

    async def use(connection: _Connection, index: int) -> None:
        for number in range(index, count, connections):
            due_s = begin_s + number * every_s
            await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
            sent_s = time.perf_counter()
            await connection.ask(post_bytes(number))
            times_s.append(time.perf_counter() - sent_s)

    answers = await _with_connections(port, connections, use)
    return Answers(took_s=answers.took_s, times_s=times_s)


async def post_lines(port: int, count: int) -> Answers:
    """Post tasks as one batch of lines, reading what comes back meanwhile.

    Raises:
        MeasurementFailed: A task is refused, or its outcome is missing.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    began_s = time.perf_counter()
    writer.write(
        b"POST /api/tasks/batch HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-ndjson\r\n"
        b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    )

    async def send() -> None:
        for piece in _line_pieces(count):
            writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            await writer.drain()
        writer.write(b"0\r\n\r\n")

    sending = asyncio.ensure_future(send())
    accepted = 0
    while data := await asyncio.wait_for(reader.read(1 << 20), _ANSWER_S):
        accepted += data.count(b'"position"')
    took_s = time.perf_counter() - began_s
    await sending
    writer.close()
    if not 0.999 * count <= accepted <= count:  # a word may be cut in two between two reads
        raise MeasurementFailed(f"of a batch of {count} tasks {accepted} were accepted")
    return Answers(took_s=took_s)


def _line_pieces(count: int) -> Iterator[bytes]:
    numbers = iter(range(count))
    while some := list(itertools.islice(numbers, 500)):
        yield b"".join(_line(number) for number in some)


def _line(number: int) -> bytes:
    task_id, agent_id, payload = make_task(number)
    return orjson.dumps({"task_id": task_id, "agent_id": agent_id, "payload": payload}) + b"\n"


async def _with_connections(
    port: int, count: int, use: Callable[[_Connection, int], Coroutine[Any, Any, None]]
) -> Answers:
    loop = asyncio.get_running_loop()
    opened = [(await loop.create_connection(_Connection, "127.0.0.1", port))[1] for _ in range(count)]
    began_s = time.perf_counter()
    try:
        await asyncio.gather(*(use(connection, index) for index, connection in enumerate(opened)))
    finally:
        for connection in opened:
            connection.transport.close()
    return Answers(took_s=time.perf_counter() - began_s)
