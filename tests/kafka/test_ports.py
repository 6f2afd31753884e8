"""Ports: free ones differ, taken ones are told with their holder."""

from __future__ import annotations

import os
import socket

import pytest

from mabos.kafka.errors import PortTaken
from mabos.kafka.ports import LOOPBACK, free_ports, is_listening, require_free


def test_free_ports_are_different() -> None:
    """A cluster needs several at once."""
    assert len(set(free_ports(10))) == 10


@pytest.mark.parametrize("host", [LOOPBACK, "0.0.0.0"])
def test_taken_port_names_its_holder_and_the_way_out(host: str) -> None:
    """One line: which process, and where to give another port."""
    with socket.create_server((host, 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(PortTaken) as caught:
            require_free(port, name="broker", setting="--port")
    message = str(caught.value)
    assert f"port {port} is taken by" in message
    assert f"(process {os.getpid()})" in message
    assert "--port" in message


def test_port_of_a_closed_connection_is_free() -> None:
    """What lingers in TIME_WAIT after a restart does not count."""
    with socket.create_server((LOOPBACK, 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection((LOOPBACK, port)), server.accept()[0] as accepted:
            accepted.shutdown(socket.SHUT_RDWR)
        assert is_listening(port)
    require_free(port, name="broker", setting="--port")
    assert not is_listening(port)
