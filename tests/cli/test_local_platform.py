"""Where the local platform may be started, checked before anything is."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from mabos.cli.local_platform import LocalPlatform, StartCancelled, local_port
from mabos.kafka.errors import LocalPlatformError, PortTaken
from mabos.kafka.ports import free_ports
from mabos.kafka.probe import http_status
from mabos.kafka.settings import Settings


def settings_on(folder: Path, **overrides: Any) -> Settings:
    broker, registry, gateway = free_ports(3)
    settings: dict[str, Any] = {
        "bootstrap_servers": f"127.0.0.1:{broker}",
        "schema_registry_url": f"http://127.0.0.1:{registry}/apis/ccompat/v7",
        "gateway_url": f"http://127.0.0.1:{gateway}",
        "home": folder / "home",
    }
    return Settings(**settings | overrides)


@pytest.mark.parametrize(
    ("url", "port"),
    [("http://127.0.0.1:8081/apis", 8081), ("http://localhost:80", 80), ("kafka://127.0.0.1:9092", 9092)],
)
def test_a_port_of_this_machine_is_found(url: str, port: int) -> None:
    """By number or name."""
    assert local_port("MABOS_X", url) == port


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1",
        "http://127.0.0.1:99999",
        "http://example.test:80",
        "http://10.0.0.1:80",
        "http://[::1]:80",
        "kafka://127.0.0.1:9092,127.0.0.1:9093",
        "kafka://",
    ],
)
def test_another_machine_is_refused(url: str) -> None:
    """The error names the setting, its value and what is possible, in one line."""
    with pytest.raises(LocalPlatformError) as caught:
        local_port("MABOS_X", url)
    shown = url.removeprefix("kafka://")
    assert str(caught.value) == f"MABOS_X is {shown}: only 127.0.0.1:PORT can be started here"


def test_two_parts_on_one_port_are_refused(tmp_path: Path) -> None:
    """Else the second would wait for itself."""
    settings = settings_on(tmp_path)
    with pytest.raises(LocalPlatformError, match="need a port each"):
        LocalPlatform(
            settings_on(tmp_path, gateway_url=settings.gateway_url, bootstrap_servers=settings.gateway_url[7:])
        )


def test_a_taken_port_is_seen_before_anything_starts(tmp_path: Path) -> None:
    """The gateway is last, but its port is asked for first; nothing was started."""
    steps: list[str] = []
    settings = settings_on(tmp_path)
    with (
        socket.create_server(("127.0.0.1", local_port("", settings.gateway_url))),
        pytest.raises(PortTaken, match=r"gateway: port .* is taken by .* MABOS_GATEWAY_URL"),
    ):
        LocalPlatform(settings, on_step=steps.append).start()
    assert steps == []


def test_a_start_can_be_cancelled(tmp_path: Path) -> None:
    """Before its first step, too."""
    steps: list[str] = []
    with pytest.raises(StartCancelled):
        LocalPlatform(settings_on(tmp_path), on_step=steps.append, is_cancelled=lambda: True).start()
    assert steps == []


@pytest.mark.parametrize("greeting", [b"", b"SSH-2.0-x\r\n"])
def test_no_http_is_no_status(greeting: bytes) -> None:
    """A port that is closed, silent or speaks something else answers nothing, and raises nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/healthz"
        with socket.create_connection(server.getsockname()):
            peer, _ = server.accept()
            peer.sendall(greeting)
            peer.close()
        assert http_status(url, timeout_s=0.1) is None
    assert http_status(url, timeout_s=0.1) is None
