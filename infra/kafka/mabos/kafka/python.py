"""How a Python program of ours is called, to run as a guarded process."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonCommand:
    """What to run, and how."""

    name: str
    """What people call it, such as ``gateway``; error messages begin with it."""
    arguments: Sequence[str]
    """What follows ``python``."""
    log_file: Path | None = None
    """Gets both outputs, appended; None sends them to our own standard error."""
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    """Its environment; by default this process's own."""
    kept_open: Sequence[int] = ()
    """File descriptors it inherits."""

    def argv(self) -> list[str]:
        """The command line."""
        return [sys.executable, *self.arguments]
