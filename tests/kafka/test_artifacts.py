"""The pinned parts: read, found, verified, fetched once."""

from __future__ import annotations

import hashlib
import shutil
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from mabos.kafka import artifacts as artifacts_module
from mabos.kafka.artifacts import (
    LOCK_FILE,
    Artifact,
    Fetch,
    default_cache_dir,
    fetch_artifacts,
    fetch_registry,
    read_lock,
    write_lock,
)
from mabos.kafka.errors import DiskProblem, DownloadFailed, LocalPlatformError

SHA512 = "ab" * 64


class Shelf:
    """A repository on disk that counts what it hands out."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.fetched: list[str] = []
        folder.mkdir()

    def put(self, coordinates: str, content: bytes) -> Artifact:
        """Publish a file, and pin it."""
        artifact = Artifact(
            part="broker", coordinates=coordinates, size_bytes=len(content), sha512=hashlib.sha512(content).hexdigest()
        )
        (self.folder / artifact.file_name).write_bytes(content)
        return artifact

    @property
    def fetch(self) -> Fetch:
        """Copies from this folder in place of a download."""

        def copy(wanted: list[Artifact], folder: Path, accept: Callable[[Artifact, Path], None]) -> None:
            for artifact in wanted:
                self.fetched.append(artifact.file_name)
                accept(artifact, Path(shutil.copy(self.folder / artifact.file_name, folder)))

        return copy


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "shelf")


def test_lock_list_in_the_package_pins_both_parts() -> None:
    """The shipped list has the broker's jars and one registry, each once."""
    artifacts = read_lock(LOCK_FILE.read_text("utf-8"))
    names = [artifact.file_name for artifact in artifacts]
    assert len(set(names)) == len(names) > 40
    assert "kafka-clients-4.2.2.jar" in names
    assert [artifact.file_name for artifact in artifacts if artifact.part == "registry"] == [
        "apicurio-registry-app-3.3.3-all.tar.gz"
    ]


def test_lock_list_is_read_as_it_was_written() -> None:
    """Writing and reading are inverse."""
    artifacts = (
        Artifact(part="broker", coordinates="a.b:c:jar:1.0", size_bytes=3, sha512=SHA512),
        Artifact(part="registry", coordinates="a.b:d:tar.gz:all:2", size_bytes=4, sha512=SHA512),
    )
    assert read_lock(write_lock(artifacts)) == artifacts


@pytest.mark.parametrize(
    "line",
    [
        "broker a:b:jar:1 3",
        f"broker a:b:jar:1 three {SHA512}",
        "broker a:b:jar:1 3 abcd",
        f"broker a:b 3 {SHA512}",
        f"house a:b:jar:1 3 {SHA512}",
    ],
)
def test_malformed_line_is_named_by_its_number(line: str) -> None:
    """A damaged installation says so in one line."""
    with pytest.raises(LocalPlatformError, match=r"line 2 is malformed"):
        read_lock(f"# a comment\n{line}\n")


def test_files_are_fetched_once(tmp_path: Path, shelf: Shelf) -> None:
    """A second start finds everything in the cache."""
    wanted = [shelf.put("g:one:jar:1", b"one"), shelf.put("g:two:jar:1", b"two")]
    first = fetch_artifacts(wanted, tmp_path / "cache", fetch=shelf.fetch)
    second = fetch_artifacts(wanted, tmp_path / "cache", fetch=shelf.fetch)
    assert [path.read_bytes() for path in first] == [b"one", b"two"]
    assert second == first
    assert shelf.fetched == ["one-1.jar", "two-1.jar"]


@pytest.mark.parametrize("damage", [b"", b"oNe", b"longer than before"])
def test_damaged_file_is_fetched_again(tmp_path: Path, shelf: Shelf, damage: bytes) -> None:
    """Other bytes in the cache are never used, whether their number changed or not."""
    wanted = [shelf.put("g:one:jar:1", b"one")]
    (path,) = fetch_artifacts(wanted, tmp_path / "cache", fetch=shelf.fetch)
    path.write_bytes(damage)
    assert fetch_artifacts(wanted, tmp_path / "cache", fetch=shelf.fetch) == [path]
    assert path.read_bytes() == b"one"
    assert len(shelf.fetched) == 2


def test_intact_file_with_a_new_time_is_kept(tmp_path: Path, shelf: Shelf) -> None:
    """A copied cache is hashed anew, not downloaded anew."""
    wanted = [shelf.put("g:one:jar:1", b"one")]
    (path,) = fetch_artifacts(wanted, tmp_path / "cache", fetch=shelf.fetch)
    path.write_bytes(b"one")
    fetch_artifacts(wanted, tmp_path / "cache", fetch=shelf.fetch)
    assert shelf.fetched == ["one-1.jar"]


def test_other_bytes_than_pinned_are_refused(tmp_path: Path, shelf: Shelf) -> None:
    """What came is never used unless it is what was pinned; the message says what to do."""
    artifact = shelf.put("g:one:jar:1", b"one")
    (shelf.folder / artifact.file_name).write_bytes(b"evil")
    with pytest.raises(DownloadFailed, match=r"one-1\.jar: what was downloaded is not what was pinned: try again"):
        fetch_artifacts([artifact], tmp_path / "cache", fetch=shelf.fetch)
    assert not (tmp_path / "cache" / "artifacts" / "one-1.jar").exists()


def test_two_processes_fetch_once(tmp_path: Path, shelf: Shelf) -> None:
    """Whoever comes second waits for the first and finds the files."""
    wanted = [shelf.put("g:one:jar:1", b"one")]
    entered, go_on = threading.Event(), threading.Event()

    def slow(artifacts: list[Artifact], folder: Path, accept: Callable[[Artifact, Path], None]) -> None:
        entered.set()
        assert go_on.wait(10)
        shelf.fetch(artifacts, folder, accept)

    first = threading.Thread(target=fetch_artifacts, args=(wanted, tmp_path / "cache"), kwargs={"fetch": slow})
    first.start()
    assert entered.wait(10)
    second = threading.Thread(target=fetch_artifacts, args=(wanted, tmp_path / "cache"), kwargs={"fetch": slow})
    second.start()
    go_on.set()
    first.join(10)
    second.join(10)
    assert shelf.fetched == ["one-1.jar"]


def test_cache_that_cannot_be_made_is_named(tmp_path: Path, shelf: Shelf) -> None:
    """One line says which folder, and which variable chooses another."""
    (tmp_path / "file").write_text("")
    with pytest.raises(DiskProblem, match="MABOS_CACHE_DIR"):
        fetch_artifacts([shelf.put("g:one:jar:1", b"one")], tmp_path / "file" / "cache", fetch=shelf.fetch)


def test_registry_is_unpacked_once_and_again_when_damaged(
    tmp_path: Path, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A changed file in the unpacked registry brings a fresh one; an intact one is used as it is."""
    (tmp_path / "app.jar").write_bytes(b"app")
    with tarfile.open(tmp_path / "packed.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "app.jar", "app/app.jar")
    artifact = shelf.put("g:registry:tar.gz:all:1", (tmp_path / "packed.tar.gz").read_bytes())
    monkeypatch.setattr(artifacts_module, "locked_artifacts", lambda _part: [artifact])

    folder = fetch_registry(tmp_path / "cache", fetch=shelf.fetch)
    assert fetch_registry(tmp_path / "cache", fetch=shelf.fetch) == folder
    assert len(shelf.fetched) == 1
    (folder / "app" / "app.jar").write_bytes(b"damaged")
    fetch_registry(tmp_path / "cache", fetch=shelf.fetch)
    assert (folder / "app" / "app.jar").read_bytes() == b"app"
    assert len(shelf.fetched) == 2


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"MABOS_CACHE_DIR": "/somewhere/cache", "XDG_CACHE_HOME": "/xdg"}, "/somewhere/cache"),
        ({"XDG_CACHE_HOME": "/xdg"}, "/xdg/mabos"),
        ({"HOME": "/home/someone"}, "/home/someone/.cache/mabos"),
    ],
)
def test_cache_is_chosen_by_the_environment(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], expected: str
) -> None:
    """Ours first, then the desktop's convention, then the home folder."""
    for name in ("MABOS_CACHE_DIR", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert default_cache_dir() == Path(expected)
