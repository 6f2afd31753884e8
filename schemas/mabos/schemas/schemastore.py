"""What one registry told: its ids and their schemas, in memory and in a file that outlives the process."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(slots=True)
class _Known:
    """Keys are text, as JSON has them."""

    texts: dict[str, str] = field(default_factory=dict)
    """Schema by its id."""
    ids: dict[str, int] = field(default_factory=dict)
    """Id by subject and fingerprint of the schema."""


class SchemaStore:
    """Ids and schemas that one registry gave. Safe to share between threads.

    What this process learned is in memory; what it or others learned before is in one JSON file per registry. A file
    that cannot be read or written is as good as none.

    Args:
        folder: Where the file is; None for no file.
        url: Of the registry; names the file.
    """

    def __init__(self, folder: Path | None, url: str) -> None:
        self._file = None if folder is None else folder / f"registry-{_fingerprint(url)[:16]}.json"
        self._known = _Known()
        self._lock = threading.Lock()

    def schema_text(self, schema_id: int) -> str | None:
        """The schema of an id, if this process learned it."""
        return self._known.texts.get(str(schema_id))

    def schema_id(self, subject: str, text: str) -> int | None:
        """The id of a schema, if this process learned it."""
        return self._known.ids.get(_key(subject, text))

    def stored_text(self, schema_id: int) -> str | None:
        """The schema of an id, if the file has it."""
        return self._read().texts.get(str(schema_id))

    def stored_id(self, subject: str, text: str) -> int | None:
        """The id of a schema, if the file has it."""
        return self._read().ids.get(_key(subject, text))

    def keep(self, schema_id: int, text: str, subject: str | None = None) -> None:
        """Remember a schema that the registry has just given, in memory and in the file."""
        with self._lock:
            self._known.texts[str(schema_id)] = text
            if subject is not None:
                self._known.ids[_key(subject, text)] = schema_id
            if self._file is not None:
                self._write(self._file, _merge(self._read(), self._known))

    def _write(self, file: Path, known: _Known) -> None:
        with suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=file.parent, prefix=file.name)
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as out:
                    json.dump({"texts": known.texts, "ids": known.ids}, out)
                Path(name).replace(file)
            except OSError:
                Path(name).unlink(missing_ok=True)

    def _read(self) -> _Known:
        if self._file is None:
            return _Known()
        try:
            found = json.loads(self._file.read_text(encoding="utf-8"))
            return _Known(
                texts={str(key): text for key, text in found["texts"].items() if isinstance(text, str)},
                ids={str(key): known_id for key, known_id in found["ids"].items() if type(known_id) is int},
            )
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
            return _Known()


def _merge(old: _Known, new: _Known) -> _Known:
    """Both, unless they contradict each other: then the registry was set up anew, and nothing of the old holds."""
    is_same = all(_is_same(old.texts.get(key, text), text) for key, text in new.texts.items()) and all(
        old.ids.get(key, known_id) == known_id for key, known_id in new.ids.items()
    )
    return _Known(old.texts | new.texts, old.ids | new.ids) if is_same else new


def _is_same(text: str, other: str) -> bool:
    """Whether two texts are one schema; registries may write it in their own way."""
    if text == other:
        return True
    with suppress(ValueError, RecursionError):
        return bool(json.loads(text) == json.loads(other))
    return False


def _key(subject: str, text: str) -> str:
    return f"{subject} {_fingerprint(text)}"


def _fingerprint(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
