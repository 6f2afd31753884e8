"""The bundled Avro schemas, found beside the room in a checkout and inside the package in a wheel."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_HERE = Path(__file__).parent
SCHEMA_FOLDER = _HERE / "avro" if (_HERE / "avro").is_dir() else _HERE.parents[1] / "avro"


@cache
def read_schema(name: str) -> str:
    """The text of a bundled schema.

    Args:
        name: ``task_request``, ``task_response`` or ``task_control``.

    Raises:
        FileNotFoundError: No bundled schema has that name.
    """
    return (SCHEMA_FOLDER / f"{name}.avsc").read_text(encoding="utf-8")
