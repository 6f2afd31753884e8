"""The JVM's notes about a program (JEP 483, 514, 515): classes loaded, linked and profiled once, for quicker starts.

A program is trained by one start and stop. Notes are kept in the shared cache under a name made of everything that the
JVM compares before it believes them; notes that do not fit are ignored by it, so they can only cost time.
"""

from __future__ import annotations

import fcntl
import hashlib
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from mabos.kafka.artifacts import find_java
from mabos.kafka.errors import DiskProblem, LocalPlatformError

TRAINING_TIMEOUT_S = 120.0
_KEPT = 3

Train = Callable[[Path, Sequence[str]], None]
"""Starts and stops the program in an empty folder, with the JVM flags given."""


def find_notes(cache_dir: Path, program: str, jars: Sequence[Path], train: Train) -> Path | None:
    """Find the notes about a program; the first time, train it for some 20 s.

    Args:
        cache_dir: The shared cache, which exists.
        program: A short name, such as ``broker``.
        jars: Its class path.
        train: Called in the first case. It may fail: then programs start without, and it is not tried again.

    Returns:
        A file for ``notes_flags``, or ``None`` if the training failed.

    Raises:
        DiskProblem: The cache cannot be written.
    """
    notes = cache_dir / f"{program}-{fingerprint(jars)}.aot"
    if not notes.exists():
        try:
            with notes.with_suffix(".lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if not notes.exists():
                    _make(notes, program, train)
        except OSError as error:
            raise DiskProblem(
                f"{cache_dir}: {error.strerror}: set MABOS_CACHE_DIR to a folder you can write"
            ) from error
    return notes if notes.stat().st_size else None


def notes_flags(notes: Path | None) -> list[str]:
    """The JVM flags that use notes, or none."""
    return [f"-XX:AOTCache={notes}", "-Xlog:aot*=error:stderr"] if notes else []


def fingerprint(jars: Sequence[Path]) -> str:
    """Name what the JVM compares: its own modules and the jars, by path, size and time."""
    modules = find_java().parents[1] / "lib" / "modules"
    facts = [f"{path} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in [modules, *jars]]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]


def _make(notes: Path, program: str, train: Train) -> None:
    sys.stderr.write(f"preparing the {program} for quick starts: once, for some 20 s\n")
    draft = notes.with_suffix(".draft")
    with tempfile.TemporaryDirectory(prefix="mabos-training-") as folder, suppress(LocalPlatformError):
        train(Path(folder), [f"-XX:AOTCacheOutput={draft}", "-Xlog:aot*=error:stderr"])
    draft.touch()  # empty if the training failed
    draft.replace(notes)
    found = sorted(notes.parent.glob(f"{program}-*.aot"), key=lambda path: path.stat().st_mtime, reverse=True)
    for old in found[_KEPT:]:
        old.unlink(missing_ok=True)
        old.with_suffix(".lock").unlink(missing_ok=True)
