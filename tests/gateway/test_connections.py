"""Slow, broken, greedy and absent clients, on real sockets."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest

from mabos.gateway.connections import ConnectionLimits
from mabos.gateway.hosts import LoopbackHosts
from tests.gateway.fakes import Door
from tests.gateway.sockets import GOOD, POST, Client, Running, ask, serve
from tests.support.waiting import eventually

LIMITS = ConnectionLimits(connections=50, head_timeout_s=0.2, rest_timeout_s=0.3)
BODY_LIMIT_BYTES = 4096 + 65_536


@pytest.fixture(scope="module")
def door() -> Door:
    return Door(body_timeout_s=0.2)


@pytest.fixture(scope="module")
def running(door: Door) -> Iterator[Running]:
    with serve(LoopbackHosts(door.app), LIMITS) as served:
        yield served


@pytest.fixture(autouse=True)
def still_serves(running: Running) -> Iterator[None]:
    """Whatever a test's client did, the next client is served."""
    yield
    assert ask(running.port, POST + b"Content-Length: %d\r\n\r\n" % len(GOOD) + GOOD).status == 202


def test_requests_follow_each_other_on_one_connection(running: Running) -> None:
    """Connections are kept, also after a refusal of a whole body; requests sent ahead are answered in order."""
    with Client(running.port) as client:
        for body, status in ((GOOD, 202), (b"{}", 422), (b"{", 400), (GOOD, 202)):
            client.send(POST + b"Content-Length: %d\r\n\r\n" % len(body) + body)
            assert client.read().status == status
        client.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /x HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert [client.read().status for _ in range(2)] == [200, 404]


@pytest.mark.parametrize("expect", [b"", b"Expect: 100-continue\r\n"])
def test_a_told_length_over_the_limit_is_refused_before_a_byte_is_read(running: Running, expect: bytes) -> None:
    """The answer comes with nothing of the body sent, and no 100 Continue asks for it."""
    answer = ask(running.port, POST + expect + b"Content-Length: %d\r\n\r\n" % (BODY_LIMIT_BYTES + 1))
    assert str(BODY_LIMIT_BYTES) in answer.problem(413)["detail"]
    assert answer.headers["connection"] == "close"


def test_a_sender_in_full_flow_reads_the_refusal(running: Running) -> None:
    """Who sends on without looking still gets the 413 to read, not a reset connection."""
    size_bytes = 2 * 1024 * 1024
    with Client(running.port) as client:
        client.send(POST + b"Content-Length: %d\r\n\r\n" % size_bytes + b" " * size_bytes)
        client.read().problem(413)
        assert client.is_closed()


def test_a_chunked_body_over_the_limit_is_refused_while_it_comes(running: Running) -> None:
    """A body without end is counted; its end is not waited for."""
    chunk = b"2000\r\n" + b" " * 0x2000 + b"\r\n"
    with Client(running.port) as client:
        client.send(POST + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 10)
        client.read().problem(413)


def test_a_chunked_body_within_the_limit_is_taken(running: Running) -> None:
    """A length need not be told."""
    chunks = b"%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n" % (10, GOOD[:10], len(GOOD) - 10, GOOD[10:])
    assert ask(running.port, POST + b"Transfer-Encoding: chunked\r\n\r\n" + chunks).status == 202


def test_a_slow_body_is_given_up(running: Running) -> None:
    """408 once its time is up, and the connection closes."""
    with Client(running.port) as client:
        client.send(POST + b"Content-Length: 100\r\n\r\n{")
        assert "0.2 s" in client.read().problem(408)["detail"]
        assert client.is_closed()


@pytest.mark.parametrize("head", [b"G", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n", POST + b"X: y"])
def test_a_head_that_stops_is_given_up(running: Running, head: bytes) -> None:
    """408 where some of it came."""
    with Client(running.port) as client:
        client.send(head)
        client.read().problem(408)
        assert client.is_closed()


def test_a_head_by_the_byte_is_given_up(running: Running) -> None:
    """Bytes that keep coming do not move the deadline."""
    with Client(running.port) as client:
        client.send(b"GET /healthz HTTP/1.1\r\nX: ")
        stop = threading.Event()

        def drip() -> None:
            with suppress(OSError):  # it may close between two bytes
                while not stop.wait(0.02):
                    client.send(b"a")

        dripping = threading.Thread(target=drip)
        dripping.start()
        try:
            client.read().problem(408)
        finally:
            stop.set()
            dripping.join()


def test_a_silent_connection_is_closed(running: Running) -> None:
    """Without a word, since there is nothing to answer."""
    with Client(running.port) as client:
        assert client.is_closed()


def test_a_second_request_that_stops_is_given_up(running: Running) -> None:
    """Each request on a connection has its own deadline."""
    with Client(running.port) as client:
        client.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.read().status == 200
        client.send(b"GET /healthz HT")
        client.read().problem(408)


def test_a_body_that_nobody_reads_does_not_hold_the_connection(running: Running) -> None:
    """Once answered, the rest of the request may not drip on for ever."""
    with Client(running.port) as client:
        client.send(b"POST /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\na")
        client.read().problem(404)
        assert client.is_closed()


@pytest.mark.parametrize("parts", [[b"a" * 40_000], [b"a" * 20_000, b"a" * 20_000]])
@pytest.mark.parametrize("start", [b"GET /healthz HTTP/1.1\r\nX: ", b"GET /"])
def test_a_head_too_large_is_refused(running: Running, start: bytes, parts: list[bytes]) -> None:
    """In one piece or in several, whole or not."""
    with Client(running.port) as client:
        client.send(start)
        for part in parts:
            client.send(part)
        client.read().problem(431)


def test_who_sends_on_reads_why_the_head_is_refused(running: Running) -> None:
    """A head of megabytes is not read on, but its sender gets the 431 to read, not a reset connection."""
    with Client(running.port) as client:
        client.send(b"GET /healthz HTTP/1.1\r\nX: " + b"a" * 1_000_000)
        client.read().problem(431)
        assert client.is_closed()


def test_a_whole_head_too_large_is_refused(running: Running) -> None:
    """Also where it comes complete, of many small headers."""
    many = b"".join(b"X-%d: %s\r\n" % (number, b"y" * 20) for number in range(1500))
    ask(running.port, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + many + b"\r\n").problem(431)


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
        b"GET /\xff HTTP/1.1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n\r\n",  # RFC 9112, 3.2: a host, and one
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
        b"GET http://host-only HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: a\x00b\r\n\r\n",
        POST + b"Content-Length: -1\r\n\r\n",
        POST + b"Content-Length: x\r\n\r\n",
        POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
        POST + b"Content-Length: 1\r\n\r\n" + GOOD,  # too short a length: the rest is no request
    ],
)
def test_what_is_no_http_is_a_400(running: Running, door: Door, data: bytes) -> None:
    """Broken requests, and those that two servers would cut differently, are refused and the connection closed."""
    before = len(door.producer.sent)
    with Client(running.port) as client:
        client.send(data)
        client.read().problem(400)
        assert client.is_closed()
    assert len(door.producer.sent) == before


def test_too_long_a_length_waits_for_the_rest_and_gives_up(running: Running) -> None:
    """A length longer than the body is a body that never ends: 408, nothing sent."""
    answer = ask(running.port, POST + b"Content-Length: %d\r\n\r\n" % (len(GOOD) + 1) + GOOD)
    answer.problem(408)


def test_nonsense_behind_a_request_leaves_its_answer_alone(running: Running, door: Door) -> None:
    """A request in hand is answered, then the connection closes."""
    with Client(running.port) as client:
        client.send(POST + b"Content-Length: %d\r\n\r\n" % len(GOOD) + GOOD + b"nonsense\r\n\r\n")
        assert client.read().status == 202
        assert client.is_closed()


def test_clients_that_leave_harm_nothing(running: Running, door: Door) -> None:
    """A connection dropped at any point of a request leaves the server whole."""
    whole = POST + b"Content-Length: %d\r\n\r\n" % len(GOOD) + GOOD
    for cut in range(0, len(whole), 9):
        with Client(running.port) as client:
            client.send(whole[:cut])
    eventually(lambda: not running.server.server_state.connections)


def test_a_foreign_host_is_misdirected(running: Running) -> None:
    """A web page that has its name resolve to this machine gets no further."""
    for host in (b"evil.example", b"evil.example:8000", b"127.0.0.1.evil.example", b"[::2]", b"10.0.0.1"):
        ask(running.port, b"GET /healthz HTTP/1.1\r\nHost: " + host + b"\r\n\r\n").problem(421)
    for host in (b"127.0.0.1:8000", b"LOCALHOST:1", b"[::1]:8000", b"127.1.2.3", b"console.localhost"):
        assert ask(running.port, b"GET /healthz HTTP/1.1\r\nHost: " + host + b"\r\n\r\n").status == 200


def test_an_upgrade_that_is_not_offered_is_an_ordinary_request(running: Running) -> None:
    """There are no web sockets here."""
    upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n"
    assert ask(running.port, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + upgrade).status == 200


def test_too_many_connections_get_a_503_and_liveness_an_answer() -> None:
    """Above the bound a request is told to come back; a busy gateway is still alive."""
    limits = ConnectionLimits(connections=3)
    with serve(Door().app, limits) as served, ExitStack() as stack:
        first = [stack.enter_context(Client(served.port)) for _ in range(3)]
        eventually(lambda: len(served.server.server_state.connections) == 3)
        answer = ask(served.port, POST + b"Content-Length: %d\r\n\r\n" % len(GOOD) + GOOD)
        answer.problem(503)
        assert answer.headers["retry-after"] == "1"
        assert ask(served.port, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").status == 200
        first[0].send(b"GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n")
        first[1].__exit__()
        first[2].__exit__()
        eventually(lambda: len(served.server.server_state.connections) <= 1)
        assert ask(served.port, POST + b"Content-Length: %d\r\n\r\n" % len(GOOD) + GOOD).status == 202
