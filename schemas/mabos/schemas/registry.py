"""The schema registry, seen through a cache that outlives it.

The client of confluent-kafka speaks to it (the Confluent REST API), with what that client lacks: a short timeout, a
memory of ids that do not exist, a pause after a failure during which it is not asked again, and a copy of everything
learned on disk, so that producers and workers keep going, and even start, while the registry is away.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient, SchemaRegistryError

from mabos.schemas.compatibility import find_breaks
from mabos.schemas.errors import IncompatibleSchema, RegistryError, RegistryUnavailable
from mabos.schemas.vetting import parse_schema_text

COMPATIBILITY = "FULL_TRANSITIVE"
_NOT_FOUND = 404
_CONFLICT = 409


class SchemaRegistry:
    """Registers and looks up schemas. Safe to share between threads.

    Args:
        url: Base of the Confluent API, such as ``http://127.0.0.1:8081/apis/ccompat/v7``.
        cache_dir: Where what was learned is kept for times when the registry is away; None keeps it in memory only.
        timeout_s: The longest that one call may take.
        pause_s: How long the registry is left alone after it did not answer.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        url: str,
        *,
        cache_dir: Path | None = None,
        timeout_s: float = 2.0,
        pause_s: float = 2.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.url = url
        self._client = SchemaRegistryClient({"url": url, "timeout": timeout_s, "max.retries": 0})
        self._store = _Store(cache_dir, url)
        self._pause_s, self._clock = pause_s, clock
        self._away_until = -1.0
        self._texts: dict[int, str] = {}
        self._ids: dict[tuple[str, str], int] = {}
        self._missing: dict[int, float] = {}
        self._lock = threading.Lock()

    def register(self, subject: str, text: str) -> int:
        """Make a schema the newest version of a subject, whose compatibility becomes FULL_TRANSITIVE.

        Returns:
            Its id; the same schema registered twice keeps its id.

        Raises:
            SchemaError: The schema is refused.
            IncompatibleSchema: It would break readers or writers of a version before; names the fields.
            RegistryUnavailable: The registry does not answer.
        """
        problems = find_breaks(parse_schema_text(text), self.history(subject))
        if problems:
            raise IncompatibleSchema(subject, problems)
        try:
            self._call(lambda client: client.set_compatibility(subject_name=subject, level=COMPATIBILITY))
            schema_id = self._call(lambda client: client.register_schema(subject, Schema(text, "AVRO")))
        except SchemaRegistryError as error:
            if error.http_status_code == _CONFLICT:
                raise IncompatibleSchema(subject, [str(error.error_message)]) from error
            raise RegistryError(f"{subject}: the registry refused the schema: {error.error_message}") from error
        self._learn(schema_id, text, subject)
        return int(schema_id)

    def schema_id(self, subject: str, text: str) -> int:
        """The id under which a schema is registered.

        Raises:
            RegistryError: It is not registered; says how to do it.
            RegistryUnavailable: The registry does not answer, and this machine never saw the id.
        """
        known = self._ids.get((subject, _fingerprint(text)))
        if known is not None:
            return known
        try:
            found = self._call(lambda client: client.lookup_schema(subject, Schema(text, "AVRO")))
        except SchemaRegistryError as error:
            if error.http_status_code == _NOT_FOUND:
                raise RegistryError(f"{subject}: schema is not registered: run `mabos schema register`") from error
            raise RegistryError(f"{subject}: the registry refused the look-up: {error.error_message}") from error
        except RegistryUnavailable:
            stored = self._store.schema_id(subject, _fingerprint(text))
            if stored is None:
                raise
            return stored
        self._learn(found.schema_id, text, subject)
        return int(found.schema_id)

    def schema_text(self, schema_id: int) -> str | None:
        """The text of a schema by its id, or None if the registry has none.

        Raises:
            RegistryUnavailable: The registry does not answer, and this machine never saw the id.
        """
        known = self._texts.get(schema_id)
        if known is not None:
            return known
        if self._clock() < self._missing.get(schema_id, -1.0):
            return None
        try:
            text = str(self._call(lambda client: client.get_schema(schema_id)).schema_str)
        except SchemaRegistryError as error:
            if error.http_status_code == _NOT_FOUND:
                self._missing[schema_id] = self._clock() + 30.0
                return None
            raise RegistryError(
                f"schema {schema_id}: the registry refused the look-up: {error.error_message}"
            ) from error
        except RegistryUnavailable:
            stored = self._store.schema_text(schema_id)
            if stored is None:
                raise
            return stored
        self._learn(schema_id, text)
        return text

    def history(self, subject: str) -> list[tuple[str, dict[str, Any]]]:
        """Name and schema of each version of a subject, oldest first; empty for a new subject.

        Raises:
            RegistryUnavailable: The registry does not answer.
        """
        try:
            versions = self._call(lambda client: client.get_versions(subject))
            texts = [
                self._call(partial(SchemaRegistryClient.get_version, subject_name=subject, version=n)) for n in versions
            ]
            return [
                (f"version {n}", json.loads(text.schema.schema_str)) for n, text in zip(versions, texts, strict=True)
            ]
        except SchemaRegistryError as error:
            if error.http_status_code == _NOT_FOUND:
                return []
            raise RegistryError(f"{subject}: the registry refused the look-up: {error.error_message}") from error

    def is_answering(self) -> bool:
        """Whether the registry answers right now."""
        with suppress(RegistryError, SchemaRegistryError):
            self._call(lambda client: client.get_subjects())
            return True
        return False

    def _call(self, ask: Callable[[SchemaRegistryClient], Any]) -> Any:  # noqa: ANN401 - whatever is asked for
        if self._clock() < self._away_until:
            raise RegistryUnavailable(f"schema registry at {self.url} did not answer a moment ago")
        try:
            return ask(self._client)
        except SchemaRegistryError as error:
            if error.http_status_code < 500:
                raise
            raise self._away(f"answers {error.http_status_code}: {error.error_message}") from error
        except (httpx.HTTPError, OSError, ValueError) as error:
            raise self._away(f"does not answer ({error})") from error

    def _away(self, what: str) -> RegistryUnavailable:
        self._away_until = self._clock() + self._pause_s
        return RegistryUnavailable(f"schema registry at {self.url} {what}: is it up? see MABOS_SCHEMA_REGISTRY_URL")

    def _learn(self, schema_id: int, text: str, subject: str | None = None) -> None:
        with self._lock:
            self._texts[schema_id] = text
            if subject is not None:
                self._ids[subject, _fingerprint(text)] = schema_id
            self._store.keep(self._texts, self._ids)


class _Store:
    """What was learned, in one JSON file per registry. A file that cannot be read or written is as good as none."""

    def __init__(self, folder: Path | None, url: str) -> None:
        self._file = None if folder is None else folder / f"registry-{_fingerprint(url)[:16]}.json"

    def schema_text(self, schema_id: int) -> str | None:
        text = self._read().get("texts", {}).get(str(schema_id))
        return text if isinstance(text, str) else None

    def schema_id(self, subject: str, fingerprint: str) -> int | None:
        schema_id = self._read().get("ids", {}).get(f"{subject} {fingerprint}")
        return schema_id if isinstance(schema_id, int) else None

    def keep(self, texts: dict[int, str], ids: dict[tuple[str, str], int]) -> None:
        if self._file is None:
            return
        known = {
            "texts": {str(key): text for key, text in texts.items()},
            "ids": {" ".join(key): i for key, i in ids.items()},
        }
        with suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self._file.parent, prefix=self._file.name)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(known, file)
            Path(name).replace(self._file)

    def _read(self) -> dict[str, Any]:
        with suppress(OSError, ValueError):
            if self._file is not None:
                known = json.loads(self._file.read_text(encoding="utf-8"))
                return known if isinstance(known, dict) else {}
        return {}


def _fingerprint(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
