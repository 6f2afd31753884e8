"""Where the gateway listens, how it stops, and that it needs neither Kafka nor the registry to run."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from mabos.gateway import AddressRefused, run_gateway
from mabos.gateway.hosts import is_loopback
from mabos.gateway.server import open_listener
from mabos.kafka.errors import PortTaken
from mabos.kafka.ports import free_ports
from mabos.kafka.settings import Settings
from mabos.schemas.errors import MabosError
from tests.gateway.fakes import Door
from tests.gateway.shape import read_problem
from tests.gateway.sockets import GOOD, POST, Client, serve
from tests.support.waiting import eventually

RUN = """
import logging, sys
from mabos.gateway import run_gateway
from mabos.kafka.settings import load_settings
logging.basicConfig(level=logging.INFO, stream=sys.stderr)
run_gateway(load_settings())
"""


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7"])
def test_an_open_gateway_listens_on_loopback_only(host: str) -> None:
    """Where callers need not say who they are, nobody else may reach it; one line says what to do."""
    with pytest.raises(AddressRefused, match=r"loopback only, .*set MABOS_GATEWAY_AUTH=required") as refused:
        open_listener(host, 0)
    assert isinstance(refused.value, MabosError)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("host", ["example.com", "127.0.0.1.example.com", "", " "])
def test_what_is_no_address_is_refused(host: str) -> None:
    """A name may mean anything tomorrow."""
    for is_open in (True, False):
        with pytest.raises(AddressRefused, match="no address of this machine"):
            open_listener(host, 0, is_open=is_open)


def test_a_gateway_that_knows_its_callers_listens_elsewhere(caplog: pytest.LogCaptureFixture) -> None:
    """And warns that keys cross the network as they are."""
    with open_listener("0.0.0.0", 0, is_open=False) as listener:
        assert listener.getsockname()[0] == "0.0.0.0"
    assert "plain HTTP" in caplog.text


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST", "127.0.0.2", "::1"])
def test_every_loopback_address_is_listened_on(host: str) -> None:
    """IPv4, IPv6 and the name."""
    if host == "::1" and not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    with open_listener(host, 0) as listener:
        assert is_loopback(listener.getsockname()[0] if host != "::1" else "[::1]")


def test_a_taken_port_is_said_so_in_one_line() -> None:
    """With who has it, and what to do."""
    with (
        open_listener("127.0.0.1", 0) as holder,
        pytest.raises(PortTaken, match=r"port \d+ is taken by .*: stop it, or give another with --port") as taken,
    ):
        run_gateway(Settings(), port=holder.getsockname()[1])
    assert "\n" not in str(taken.value)


@pytest.mark.parametrize("port", [-1, 65_536, 1_000_000])
def test_a_port_that_cannot_be_is_refused(port: int) -> None:
    """In one line."""
    with pytest.raises(AddressRefused, match=f"port {port}"):
        open_listener("127.0.0.1", port)


def test_the_address_is_that_of_the_settings() -> None:
    """Host and port are those of gateway_url, unless given."""
    (port,) = free_ports(1)
    with open_listener("127.0.0.1", port), pytest.raises(PortTaken, match=str(port)):
        run_gateway(Settings(gateway_url=f"http://localhost:{port}"))
    with pytest.raises(AddressRefused, match=r"example\.com"):
        run_gateway(Settings(gateway_url="http://example.com:8000"))


def test_a_stop_answers_the_requests_in_hand_then_stops_the_producer() -> None:
    """A task that waits for its acknowledgement is answered before the producer goes; new connections are not taken."""
    door = Door()
    door.producer.hold = True
    with serve(door.app) as served, Client(served.port) as client:
        client.send(POST + b"Content-Length: %d\r\n\r\n" % len(GOOD) + GOOD)
        eventually(lambda: door.producer.sent)
        stopping = threading.Thread(target=served.stop)
        stopping.start()
        eventually(lambda: not accepts(served.port))
        assert door.producer.stopped_with_s == []
        door.producer.acknowledge_all()
        answer = client.read()
        stopping.join()
        assert answer.status == 202
        assert answer.headers["connection"] == "close"
    assert door.producer.stopped_with_s == [5.0]


def accepts(port: int) -> bool:
    with socket.socket() as sock:
        sock.settimeout(1)
        return sock.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def gateway_process(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A gateway in a process of its own, with nothing where its Kafka and its registry should be."""
    own, kafka, registry = free_ports(3)
    url = f"http://127.0.0.1:{own}"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MABOS_")} | {
        "MABOS_GATEWAY_URL": url,
        "MABOS_BOOTSTRAP_SERVERS": f"127.0.0.1:{kafka}",
        "MABOS_SCHEMA_REGISTRY_URL": f"http://127.0.0.1:{registry}",
        "MABOS_CACHE_DIR": str(folder / "cache"),
    }
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", RUN], env=environment, stderr=subprocess.PIPE, text=True, cwd=folder
    )
    try:
        yield process, url
    finally:
        process.kill()
        process.communicate()


def is_alive(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_runs_without_kafka_and_stops_when_told(tmp_path: Path, number: signal.Signals) -> None:
    """Alive, not ready, a task is a 503 that says what is away; SIGTERM and Ctrl-C end it with exit code 0."""
    with gateway_process(tmp_path) as (process, url):
        eventually(lambda: is_alive(url))
        ready = httpx.get(f"{url}/readyz", timeout=15)
        assert [error["field"] for error in read_problem(ready, 503)["errors"]] == ["schema_registry", "kafka"]
        answer = httpx.post(f"{url}/api/tasks", json=json.loads(GOOD), timeout=15)
        assert "MABOS_SCHEMA_REGISTRY_URL" in read_problem(answer, 503)["detail"]
        process.send_signal(number)
        _, log = process.communicate(timeout=30)
        assert process.returncode == 0, log
        assert f"the gateway listens on {url}" in log
        assert re.search(r"tasks cannot be published yet: schema registry at", log)
        assert "Traceback" not in log
