"""The records of a task as they stand in the log: what the view does not keep, such as headers and schema."""

from __future__ import annotations

import base64
from typing import Any

from mabos.consumers.log import read_record
from mabos.kafka.clients import open_registry
from mabos.kafka.headers import headers_of
from mabos.kafka.position import Position
from mabos.kafka.settings import Settings
from mabos.schemas.codec import schema_id_of, subject_of
from mabos.schemas.errors import RegistryError
from mabos.schemas.fields import from_ms
from mabos.schemas.registry import SchemaRegistry
from mabos.streams.viewed_task import show_time


class RecordReader:
    """Reads single records, each with a client of its own: they are looked at one by one. From any thread.

    Args:
        settings: Where Kafka and the registry are.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._registry: SchemaRegistry | None = None
        self._versions: dict[tuple[str, int], int] = {}

    def read(self, position: Position) -> dict[str, Any]:
        """The JSON shape of the record at a position; its schema's version is null where the registry does not tell.

        Raises:
            BeyondRetention: The log no more has it.
            BrokerUnavailable: No broker answers.
            TopicsDiffer: There is no such topic.
        """
        message = read_record(self._settings, position)
        key, value = message.key(), message.value()
        schema_id = schema_id_of(value)
        return {
            "position": str(position),
            "stored_at": show_time(from_ms(message.timestamp()[1])),
            "key": None if key is None else show_bytes(key),
            "headers": [{"name": name} | show_bytes(data) for name, data in headers_of(message)],
            "size_bytes": len(value or b""),
            "schema_id": schema_id,
            "schema_version": None if schema_id is None else self._find_version(schema_id, subject_of(position.topic)),
        }

    def _find_version(self, schema_id: int, subject: str) -> int | None:
        """A version once known stays what it is."""
        known = self._versions.get((subject, schema_id))
        if known is not None:
            return known
        try:
            if self._registry is None:
                self._registry = open_registry(self._settings)
            version = self._registry.version(schema_id, subject)
        except RegistryError:
            return None
        if version is not None:
            self._versions[subject, schema_id] = version
        return version


def show_bytes(data: bytes) -> dict[str, str]:
    """Bytes as text, or as base64 where they are none."""
    try:
        return {"value": data.decode(), "encoding": "utf-8"}
    except UnicodeDecodeError:
        return {"value": base64.b64encode(data).decode(), "encoding": "base64"}
