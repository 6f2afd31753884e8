"""Requests that want more than they may: deep bodies, paths round the guard, headers within headers, foreign agents."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator

import pytest

from mabos.gateway.access import Access
from mabos.gateway.apikeys import ApiKey, hash_secret, make_secret
from mabos.gateway.keybook import KeyBook
from mabos.gateway.principals import ALL_SCOPES
from mabos.kafka.settings import Settings
from tests.gateway.fakes import Door
from tests.gateway.shape import fields_of, read_problem
from tests.gateway.sockets import ask, serve
from tests.gateway.streams import Reader

DEPTH = 100_000
TASK = {"task_id": "t", "agent_id": "a", "payload": {}}


def scoped_door(*agents: str) -> tuple[Door, str]:
    """A gateway, and the key of a caller with every scope, for these agents."""
    secret, text = make_secret()
    key = ApiKey(id=secret.id, name="", secret_sha256=hash_secret(secret.text), scopes=ALL_SCOPES, agents=agents)
    return Door(access=Access(KeyBook(lambda: [key]), None)), f"Bearer {text}"


@pytest.fixture(scope="module")
def guarded() -> Iterator[tuple[Door, int]]:
    """A gateway that knows its callers, and its port."""
    door, _ = scoped_door("*")
    with serve(door.app) as served:
        yield door, served.port


@pytest.fixture(scope="module")
def opened() -> Iterator[int]:
    """The port of a gateway that is open, also to pages of another origin, with no database."""
    with serve(Door(settings=Settings(gateway_cors_origins="https://console.example.com")).app) as served:
        yield served.port


@pytest.mark.parametrize("nested", ["[" * DEPTH + "]" * DEPTH, '{"a":' * DEPTH + "1" + "}" * DEPTH, "[" * DEPTH])
@pytest.mark.parametrize("path", ["/api/tasks", "/api/tasks/batch", "/api/tasks/t/cancel"])
def test_a_body_nested_a_hundred_thousand_deep_is_refused(path: str, nested: str) -> None:
    """By its depth, on every route that reads one, as a body and within one; the gateway goes on."""
    door = Door(settings=Settings())
    for body in (nested, '{"agent_id": "a", "payload": {"x": ' + nested + "}}"):
        answer = door.ask("POST", path, content=body, headers={"content-type": "application/json"})
        assert "deeper than 64" in read_problem(answer, 422)["detail"]
    assert door.producer.sent == []


@pytest.mark.parametrize(
    "path",
    [
        *("//api/tasks", "/./api/tasks", "/x/../api/tasks", "/%2e/api/tasks", "/x/%2e%2e/api/tasks", "/API/tasks"),
        *(
            "/api//tasks",
            "/api/./tasks",
            "/api;x/tasks",
            "/api%2Ftasks",
            "/%61pi/tasks",
            "/api/tasks/",
            "/api/tasks%00",
        ),
        *("/api/tasks?x=/healthz", "/healthz/../api/tasks", "/api/tasks/..%2f..%2fmetrics", "/api\\tasks", "/metrics/"),
        *("/%6detrics", "//metrics", "/docs/../metrics"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_no_way_of_writing_a_path_leads_round_the_guard(guarded: tuple[Door, int], method: str, path: str) -> None:
    """A stranger gets 401, or what everybody may have; never a task taken, nor anything of the API."""
    door, port = guarded
    body = json.dumps(TASK).encode()
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    answer = ask(port, head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    assert answer.status in (400, 401, 404, 405) or b"<!doctype html>" in answer.body.lower()
    assert b"mabos_gateway_" not in answer.body
    assert door.producer.sent == []


@pytest.mark.parametrize(
    "value", [b"x%0d%0aX-Evil: 1", b"x\\r\\nX-Evil: 1", "x\u560d\u560aX-Evil: 1".encode(), b"\xff\xfe"]
)
@pytest.mark.parametrize(
    "name",
    [
        *("x-request-id", "idempotency-key", "prefer", "traceparent", "last-event-id", "origin", "authorization"),
        *("accept", "access-control-request-method"),
    ],
)
def test_no_header_of_a_request_makes_one_of_the_answer(opened: int, name: str, value: bytes) -> None:
    """What is given back of a request is checked before: no answer has a header that a caller made up."""
    body = json.dumps(TASK).encode()
    common = b"Host: localhost\r\n" + name.encode() + b": " + value + b"\r\n"
    post = b"POST /api/tasks HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n" % len(body)
    answers = [
        ask(opened, post + common + b"\r\n" + body),
        ask(opened, b"GET /api/tasks/t/events?agent_id=a HTTP/1.1\r\nLast-Event-ID: x\r\n" + common + b"\r\n"),
        ask(opened, b"GET /metrics HTTP/1.1\r\n" + common + b"\r\n"),
    ]
    for answer in answers:
        assert answer.status < 500 or name == "idempotency-key"  # there is no database behind this gateway
        assert "x-evil" not in answer.headers
        assert not any(value.decode("latin-1") in told for told in answer.headers.values())


@pytest.mark.parametrize("task_id", ["a\r\nX-Evil: 1", "\x85", "a\x00b"])
def test_a_task_whose_name_would_break_a_header_is_refused(task_id: str) -> None:
    """``Location`` names the task: control characters do not get so far, in a body or in a path."""
    door = Door()
    assert fields_of(read_problem(door.post(json.dumps(TASK | {"task_id": task_id})), 422)) == ["task_id"]
    answer = door.ask("POST", "/api/tasks/a%0D%0AX-Evil:%201/cancel", json={"agent_id": "a"})
    assert answer.status_code in (404, 422)
    assert door.producer.sent == []


def test_an_integer_beyond_63_bits_is_kept_to_the_digit() -> None:
    """In the payload as it is handed on; one beyond 64 bits is refused by name."""
    door = Door()
    body = '{"agent_id": "a", "payload": {"n": %d}}'
    assert door.post(body % (2**63 + 1)).status_code == 202
    assert door.producer.sent[0].payload == {"n": 2**63 + 1}
    assert "64 bits" in read_problem(door.post(body % (2**64)), 422)["detail"]


def test_a_live_stream_tells_of_the_callers_agents_only() -> None:
    """Whatever else is answered: all that such a reader hears is of its own agents, with a filter and without."""
    door, key = scoped_door("billing-*")
    with serve(door.app) as served:
        readers = [
            Reader(served.port, f"/api/events{query}", authorization=key).open()
            for query in ("", "?agent_id=billing-1", "?status=completed")
        ]
        for agent_id, number in itertools.product(
            ("mail", "billing-1", "xbilling-1", "billing", "billing-2"), range(3)
        ):
            door.log.respond(f"{agent_id}-{number}", agent_id)
        door.log.respond("last", "billing-1")
        heard = []
        for reader in readers:
            events = iter(reader.next, None)
            told = itertools.takewhile(lambda event: event.data["task_id"] != "last", events)
            heard.append({event.data["agent_id"] for event in told})
            reader.close()
    assert heard == [{"billing-1", "billing-2"}, {"billing-1"}, {"billing-1", "billing-2"}]


def test_another_agents_position_opens_no_stream() -> None:
    """A task is followed by its agent: with an own agent and somebody else's position there is nothing to read."""
    door, key = scoped_door("nobody")  # whose the fake log's requests are not
    with serve(door.app) as served:
        path = "/api/tasks/t/events?agent_id=nobody&position=mabos.tasks.requests:7:0"
        door.log.respond("t", "mail")
        reader = Reader(served.port, path, authorization=key)
        assert reader.head.status == 422
        assert b"position" in reader.read_body()
        reader.close()
