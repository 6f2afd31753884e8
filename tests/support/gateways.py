"""Gateways in processes of their own, for tests that kill and freeze them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

from mabos.kafka.ports import free_ports
from mabos.kafka.settings import Settings
from tests.support.waiting import eventually


@contextmanager
def gateway_process(
    settings: Settings, folder: Path, *, before: Sequence[str] = ()
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A gateway in a process of its own, that is ready; it logs into ``gateway.log`` of a folder.

    Args:
        settings: Its settings.
        folder: Where it runs.
        before: A command that runs it, such as one that sets limits first.
    """
    (port,) = free_ports(1)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MABOS_")}
    environment |= {
        f"MABOS_{name.upper()}": str(value)
        for name, value in settings.model_dump(mode="json", exclude_none=True, exclude={"database_url"}).items()
    }
    if "database_url" in settings.model_fields_set:
        environment["MABOS_DATABASE_URL"] = settings.database_url.get_secret_value()
    arguments = [*before, sys.executable, "-m", "mabos.cli.main", "gateway", "run", "--port", str(port)]
    with (folder / "gateway.log").open("wb") as log:
        process = subprocess.Popen(arguments, env=environment, cwd=folder, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        eventually(lambda: _is_ready(url), timeout_s=60)
        yield process, url
    finally:
        process.kill()
        process.wait()


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=15).status_code == 200
    except httpx.TransportError:
        return False
