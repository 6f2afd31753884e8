"""The schema registry, seen through a cache that outlives it.

The client of confluent-kafka speaks to it (the Confluent REST API), with what that client lacks: a short timeout, a
memory of ids that do not exist, a pause after a failure during which it is not asked again, and a copy of everything
learned on disk, so that producers and workers keep going, and even start, while the registry is away.

Only an answer that a schema registry gives is believed. A login page, a proxy's error or the 404 of a wrong path are
as good as no answer: taken for "no such id", they would send good records to the dead letters.
"""

from __future__ import annotations

import re
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from mabos.schemas.compatibility import find_breaks
from mabos.schemas.errors import IncompatibleSchema, RegistryError, RegistryUnavailable, SchemaError
from mabos.schemas.schemastore import SchemaStore
from mabos.schemas.vetting import parse_schema_text

if TYPE_CHECKING:  # imported late: with what it imports itself it takes longer than all our own code
    from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

COMPATIBILITY = "FULL_TRANSITIVE"
MISSING_S = 30.0
"""How long an id that does not exist is not asked for again."""
MAX_MISSING = 1000
"""How many such ids are remembered: hostile records may name any number of them."""

_BAD_REQUEST, _CONFLICT, _UNPROCESSABLE = 400, 409, 422
_NOT_FOUND_CODES = frozenset({40401, 40402, 40403})  # subject, version, schema
_ERRNO = re.compile(r"^\[Errno -?\d+\] ")
_USER_INFO = re.compile(r"(?<=//)[^\s,]*@|[^\s,/]*@")

T = TypeVar("T")


class SchemaRegistry:
    """Registers and looks up schemas. Safe to share between threads.

    Args:
        url: Base of the Confluent API, such as ``http://127.0.0.1:8081/apis/ccompat/v7``; may hold ``user:password@``.
        cache_dir: Where what was learned is kept for times when the registry is away; None keeps it in memory only.
        timeout_s: The longest wait for the registry's next bytes.
        pause_s: How long the registry is left alone after it did not answer.
        clock: Monotonic seconds.

    Attributes:
        url: The URL as it may be shown, without user and password.

    Raises:
        RegistryError: The URL is none.
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
        from confluent_kafka.schema_registry import SchemaRegistryClient  # noqa: PLC0415 - see above

        self.url = _mask(url)
        try:
            self._client = SchemaRegistryClient({"url": url, "timeout": timeout_s, "max.retries": 0})
        except ValueError as error:
            raise RegistryError(f"schema registry: {_mask(str(error))}: see MABOS_SCHEMA_REGISTRY_URL") from None
        weakref.finalize(self, self._client.close)  # whoever made it by the way need not remember to close it
        self._store = SchemaStore(cache_dir, self.url)
        self._pause_s, self._clock = pause_s, clock
        self._away_until = -1.0
        self._missing: dict[int, float] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections to the registry; what was learned stays known."""
        self._client.close()

    def register(self, subject: str, text: str) -> int:
        """Make a schema the newest version of a subject, whose compatibility becomes FULL_TRANSITIVE.

        Returns:
            Its id; the same schema registered twice keeps its id.

        Raises:
            SchemaError: The schema is refused, or a version before it is none that can be compared.
            IncompatibleSchema: It would break readers or writers of a version before; names the fields.
            RegistryError: The registry refuses it for another reason.
            RegistryUnavailable: The registry does not answer.
        """
        candidate = parse_schema_text(text)
        self._clear()  # else it would not notice that the registry was emptied
        problems = find_breaks(candidate, self.history(subject))
        if problems:
            raise IncompatibleSchema(subject, problems)
        try:
            # before the first version, so that two who register at once cannot slip past the rule
            self._call(lambda client: client.set_compatibility(subject_name=subject, level=COMPATIBILITY))
            schema_id = self._call(lambda client: _as_id(client.register_schema(subject, _avro(text))))
        except _Refused as error:
            if error.status == _CONFLICT:
                raise IncompatibleSchema(subject, [error.message]) from error
            raise RegistryError(f"{subject}: the registry refused the schema: {error.message}") from error
        self._store.keep(schema_id, text, subject)
        return schema_id

    def schema_id(self, subject: str, text: str) -> int:
        """The id under which a schema is registered.

        Raises:
            RegistryError: It is not registered; says how to do it.
            RegistryUnavailable: The registry does not answer, and this machine never saw the id.
        """
        known = self._store.schema_id(subject, text)
        if known is not None:
            return known
        try:
            found = self._call(lambda client: _as_id(client.lookup_schema(subject, _avro(text)).schema_id))
        except _Refused as error:
            if error.is_not_found:
                raise RegistryError(f"{subject}: schema is not registered: run `mabos schema register`") from error
            raise RegistryError(f"{subject}: the registry refused the look-up: {error.message}") from error
        except RegistryUnavailable:
            stored = self._store.stored_id(subject, text)
            if stored is None:
                raise
            return stored
        self._store.keep(found, text, subject)
        return found

    def schema_text(self, schema_id: int) -> str | None:
        """The text of a schema by its id, or None if the registry has none.

        Raises:
            RegistryUnavailable: The registry does not answer, and this machine never saw the id.
        """
        known = self._store.schema_text(schema_id)
        if known is not None:
            return known
        if self._clock() < self._missing.get(schema_id, -1.0):
            return None
        try:
            text = self._call(lambda client: _as_text(client.get_schema(schema_id).schema_str))
        except _Refused as error:
            if error.is_not_found:
                self._remember_missing(schema_id)
                return None
            raise RegistryUnavailable(
                f"schema {schema_id}: the registry refused the look-up: {error.message}"
            ) from error
        except RegistryUnavailable:
            stored = self._store.stored_text(schema_id)
            if stored is None:
                raise
            return stored
        self._store.keep(schema_id, text)
        return text

    def version(self, schema_id: int, subject: str) -> int | None:
        """Which version of a subject a schema is; None if it is none of it.

        Raises:
            RegistryError: The registry refuses the look-up.
            RegistryUnavailable: The registry does not answer.
        """
        try:
            found = self._call(
                lambda client: [(one.subject, one.version) for one in client.get_schema_versions(schema_id)]
            )
        except _Refused as error:
            if error.is_not_found:
                return None
            raise RegistryError(f"schema {schema_id}: the registry refused the look-up: {error.message}") from error
        return next((version for name, version in found if name == subject), None)

    def history(self, subject: str) -> list[tuple[str, dict[str, Any]]]:
        """Name and schema of each version of a subject, oldest first; empty for a new subject.

        Raises:
            SchemaError: A version is no schema that the codec would read with.
            RegistryUnavailable: The registry does not answer.
        """

        def texts(client: SchemaRegistryClient) -> list[tuple[str, str]]:
            versions = sorted(_as_id(version) for version in client.get_versions(subject))
            return [
                (f"version {version}", _as_text(client.get_version(subject, version).schema.schema_str))
                for version in versions
            ]

        try:
            found = self._call(texts)
        except _Refused as error:
            if error.is_not_found:
                return []
            raise RegistryError(f"{subject}: the registry refused the look-up: {error.message}") from error
        history = []
        for name, text in found:
            try:
                history.append((name, parse_schema_text(text)))
            except SchemaError as error:
                raise SchemaError(f"{subject}: {name} in the registry is refused: {error}") from error
        return history

    def is_answering(self) -> bool:
        """Whether the registry answers right now."""
        with suppress(RegistryError, _Refused):
            self._call(lambda client: client.get_subjects())
            return True
        return False

    def _call(self, ask: Callable[[SchemaRegistryClient], T]) -> T:
        """Ask, unless the registry was away a moment ago.

        Raises:
            _Refused: It says that there is no such thing, or what is wrong with the question.
            RegistryUnavailable: It gives no answer, or one that no schema registry gives.
        """
        import httpx2  # noqa: PLC0415 - what confluent-kafka speaks with from 2.16 on
        from confluent_kafka.schema_registry import SchemaRegistryError  # noqa: PLC0415 - see above

        if self._clock() < self._away_until:
            raise RegistryUnavailable(f"schema registry at {self.url} did not answer a moment ago")
        try:
            return ask(self._client)
        except SchemaRegistryError as error:
            refused = _Refused(error.http_status_code, error.error_code, str(error.error_message))
            if refused.status in (_BAD_REQUEST, _CONFLICT, _UNPROCESSABLE) or refused.is_not_found:
                raise refused from error
            raise self._away(f"answers {refused.status}: {refused.message[:200]}") from error
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            cause = _ERRNO.sub("", str(error)) or type(error).__name__
            raise self._away(f"does not answer ({cause})") from error
        except (AttributeError, LookupError, TypeError, ValueError) as error:  # what the client says to odd answers
            self._clear()
            raise self._away(f"does not answer as a schema registry does ({error})") from error

    def _clear(self) -> None:
        self._client.clear_caches()  # type: ignore[no-untyped-call]  # confluent-kafka types most of its client

    def _away(self, what: str) -> RegistryUnavailable:
        self._away_until = self._clock() + self._pause_s
        return RegistryUnavailable(
            f"schema registry at {self.url} {_mask(what)}: start one with `mabos up`, or set MABOS_SCHEMA_REGISTRY_URL"
        )

    def _remember_missing(self, schema_id: int) -> None:
        with self._lock:
            self._missing.pop(schema_id, None)
            while len(self._missing) >= MAX_MISSING:
                self._missing.pop(next(iter(self._missing)))
            self._missing[schema_id] = self._clock() + MISSING_S


class _Refused(Exception):
    """What the registry says to a question that it understood."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message, self.is_not_found = status, message, code in _NOT_FOUND_CODES


def _avro(text: str) -> Schema:
    from confluent_kafka.schema_registry import Schema  # noqa: PLC0415 - see above

    return Schema(text, "AVRO")


def _as_id(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError("an id is no number")
    return value


def _as_text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("a schema is no text")
    return value


def _mask(text: str) -> str:
    """The text without user and password of the URLs in it."""
    return _USER_INFO.sub("***@", text)
