"""How a JVM of ours is called: a small heap, one collector thread, nothing of our own environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_BASE_FLAGS = (
    "-XX:+UseSerialGC",
    "-XX:-UsePerfData",  # else each JVM leaves a file in the shared temporary folder
    "-XX:+ExitOnOutOfMemoryError",
    "-Djava.awt.headless=true",
    "-Dfile.encoding=UTF-8",
    "--enable-native-access=ALL-UNNAMED",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class JvmCommand:
    """What to run, and how."""

    name: str
    """What people call it, such as ``broker 1``; error messages begin with it."""
    java: Path
    """The ``java`` program."""
    arguments: Sequence[str]
    """Further JVM flags, the class path, the main class and its arguments."""
    log_file: Path
    """Gets both outputs of the JVM, appended."""
    heap_mb: int
    """Upper bound of the heap, in MiB."""
    temporary_dir: Path
    """Where native libraries are unpacked; wiped by whoever owns it."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """The JVM's environment, and nothing else of ours: a stray ``JAVA_TOOL_OPTIONS`` must not matter."""
    kept_open: Sequence[int] = ()
    """File descriptors that the JVM keeps open, so that a folder's lock lives as long as it does."""

    def argv(self) -> list[str]:
        """The command line."""
        flags = [f"-Xmx{self.heap_mb}m", f"-Djava.io.tmpdir={self.temporary_dir}", *_BASE_FLAGS]
        return [str(self.java), *flags, *self.arguments]
