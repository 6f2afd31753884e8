"""Thousands of open streams in one gateway process: each hears of its task, and what each costs is known."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

from mabos.kafka.ports import free_ports
from mabos.kafka.settings import Settings
from mabos.schemas.events import Status
from tests.support.platform import Platform
from tests.support.responses import responding
from tests.support.scale import scaled
from tests.support.waiting import eventually

STREAMS = scaled(500, 5000)
MAX_KIB = 60
"""What one open stream may cost, in KiB of the gateway's memory."""

RUN = """
from mabos.gateway import run_gateway
from mabos.kafka.settings import load_settings
import logging
logging.disable(logging.INFO)
run_gateway(load_settings())
"""


@contextmanager
def gateway_process(settings: Settings, folder: Path) -> Iterator[tuple[psutil.Process, int]]:
    """A gateway in a process of its own, and its port."""
    (port,) = free_ports(1)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MABOS_")} | {
        "MABOS_GATEWAY_URL": f"http://127.0.0.1:{port}",
        "MABOS_BOOTSTRAP_SERVERS": settings.bootstrap_servers,
        "MABOS_SCHEMA_REGISTRY_URL": settings.schema_registry_url,
        "MABOS_CACHE_DIR": str(folder / "cache"),
        "MABOS_QUEUE": settings.queue,
    }
    process = subprocess.Popen([sys.executable, "-c", RUN], env=environment, cwd=folder, stdout=subprocess.DEVNULL)
    try:
        eventually(lambda: is_ready(port), timeout_s=60)
        yield psutil.Process(process.pid), port
        process.terminate()
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()


def is_ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=10).status_code == 200
    except httpx.TransportError:
        return False


def gauge(port: int, name: str) -> float:
    text = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=30).text
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(f"mabos_gateway_{name} "))


async def open_streams(port: int, count: int) -> list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Streams of tasks 0, 1, ... of agent ``crowd``, each open."""

    async def open_one(number: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET /api/tasks/{number}/events?agent_id=crowd HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        await reader.readuntil(b"retry: 2000\n\n")
        return reader, writer

    opened = []
    for begin in range(0, count, 100):  # a listener's backlog is not endless
        opened += await asyncio.gather(*(open_one(number) for number in range(begin, min(count, begin + 100))))
    return opened


async def close(opened: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]) -> None:
    for _, writer in opened:
        writer.close()
    await asyncio.gather(*(writer.wait_closed() for _, writer in opened), return_exceptions=True)


def test_thousands_of_streams_are_open_at_once(platform: Platform, tmp_path: Path) -> None:
    """Each is told of its own task and ends; the memory of one is bounded; those who leave give theirs back."""
    with gateway_process(platform.settings, tmp_path) as (process, port), responding(platform.settings) as responder:

        async def crowd() -> float:
            await close(await open_streams(port, 20))  # what is made once is made now
            before = process.memory_info().rss
            opened = await open_streams(port, STREAMS)
            each_kib = (process.memory_info().rss - before) / STREAMS / 1024
            assert gauge(port, "task_streams") == STREAMS
            answered = STREAMS // 2
            for number in range(answered):
                responder.send(3, "crowd", str(number), Status.COMPLETED, f'{{"n": {number}}}')
            responder.flush()
            for number, (reader, _) in enumerate(opened[:answered]):
                event = await asyncio.wait_for(reader.readuntil(b"0\r\n\r\n"), 60)
                data = json.loads(event[event.index(b"data: ") + 6 : event.rindex(b"\n\n")])
                assert (data["task_id"], data["result"]) == (str(number), {"n": number})
            await close(opened)
            return each_kib

        each_kib = asyncio.run(crowd())
        eventually(lambda: gauge(port, "task_streams") == 0)
    print(f"\n{STREAMS} streams: {each_kib:.1f} KiB each")  # noqa: T201 - with pytest -s
    assert each_kib <= MAX_KIB
