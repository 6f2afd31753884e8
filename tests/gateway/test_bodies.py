"""The body guard, without a socket: type, size, time, and a sender that leaves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from mabos.gateway.app import ENVELOPE_BYTES
from mabos.kafka.settings import Settings
from tests.gateway.fakes import Door
from tests.gateway.shape import read_problem

GOOD = json.dumps({"agent_id": "agent_1", "payload": {"action": "test"}})
LIMIT_BYTES = 4096 + ENVELOPE_BYTES


async def in_chunks(size_bytes: int, *, chunk_bytes: int = 8192) -> AsyncIterator[bytes]:
    for start in range(0, size_bytes, chunk_bytes):
        yield b" " * min(chunk_bytes, size_bytes - start)


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        'application/json;charset="UTF-8"',
        "application/json; profile=x",
    ],
)
def test_json_in_utf_8_is_taken(content_type: str) -> None:
    """However the type is spelled."""
    assert Door().post(GOOD, content_type=content_type).status_code == 202


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        ({"content_type": "text/plain"}, "application/json"),
        ({"content_type": "application/x-www-form-urlencoded"}, "application/json"),
        ({"content_type": "multipart/form-data; boundary=x"}, "application/json"),
        ({"content_type": "application/problem+json"}, "application/json"),
        ({"content_type": ""}, "application/json"),
        ({"content_type": "application"}, "application/json"),
        ({"content_type": "application/json; charset=utf-16"}, "utf-8"),
        ({"content_type": "application/json; charset=latin-1"}, "utf-8"),
        ({"content_type": "application/json; charset="}, "utf-8"),
        ({"content_encoding": "gzip"}, "Content-Encoding"),
        ({"content_encoding": "br"}, "Content-Encoding"),
    ],
)
def test_another_type_is_a_415(headers: dict[str, str], says: str) -> None:
    """What is not sent as JSON in UTF-8 is refused: a form of a foreign web page could be sent as text/plain."""
    door = Door()
    assert says in read_problem(door.post(GOOD, **headers), 415)["detail"]
    assert door.producer.sent == []


def test_no_type_is_a_415() -> None:
    """A body of no type is not guessed at."""
    read_problem(Door().ask("POST", "/api/tasks", content=GOOD), 415)


def test_a_body_of_exactly_the_limit_is_read() -> None:
    """The limit itself is allowed; one byte more is not, whether its length was told or not."""
    door = Door()
    assert door.post(GOOD.ljust(LIMIT_BYTES)).status_code == 202
    answer = door.post(GOOD.ljust(LIMIT_BYTES + 1))
    assert str(LIMIT_BYTES) in read_problem(answer, 413)["detail"]
    assert answer.headers["connection"] == "close"


def test_a_payload_of_the_limit_fits_into_a_body() -> None:
    """What the contract allows as payload passes the body guard."""
    door = Door(settings=Settings())
    payload = {"x": "y" * (1024 * 1024 - len('{"x":""}'))}
    assert door.post(json.dumps({"agent_id": "a", "payload": payload})).status_code == 202


@pytest.mark.parametrize("length", ["-1", "x", "1.5", "+5", "", "１"])  # noqa: RUF001 - a digit, but not of HTTP
def test_a_length_that_is_no_number_is_a_400(length: str) -> None:
    """A real server refuses these before; whatever stands in front may not."""
    headers = {"content-type": "application/json", "content-length": length.encode()}
    read_problem(Door().ask("POST", "/api/tasks", content=GOOD, headers=headers), 400)


@pytest.mark.parametrize("length", ["9" * 18, "9" * 5000], ids=len)
def test_an_absurd_length_is_a_413(length: str) -> None:
    """Also one that Python would refuse to read as a number."""
    headers = {"content-type": "application/json", "content-length": length}
    read_problem(Door().ask("POST", "/api/tasks", content=GOOD, headers=headers), 413)


def test_a_body_of_no_told_length_is_counted() -> None:
    """A chunked body over the limit is refused while it comes."""
    headers = {"content-type": "application/json"}
    answer = Door().ask("POST", "/api/tasks", content=in_chunks(3 * LIMIT_BYTES), headers=headers)
    read_problem(answer, 413)


def test_a_slow_body_is_a_408() -> None:
    """A body that is not here in time is given up."""

    async def stall() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    headers = {"content-type": "application/json"}
    answer = Door(body_timeout_s=0.05).ask("POST", "/api/tasks", content=stall(), headers=headers)
    assert "0.05 s" in read_problem(answer, 408)["detail"]
    assert answer.headers["connection"] == "close"


def test_a_sender_that_leaves_harms_nothing() -> None:
    """A connection lost inside the body sends no task and raises nothing."""
    door = Door()
    sent: list[dict[str, Any]] = []
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "path": "/api/tasks",
        "raw_path": b"/api/tasks",
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "headers": [(b"content-type", b"application/json")],
        "client": None,
        "server": None,
    }
    messages = iter([{"type": "http.request", "body": b"{", "more_body": True}])

    async def receive() -> dict[str, Any]:
        return next(messages, {"type": "http.disconnect"})

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(door.app(scope, receive, send))
    assert sent[0]["status"] == 400
    assert door.producer.sent == []
