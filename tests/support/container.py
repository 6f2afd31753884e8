"""The broker of this checkout in a container: built from ``infra/kafka/Dockerfile``, started, awaited, removed.

``MABOS_TEST_BASE_IMAGE`` is the base image, ``debian:bookworm-slim`` unless told. Without a Docker engine nothing here
can run: that is one line and exit code 69 (EX_UNAVAILABLE), not a skip, because a run that proved nothing must not look
like one that did. ``python -m tests.support.container`` only asks whether there is an engine.
"""

from __future__ import annotations

import os
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker.errors
import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from testcontainers.core.container import DockerContainer
from testcontainers.core.docker_client import DockerClient, get_docker_host
from testcontainers.core.image import DockerImage

from mabos.kafka.container_context import prepare_context
from mabos.kafka.ports import LOOPBACK, free_ports
from mabos.kafka.process import telling_line
from tests.support.waiting import eventually

BASE_IMAGE = "debian:bookworm-slim"
TAG = "mabos-kafka:test"
_ENGINE_TIMEOUT_S = 10
_BUILD_TIMEOUT_S = 300
_START_TIMEOUT_S = 90
_PORT_ATTEMPTS = 3
_NO_GROUP = "mabos-readiness"


@contextmanager
def run_container_broker() -> Iterator[str]:
    """Run one broker in a container; gives its bootstrap servers.

    Ends the test run in one line if there is no Docker engine, or the image cannot be built.
    """
    if problem := find_engine_problem():
        pytest.exit(problem, returncode=os.EX_UNAVAILABLE)
    os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")  # its image would have to be pulled
    build_image()
    container, servers = _start()
    try:
        _await_answer(container, servers)
        yield servers
    finally:
        container.stop()


def find_engine_problem() -> str | None:
    """One line saying that no Docker engine answers, or ``None`` if one does."""
    place = get_docker_host() or "unix:///var/run/docker.sock"
    try:
        if place.startswith("unix://"):  # first: Docker's client leaks the socket that finds nobody
            with socket.socket(socket.AF_UNIX) as sock:
                sock.connect("/" + place.removeprefix("unix://").lstrip("/"))
        DockerClient(timeout=_ENGINE_TIMEOUT_S).client.close()
    except (OSError, docker.errors.DockerException):
        return f"no Docker engine answers at {place}: start one or set DOCKER_HOST (make test needs none)"
    return None


def build_image() -> None:
    """Build the image; after the first time the engine finds the layers in its cache."""
    base = os.environ.get("MABOS_TEST_BASE_IMAGE") or BASE_IMAGE
    with tempfile.TemporaryDirectory(prefix="mabos-context-") as folder:
        prepare_context(Path(folder))
        image = DockerImage(
            folder,
            {"timeout": _BUILD_TIMEOUT_S},
            tag=TAG,
            clean_up=False,  # its layers are the cache
            buildargs={"BASE_IMAGE": base},
            forcerm=True,
        )
        try:
            image.build()
        except (docker.errors.BuildError, docker.errors.APIError) as error:
            reason = telling_line(str(error).splitlines())
            pytest.exit(
                f"no image can be built from {base}: {reason} (make base-image makes one where none can be pulled)", 1
            )
        finally:
            image.remove()  # only closes its client


def _start() -> tuple[DockerContainer, str]:
    """Start a container at a free port, chosen first: the broker must know at its start what to advertise."""
    for attempt in range(1, _PORT_ATTEMPTS + 1):
        container = DockerContainer(TAG)
        host = container.get_docker_client().host()
        is_here = host == "localhost"
        address = LOOPBACK if is_here else "0.0.0.0"  # else the engine is on another machine
        (port,) = free_ports(1)
        servers = f"{LOOPBACK if is_here else host}:{port}"
        container.with_env("MABOS_ADVERTISED_LISTENER", servers)
        container.ports["9092/tcp"] = (address, port)  # type: ignore[assignment]  # Docker takes pairs, its types do not
        try:
            container.start()
        except docker.errors.APIError as error:
            container.stop()
            lost_port = any(text in str(error) for text in ("already allocated", "already in use"))
            if not lost_port or attempt == _PORT_ATTEMPTS:
                raise
        else:
            return container, servers
    raise AssertionError("unreachable")


def _await_answer(container: DockerContainer, servers: str) -> None:
    admin = AdminClient({"bootstrap.servers": servers, "log_level": 0, "reconnect.backoff.max.ms": 200})

    def look() -> bool:
        container.reload()
        if container.status in {"exited", "dead"}:
            output = b"\n".join(container.get_logs()).decode(errors="replace")
            pytest.exit(f"the broker's container ended: {telling_line(output.splitlines())}", 1)
        try:
            if not admin.list_topics(timeout=2).brokers:
                return False
            admin.describe_consumer_groups([_NO_GROUP], request_timeout=2)[_NO_GROUP].result()
        except KafkaException as error:  # as for the local broker: groups can be used once one is said not to exist
            return bool(error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND)
        return True

    eventually(look, timeout_s=_START_TIMEOUT_S)


if __name__ == "__main__":
    if line := find_engine_problem():
        sys.stderr.write(f"{line}\n")
        sys.exit(os.EX_UNAVAILABLE)
