"""Downloading the pinned Java parts from the public repository, and pinning them anew.

Only a cold start and a relock come here: a warm start never loads the HTTP client or the resolver.
"""

from __future__ import annotations

import argparse
import errno
import hashlib
import os
import ssl
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mabos.kafka.artifacts import (
    LOCK_FILE,
    Artifact,
    Part,
    fetch_broker_jars,
    fetch_registry,
    write_lock,
)
from mabos.kafka.errors import DownloadFailed, LocalPlatformError

if TYPE_CHECKING:
    from jgo.maven import MavenContext

_BROKER = ("org.apache.kafka:kafka_2.13:4.2.2", "org.apache.logging.log4j:log4j-slf4j-impl:2.25.5!")
# Not newer: 4.3 and 4.4 lose markers of transactions when a broker comes back (docs/decisions/010-kafka-version.md).
# The "!" keeps log4j's parent from deciding the versions of Kafka's own jars.
_REGISTRY = ("io.apicurio", "apicurio-registry-app", "3.3.3", "all", "tar.gz")

_CERTIFICATES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""Where requests looks for certificates other than its own."""
_THREADS = 4
_ATTEMPTS = 3
_TIMEOUT_S = 30
_REPORT_EVERY_S = 5.0


class Meter:
    """Tells a person how a download goes: a bar on a terminal, else a line at start, every 5 s, and at the end."""

    def __init__(self, what: str, total_bytes: int) -> None:
        self._what = what
        self._total_bytes = total_bytes
        self._done_bytes = 0
        self._lock = threading.Lock()
        self._next_report_s = 0.0
        self._advance: Callable[[int], None] | None = None

    @contextmanager
    def run(self) -> Iterator[None]:
        """Show the progress while the block runs."""
        from rich.console import Console  # noqa: PLC0415 - only for people who wait
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn  # noqa: PLC0415

        console = Console(stderr=True)
        if not console.is_terminal:
            self._report()
            yield
            self._report()
            return
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        with Progress(*columns, console=console) as progress:
            task = progress.add_task(f"downloading {self._what}", total=self._total_bytes)
            self._advance = lambda count: progress.advance(task, count)
            yield

    def add(self, count_bytes: int) -> None:
        """Count bytes that have arrived; negative ones when an attempt is thrown away."""
        with self._lock:
            self._done_bytes += count_bytes
            if self._advance is not None:
                self._advance(count_bytes)
            elif time.monotonic() >= self._next_report_s:
                self._report()

    def _report(self) -> None:
        self._next_report_s = time.monotonic() + _REPORT_EVERY_S
        done, total = self._done_bytes / 1e6, self._total_bytes / 1e6
        sys.stderr.write(f"downloading {self._what}: {done:.0f} of {total:.0f} MB\n")


def fetch(artifacts: list[Artifact], folder: Path, accept: Callable[[Artifact, Path], None]) -> None:
    """Download artifacts in a few threads.

    Args:
        artifacts: What to download.
        folder: An empty folder on the disk of the cache.
        accept: Called with each artifact and its file as soon as it is there; it verifies and takes the file.

    Raises:
        DownloadFailed: One could not be had in three attempts.
    """
    meter = Meter(" and ".join(sorted({f"the {a.part}" for a in artifacts})), sum(a.size_bytes for a in artifacts))
    stop = threading.Event()
    with _system_certificates(), meter.run(), ThreadPoolExecutor(_THREADS) as pool:
        tasks = [pool.submit(_fetch_one, artifact, folder, accept, meter, stop) for artifact in artifacts]
        try:
            done, _ = wait(tasks, return_when=FIRST_EXCEPTION)
            for task in done:
                task.result()
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)


@contextmanager
def _system_certificates() -> Iterator[None]:
    """Have requests trust what this machine trusts, not only its own list, unless it was told what to trust."""
    system = ssl.get_default_verify_paths().cafile
    if system is None or any(os.environ.get(name) for name in _CERTIFICATES):
        yield
        return
    os.environ[_CERTIFICATES[0]] = system  # the only way in: jgo makes its own sessions
    try:
        yield
    finally:
        os.environ.pop(_CERTIFICATES[0], None)


def _fetch_one(
    artifact: Artifact, folder: Path, accept: Callable[[Artifact, Path], None], meter: Meter, stop: threading.Event
) -> None:
    for attempt in range(1, _ATTEMPTS + 1):
        if stop.is_set():
            return
        scratch = Path(tempfile.mkdtemp(dir=folder))
        arrived = 0

        def count(size_bytes: int) -> None:
            nonlocal arrived
            if stop.is_set():
                raise InterruptedError
            arrived += size_bytes
            meter.add(size_bytes)

        try:
            accept(artifact, _resolve(_context(scratch, count), artifact))
        except (OSError, RuntimeError, DownloadFailed) as error:
            meter.add(-arrived)
            if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise  # more attempts make no room: the caller names the disk
            if attempt == _ATTEMPTS or stop.is_set():
                if isinstance(error, DownloadFailed):
                    raise
                raise DownloadFailed(
                    f"cannot download {artifact.file_name} ({_reason(error)}): check the network, HTTPS_PROXY and "
                    "REQUESTS_CA_BUNDLE, then run this again; what has arrived is kept"
                ) from error
        else:
            return


def _context(repository: Path, count: Callable[[int], None]) -> MavenContext:
    try:
        from jgo.maven import MavenContext, PythonResolver  # noqa: PLC0415 - an optional extra
    except ImportError as error:
        raise LocalPlatformError("nothing to download with: install it with pip install 'mabos[local]'") from error

    @contextmanager
    def progress(_name: str, _total_bytes: int) -> Iterator[Callable[[int], None]]:
        yield count

    return MavenContext(resolver=PythonResolver(progress_callback=progress), repo_cache=repository, timeout=_TIMEOUT_S)


def _resolve(context: MavenContext, artifact: Artifact) -> Path:
    group, name, packaging, *classifier, version = artifact.coordinates.split(":")
    component = context.project(group, name).at_version(version)
    return Path(component.artifact("".join(classifier), packaging).resolve())


def _reason(error: Exception) -> str:
    import requests  # noqa: PLC0415 - as above

    reasons: list[tuple[type[Exception], str]] = [
        (requests.exceptions.SSLError, "its TLS certificate is not trusted"),
        (requests.exceptions.ProxyError, "the proxy refused"),
        (requests.exceptions.Timeout, "no answer in time"),
        (requests.exceptions.ConnectionError, "no connection"),
        (requests.exceptions.RequestException, "the transfer broke off"),
        (RuntimeError, "the repository does not have it"),
    ]
    for kind, text in reasons:
        if isinstance(error, kind):
            return text
    return str(error.__cause__ or error)


def resolve_all(folder: Path) -> list[Artifact]:
    """Resolve the versions named in this module, with all that they depend on.

    Args:
        folder: Where the files are downloaded to.

    Returns:
        What the lock list should hold: the broker's jars by coordinates, then the registry.
    """
    context = _context(folder, lambda _: None)
    wanted, needed = context.resolver.resolve([context.create_dependency(text) for text in _BROKER])
    files: list[tuple[Part, Any]] = [("broker", dependency.artifact) for dependency in [*wanted, *needed]]
    group, name, version, classifier, packaging = _REGISTRY
    registry = context.project(group, name).at_version(version).artifact(classifier=classifier, packaging=packaging)
    files.append(("registry", registry))
    with ThreadPoolExecutor(_THREADS) as pool:
        artifacts = list(pool.map(lambda item: _pin(*item), files))
    return sorted(artifacts, key=lambda artifact: (artifact.part, artifact.coordinates))


def _pin(part: Part, artifact: Any) -> Artifact:  # noqa: ANN401 - jgo's own type, which it does not export
    path = artifact.resolve()
    fields = [artifact.groupId, artifact.artifactId, artifact.packaging, artifact.classifier, artifact.version]
    with path.open("rb") as file:
        sha512 = hashlib.file_digest(file, "sha512").hexdigest()
    return Artifact(
        part=part,
        coordinates=":".join(field for field in fields if field),
        size_bytes=path.stat().st_size,
        sha512=sha512,
    )


def main(arguments: list[str]) -> int:
    """Fill the cache, or write the lock list anew.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(prog="python -m mabos.kafka.artifacts", description="Fetch the Java parts.")
    parser.add_argument("--relock", action="store_true", help="resolve the versions anew and rewrite the lock list")
    options = parser.parse_args(arguments)
    try:
        if options.relock:
            with tempfile.TemporaryDirectory() as folder:
                LOCK_FILE.write_text(write_lock(resolve_all(Path(folder))), "utf-8")
        else:
            fetch_broker_jars()
            fetch_registry()
    except LocalPlatformError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0
