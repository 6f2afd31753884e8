"""Thousands of open streams in one gateway process: each hears of its own task, and what one does costs no other."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import time
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from mabos.gateway.server import raise_file_limit
from mabos.kafka.settings import Settings
from mabos.schemas.events import Status
from tests.support.gateways import gateway_process
from tests.support.responses import Responder, responding
from tests.support.scale import IS_FULL, scaled
from tests.support.waiting import eventually

T = TypeVar("T")

STREAMS = scaled(500, 5000)
MAX_KIB = 60
"""What one open stream may cost, in KiB of the gateway's memory."""
EVENT_S = 60
"""How long a reader waits for its event, on a machine that may be busy."""
LARGE = '{"filler": "%s"}' % ("x" * 65_536)
FLOOD = 256
"""So many large events are more than the kernel and the gateway keep for one reader that takes nothing."""


@dataclass(kw_only=True)
class Reader:
    """A stream of one task, and its client."""

    number: int
    stream: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @property
    def agent_id(self) -> str:
        return f"agent-{self.number % 100}"

    async def next(self) -> tuple[str, dict[str, Any]]:
        """The kind of the next event, and its data."""
        while True:
            text = await asyncio.wait_for(self.stream.readuntil(b"\n\n"), EVENT_S)
            if found := re.search(rb"event: (\w+)\ndata: (.*)\n\n", text):
                return found[1].decode(), json.loads(found[2])

    async def rest(self) -> bytes:
        """All that comes until the connection ends, or the answer does."""
        return await asyncio.wait_for(self._read_rest(), EVENT_S)

    async def _read_rest(self) -> bytes:
        found = b""
        while not found.endswith(b"\r\n0\r\n\r\n") and (data := await self.stream.read(65_536)):
            found += data
        return found

    def ask(self, responder: Responder, status: Status, result: str) -> None:
        """Have its task answered."""
        responder.send(self.number % 12, self.agent_id, str(self.number), status, result)


class Crowd:
    """Clients of one gateway."""

    def __init__(self, process: psutil.Process, url: str) -> None:
        self.process, self.url = process, url
        self._port = urlsplit(url).port or 0
        self._writers: list[asyncio.StreamWriter] = []

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do it on an event loop; whoever is still connected then leaves."""

        async def leave_after() -> T:
            try:
                return await work
            finally:
                await leave(self._writers)
                self._writers.clear()

        return asyncio.run(leave_after())

    def gauge(self, name: str) -> float:
        text = httpx.get(f"{self.url}/metrics", timeout=60).text
        return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(f"mabos_gateway_{name} "))

    @property
    def memory_kib(self) -> float:
        return self.process.memory_info().rss / 1024

    async def open(self, numbers: Iterable[int]) -> list[Reader]:
        """Streams of the tasks of these numbers, each open."""
        wanted, opened = list(numbers), list[Reader]()
        for begin in range(0, len(wanted), 100):  # a listener's backlog is not endless
            opened += await asyncio.gather(*(self.open_one(number) for number in wanted[begin : begin + 100]))
        return opened

    async def open_one(self, number: int, *, buffer_bytes: int | None = None) -> Reader:
        """A stream; with a size, its client's kernel keeps no more than that of what is not read."""
        connection = socket.socket()
        if buffer_bytes is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", self._port))
        stream, writer = await asyncio.open_connection(sock=connection, limit=buffer_bytes or 2**20)
        self._writers.append(writer)
        reader = Reader(number=number, stream=stream, writer=writer)
        path = f"/api/tasks/{number}/events?agent_id={reader.agent_id}"
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        await stream.readuntil(b"retry: 2000\n\n")
        return reader

    def is_empty(self) -> bool:
        return self.gauge("task_streams") == 0


@contextmanager
def crowding(settings: Settings, folder: Path) -> Iterator[Crowd]:
    """A gateway in a process of its own, and clients."""
    raise_file_limit()  # of this process: half of all connections are here
    with gateway_process(settings, folder) as (process, url):
        yield Crowd(psutil.Process(process.pid), url)


async def leave(writers: Sequence[asyncio.StreamWriter]) -> None:
    """They go, in mid-stream."""
    for writer in writers:
        writer.close()
    await asyncio.gather(*(writer.wait_closed() for writer in writers), return_exceptions=True)


async def hear(readers: Iterable[Reader], responder: Responder, status: Status) -> float:
    """Have each reader's task answered, and see that each hears of its own; returns how long it took, in seconds."""
    readers, kind = list(readers), "progress" if status is Status.IN_PROGRESS else "outcome"
    begun_s = time.perf_counter()
    for reader in readers:
        reader.ask(responder, status, f'{{"n": {reader.number}}}')
    await asyncio.to_thread(responder.flush)
    for reader in readers:
        found, data = await reader.next()
        named = found, data["task_id"], data["agent_id"], data["result"]
        assert named == (kind, str(reader.number), reader.agent_id, {"n": reader.number})
    return time.perf_counter() - begun_s


def test_each_of_thousands_hears_of_its_own_task_and_costs_little(settings: Settings, tmp_path: Path) -> None:
    """Progress and outcome come to whom they are for; memory is bounded; after those who leave, all is as it was."""
    with crowding(settings, tmp_path) as crowd, responding(settings) as responder:

        async def fill(answered: int) -> tuple[float, float]:
            before_kib = crowd.memory_kib
            readers = await crowd.open(range(STREAMS))
            full_kib = crowd.memory_kib
            assert crowd.gauge("task_streams") == STREAMS
            progress_s = await hear(readers, responder, Status.IN_PROGRESS)
            await hear(readers[:answered], responder, Status.COMPLETED)
            for reader in readers[:answered]:
                assert await reader.rest() == b"\r\n0\r\n\r\n", "nothing follows the outcome"
            await leave([reader.writer for reader in readers])
            await asyncio.to_thread(eventually, crowd.is_empty, timeout_s=60)
            return (full_kib - before_kib) / STREAMS, progress_s

        crowd.run(leave_at_once(crowd))  # what is made once is made now
        rest_files, rest_kib = crowd.process.num_fds(), crowd.memory_kib
        each_kib, took_s = crowd.run(fill(STREAMS // 2))
        first_kib = crowd.memory_kib
        for _ in range(2):
            crowd.run(fill(STREAMS // 2))
        eventually(lambda: crowd.process.num_fds() <= rest_files + 2)  # with what the looks at it use
        last_kib = crowd.memory_kib
    print(  # noqa: T201 - with pytest -s
        f"\n{STREAMS} streams: {each_kib:.1f} KiB each, an event for each in {took_s:.1f} s; "
        f"memory at rest {rest_kib / 1024:.0f} MiB, {first_kib / 1024:.0f} after them, "
        f"{last_kib / 1024:.0f} after three times as many"
    )
    assert each_kib <= MAX_KIB
    assert last_kib - first_kib <= 0.1 * each_kib * STREAMS + 4096, "each time some stay behind"


async def leave_at_once(crowd: Crowd) -> None:
    await leave([reader.writer for reader in await crowd.open(range(20))])
    await asyncio.to_thread(eventually, crowd.is_empty)


def test_a_reader_that_stops_reading_slows_nobody(settings: Settings, tmp_path: Path) -> None:
    """All others hear of their tasks meanwhile; it is dropped, told why if it reads again, else cut off."""
    with crowding(settings, tmp_path) as crowd, responding(settings) as responder:

        async def run() -> tuple[float, float]:
            readers = await crowd.open(range(STREAMS))
            alone_s = await hear(readers, responder, Status.IN_PROGRESS)
            slow, gone = [await crowd.open_one(STREAMS + number, buffer_bytes=4096) for number in range(2)]
            for _ in range(FLOOD):
                for reader in (slow, gone):
                    reader.ask(responder, Status.IN_PROGRESS, LARGE)
            beside_s = await hear(readers, responder, Status.IN_PROGRESS)
            assert crowd.gauge("task_streams") == STREAMS + 2, "they are still there: nobody waited for their end"
            told = await slow.rest()
            assert b'event: end\ndata: {"reason":"slow_reader"' in told
            assert told.count(b"event: progress") < FLOOD
            await hear(readers, responder, Status.COMPLETED)
            if IS_FULL:  # the one that reads no more is cut off after half a minute
                await asyncio.to_thread(eventually, crowd.is_empty, timeout_s=90)
            return alone_s, beside_s

        alone_s, beside_s = crowd.run(run())
        log = tmp_path / "gateway.log"
        eventually(lambda: len(re.findall(r"ended\W+slow_reader", log.read_text(encoding="utf-8"))) == 2)
    print(f"\n{STREAMS} events: {alone_s:.1f} s, beside readers that stopped {beside_s:.1f} s")  # noqa: T201


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="there is no ulimit")
def test_a_low_limit_of_open_files_is_said_and_refused_by_name(settings: Settings, tmp_path: Path) -> None:
    """One line says how many connections there may be; one more is a 503, and those that are open go on."""
    limited = ["sh", "-c", 'ulimit -n 300 && exec "$@"', "sh"]
    with gateway_process(settings, tmp_path, before=limited) as (process, url), responding(settings) as responder:
        crowd = Crowd(psutil.Process(process.pid), url)

        async def run() -> None:
            readers = await crowd.open(range(140))
            more = [asyncio.ensure_future(crowd.open_one(number)) for number in range(140, 200)]
            refused = await asyncio.gather(*more, return_exceptions=True)
            answers = [error.partial for error in refused if isinstance(error, asyncio.IncompleteReadError)]
            assert len(answers) >= 40
            assert all(b"503 Service Unavailable" in answer for answer in answers)
            await hear(readers, responder, Status.COMPLETED)

        crowd.run(run())
    log = (tmp_path / "gateway.log").read_text(encoding="utf-8")
    assert len(re.findall(r"may have 300 open files, so it takes 150 connections", log)) == 1
