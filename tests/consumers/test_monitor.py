"""The monitor over real sockets: what it answers, and clients that are slow, wrong or too many."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace

import pytest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from structlog.testing import capture_logs

from mabos.consumers.errors import MonitorFailed
from mabos.consumers.monitor import Monitor, MonitorLimits
from mabos.kafka.errors import PortTaken
from tests.support.waiting import eventually

HASTY = MonitorLimits(connections=2, head_bytes=1000, head_timeout_s=0.3, answer_timeout_s=0.3, linger_s=0.3)


@dataclass
class Source:
    """Gives one family, or fails; says why it is not ready, or fails."""

    error: Exception | None = None
    reason: str | None = None
    size: int = 1
    held: threading.Event = field(default_factory=threading.Event)
    """A scrape waits for it."""
    asked: int = 0

    def __post_init__(self) -> None:
        self.held.set()

    def collect(self) -> Iterator[Metric]:
        self.asked += 1
        self.held.wait(10)
        if self.error is not None:
            raise self.error
        yield GaugeMetricFamily("mabos_test_asked", "x" * self.size, self.asked)

    def unready(self) -> str | None:
        if self.error is not None:
            raise self.error
        return self.reason


@contextmanager
def serve(source: Source, limits: MonitorLimits | None = None) -> Iterator[Monitor]:
    with Monitor(source, source.unready, limits=limits) as monitor:
        yield monitor


@pytest.fixture(scope="module")
def source() -> Source:
    return Source()


@pytest.fixture(scope="module")
def monitor(source: Source) -> Iterator[Monitor]:
    with serve(source) as running:
        yield running


@pytest.fixture(scope="module")
def hasty() -> Iterator[Monitor]:
    """A monitor that soon loses its patience."""
    with serve(Source(), HASTY) as running:
        yield running


def ask(port: int, path: str, *, method: str = "GET", **headers: str) -> tuple[http.client.HTTPResponse, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer, answer.read().decode()
    finally:
        connection.close()


def send(port: int, data: bytes) -> bytes:
    """All that comes back for these bytes, until the monitor closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(data)
        return b"".join(iter(lambda: client.recv(65_536), b""))


def test_metrics_are_prometheus_text(monitor: Monitor) -> None:
    """For whoever says nothing about formats; each scrape asks anew."""
    values = []
    for _ in range(2):
        answer, text = ask(monitor.port, "/metrics?any=thing")
        assert (answer.status, answer.headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
        (family,) = parse_text(text)
        values.append(family.samples[0].value)
    assert values[1] == values[0] + 1


def test_metrics_are_openmetrics_on_request(monitor: Monitor) -> None:
    """As Prometheus asks for it."""
    accept = "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
    answer, text = ask(monitor.port, "/metrics", Accept=accept)
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    assert [family.name for family in parse_openmetrics(text)] == ["mabos_test_asked"]


@pytest.mark.parametrize("accept", ["application/openmetrics-text;version=x", "text/plain;version=", ",;=", "\xff"])
def test_an_odd_accept_header_gets_text(accept: str, monitor: Monitor) -> None:
    """It is no error of the process."""
    answer, text = ask(monitor.port, "/metrics", Accept=accept)
    assert answer.status == 200
    assert list(parse_text(text))


def test_a_folded_header_does_not_break_the_answer(monitor: Monitor) -> None:
    """What the client sends never becomes a header of its own."""
    request = b"GET /metrics HTTP/1.1\r\nAccept: application/openmetrics-text;version=1.0.0;\r\n x=y\r\nHost: a\r\n\r\n"
    head = send(monitor.port, request).partition(b"\r\n\r\n")[0]
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"x=y" not in head


def test_health_and_readiness(monitor: Monitor, source: Source) -> None:
    """Alive whenever it answers; ready, or one line that says why not."""
    answer, text = ask(monitor.port, "/healthz")
    assert (answer.status, text) == (200, "ok\n")
    answer, text = ask(monitor.port, "/readyz")
    assert (answer.status, text) == (200, "ready\n")
    source.reason = "no partitions\nyet"
    try:
        answer, text = ask(monitor.port, "/readyz")
        assert (answer.status, text) == (503, "no partitions yet\n")
        assert ask(monitor.port, "/healthz")[0].status == 200
    finally:
        source.reason = None


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/readyz"])
def test_head_is_get_without_its_body(path: str, monitor: Monitor) -> None:
    """The same status and length."""
    answer, text = ask(monitor.port, path, method="HEAD")
    full, body = ask(monitor.port, path)
    assert (answer.status, text) == (200, "")
    assert answer.headers["Content-Type"] == full.headers["Content-Type"]
    assert abs(int(answer.headers["Content-Length"]) - len(body.encode())) <= 1  # the count of scrapes has grown


@pytest.mark.parametrize("path", ["/", "/metrics/", "/../metrics", "*", "http://elsewhere/metrics"])
def test_an_unknown_path_is_told_which_there_are(path: str, monitor: Monitor) -> None:
    """404."""
    answer = send(monitor.port, f"GET {path} HTTP/1.1\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert answer.endswith(b"there are /metrics, /healthz and /readyz\n")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "get", "X" * 100])
def test_other_methods_are_refused(method: str, monitor: Monitor) -> None:
    """405 with those that are allowed; a large body is not taken, and yet the answer arrives."""
    answer, text = ask(monitor.port, "/metrics", method=method)
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")
    assert text == "only GET and HEAD are answered\n"
    request = f"{method} /metrics HTTP/1.1\r\nContent-Length: 50000\r\nExpect: 100-continue\r\n\r\n".encode()
    assert send(monitor.port, request + bytes(50_000)).startswith(b"HTTP/1.1 405 ")


@pytest.mark.parametrize("header", ["Content-Length: 3", "Content-Length: x", "Transfer-Encoding: chunked"])
def test_a_get_with_a_body_is_refused(header: str, monitor: Monitor) -> None:
    """413: nothing here takes one."""
    answer = send(monitor.port, f"GET /metrics HTTP/1.1\r\n{header}\r\n\r\nabc".encode())
    assert answer.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01\r\n\r\n", b"400"),
        (b"GET\r\n\r\n", b"400"),
        (b"GET /nothing\r\n\r\n", b"404"),
        (b"GET /metrics HTTP/9.9\r\n\r\n", b"505"),
        (b"GET /metrics HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n", b"431"),
        (b"GET /" + b"a" * 20_000, b"431"),
    ],
)
def test_what_is_no_request_is_refused_in_one_line(data: bytes, status: bytes, monitor: Monitor) -> None:
    """Plain text, no page, and nothing about the server."""
    head, _, body = send(monitor.port, data).partition(b"\r\n\r\n")
    assert head.split(b" ")[1] == status
    assert body.count(b"\n") == 1
    assert b"Server" not in head


def test_an_error_is_told_and_does_not_end_the_monitor() -> None:
    """500 for what failed, its cause in the log only; the next request is answered."""
    source = Source(error=RuntimeError("secret"))
    with serve(source) as monitor, capture_logs() as logs:
        for path in ("/metrics", "/readyz"):
            answer, text = ask(monitor.port, path)
            assert (answer.status, text) == (500, "it cannot be told now: see the log\n")
        assert ask(monitor.port, "/healthz")[0].status == 200
        source.error = None
        assert [line["path"] for line in logs if line["log_level"] == "error"] == ["/metrics", "/readyz"]
        assert ask(monitor.port, "/metrics")[0].status == 200


def test_a_head_that_does_not_come_ends_the_connection(hasty: Monitor) -> None:
    """Neither silence nor a byte now and then keeps a connection longer than a head may take."""
    began_s = time.monotonic()
    assert send(hasty.port, b"").startswith(b"HTTP/1.1 408 ")
    with socket.create_connection(("127.0.0.1", hasty.port), timeout=10) as client:
        client.settimeout(0.05)
        data = b""
        while not data:
            client.sendall(b"a")
            try:
                data = client.recv(100)
            except TimeoutError:
                continue
        assert data.startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - began_s < 5


def test_who_does_not_read_loses_the_connection() -> None:
    """An answer that nobody takes holds its thread no longer than it may, and others are answered meanwhile."""
    with serve(Source(size=20_000_000), HASTY) as monitor, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", monitor.port))
        client.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        threads = eventually(lambda: [t for t in threading.enumerate() if "process_request_thread" in t.name])
        assert ask(monitor.port, "/healthz")[0].status == 200
        threads[0].join(10)
        assert not threads[0].is_alive()


def test_more_clients_than_there_may_be_are_closed(hasty: Monitor) -> None:
    """And when those that idle are gone, others are answered again."""
    with ExitStack() as stack:
        for _ in range(HASTY.connections):
            stack.enter_context(socket.create_connection(("127.0.0.1", hasty.port)))
        assert send(hasty.port, b"") == b""
    eventually(lambda: send(hasty.port, b"GET /healthz HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 200 "))


def test_one_scrape_at_a_time() -> None:
    """A second one waits its turn, and no longer than it may; health does not wait."""
    source = Source()
    with serve(source, replace(HASTY, connections=3)) as monitor:  # one that was answered frees its place a bit later
        source.held.clear()
        first = threading.Thread(target=ask, args=(monitor.port, "/metrics"))
        first.start()
        eventually(lambda: source.asked == 1)
        answer, text = ask(monitor.port, "/metrics")
        assert (answer.status, text) == (503, "other scrapes are under way\n")
        assert ask(monitor.port, "/healthz")[0].status == 200
        source.held.set()
        first.join()
        assert source.asked == 1
        assert ask(monitor.port, "/metrics")[0].status == 200


def test_a_taken_port_is_refused_by_its_number(monitor: Monitor, source: Source) -> None:
    """One line with the port, who has it, and the option that gives another."""
    with pytest.raises(PortTaken, match=rf"^metrics: port {monitor.port} is taken by .*--metrics-port$"):
        Monitor(source, source.unready, port=monitor.port)


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid", "a" * 100 + ".b", ""])
def test_an_address_of_another_machine_is_refused(host: str, source: Source) -> None:
    """One line with the address; an empty one is not everybody's."""
    with pytest.raises(MonitorFailed, match=rf"^metrics: cannot listen on {host}, port 0: "):
        Monitor(source, source.unready, host=host)


def test_it_listens_where_it_is_told_and_nowhere_after_the_stop(source: Source) -> None:
    """Loopback by default, IPv6 too; the port is free at once, also when it never started."""
    with Monitor(source, source.unready) as monitor:
        port = monitor.port
        assert monitor.host == "127.0.0.1"
    with Monitor(source, source.unready, port=port):
        assert ask(port, "/healthz")[0].status == 200
    Monitor(source, source.unready, port=port).stop()
    with Monitor(source, source.unready, host="::1", port=port):
        connection = http.client.HTTPConnection("::1", port, timeout=10)
        connection.request("GET", "/healthz")
        assert connection.getresponse().status == 200
        connection.close()
