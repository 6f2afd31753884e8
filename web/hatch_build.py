"""Puts the built console into the wheel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ConsoleHook(BuildHookInterface):  # type: ignore[type-arg] - its parameter is hatchling's own configuration
    """Adds ``web/dist`` to a wheel; an editable install finds it where it is."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add it.

        Raises:
            FileNotFoundError: It is not built.
        """
        if version != "standard":
            return
        built = Path(self.root) / "web" / "dist"
        if not (built / "index.html").is_file():
            raise FileNotFoundError("the console is not built, and a wheel has it: run `make web` first")
        build_data["force_include"][str(built)] = "mabos/gateway/static"
