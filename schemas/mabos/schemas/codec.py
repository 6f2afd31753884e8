"""Events to bytes and back: the Confluent wire format over Avro.

A record's value is one zero byte, the schema id of the registry as a big-endian int32, and the Avro body (Confluent
documentation, "Wire format"). The body goes through fastavro, which trusts its input; what it would let pass is
stopped here, so that hostile bytes end in a :class:`DecodeError` and never in a wrong value:

- an enum or union index below zero, which Python would count from the end: the decoder's copy of the schema holds its
  symbols in a dict and its unions in a list that refuses negative indexes;
- trailing bytes, and an ``int`` beyond 32 bits: checked after decoding, and by the events themselves;
- anything a foreign writer schema may hide: it is vetted once, and what it decodes must encode to the same bytes again.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Generic, Protocol, Self, TypeVar

import fastavro
from fastavro.read import SchemaResolutionError

from mabos.schemas.avro import read_schema
from mabos.schemas.errors import DecodeError, InvalidTask, SchemaError
from mabos.schemas.events import TaskRequest, TaskResponse
from mabos.schemas.vetting import parse_schema_text

MAGIC = b"\x00"
HEADER_BYTES = 5
MAX_RECORD_BYTES = 8 * 1024 * 1024
"""A value longer than this is refused unread; topics allow less."""

Schema = dict[str, Any]


class Event(Protocol):
    """What the codec needs of an event."""

    def to_record(self) -> dict[str, Any]:
        """The Avro record."""
        ...

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Self:
        """The event in an Avro record."""
        ...


E = TypeVar("E", bound=Event)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventType(Generic[E]):
    """One kind of event and its bundled schema."""

    name: str
    """Its record name."""
    schema_text: str
    """The bundled schema, as it stands in the ``.avsc`` file."""
    event: type[E]
    """Its class."""


REQUEST = EventType(name="TaskRequest", schema_text=read_schema("task_request"), event=TaskRequest)
RESPONSE = EventType(name="TaskResponse", schema_text=read_schema("task_response"), event=TaskResponse)


class SchemaSource(Protocol):
    """Where writer schemas are looked up: a :class:`mabos.schemas.registry.SchemaRegistry`, or a dict in a test."""

    def schema_text(self, schema_id: int) -> str | None:
        """The text of a schema, or None if there is none with that id."""
        ...


class Codec(Generic[E]):
    """Encodes events of one type under one schema id, and decodes them from any compatible one. Safe to share."""

    def __init__(self, event_type: EventType[E], schema_id: int, source: SchemaSource) -> None:
        if not 0 < schema_id < 2**31:
            raise SchemaError(f"schema id {schema_id} is no positive int32")
        self.event_type = event_type
        self.schema_id = schema_id
        self._header = MAGIC + schema_id.to_bytes(4)
        self._source = source
        self._schema = _compile(event_type.schema_text)
        self._decoders: dict[bytes, Callable[[bytes], E]] = {self._header: self._own_decoder()}

    def encode(self, event: E) -> bytes:
        """The record value of an event.

        Raises:
            InvalidTask: A field holds what Avro cannot, such as a lone surrogate.
        """
        out = BytesIO()
        out.write(self._header)
        try:
            fastavro.schemaless_writer(out, self._schema, event.to_record())
        except (ValueError, TypeError, OverflowError) as error:
            raise InvalidTask(self.event_type.name, f"cannot be encoded: {error}") from error
        return out.getvalue()

    def decode(self, value: bytes | None) -> E:
        """The event in a record value.

        Raises:
            DecodeError: The bytes hold no such event, and never will.
            RegistryUnavailable: Their writer schema is not known yet and the registry does not answer: try again later.
        """
        if not value:
            raise DecodeError("empty", "the record has no value")
        decoder = self._decoders.get(value[:HEADER_BYTES])
        if decoder is None:
            decoder = self._find_decoder(value)
        return decoder(value)

    def _find_decoder(self, value: bytes) -> Callable[[bytes], E]:
        header = value[:HEADER_BYTES]
        if header[:1] != MAGIC:
            raise DecodeError("bad_magic", f"the first byte is {header[0]}, the Confluent wire format starts with 0")
        if len(header) < HEADER_BYTES:
            raise DecodeError("truncated", f"{len(value)} bytes cannot hold a schema id")
        schema_id = int.from_bytes(header[1:])
        text = self._source.schema_text(schema_id) if 0 < schema_id < 2**31 else None
        if text is None:
            raise DecodeError("unknown_schema", f"the registry has no schema with id {schema_id}")
        decoder = self._foreign_decoder(schema_id, text)
        self._decoders[header] = decoder
        return decoder

    def _own_decoder(self) -> Callable[[bytes], E]:
        strict = _strict(self._schema)

        def read(body: BytesIO) -> Any:  # noqa: ANN401 - fastavro's type
            return fastavro.schemaless_reader(body, strict, None)

        from_record = self.event_type.event.from_record
        return lambda value: _guarded(value, read, from_record)

    def _foreign_decoder(self, schema_id: int, text: str) -> Callable[[bytes], E]:
        try:
            schema = parse_schema_text(text)
        except SchemaError as error:
            raise DecodeError("refused_schema", f"schema {schema_id}: {error}") from error
        if json.loads(text) == json.loads(self.event_type.schema_text):
            return self._own_decoder()
        if schema["name"].rpartition(".")[2] != self.event_type.name:
            raise DecodeError("foreign_schema", f"schema {schema_id} is {schema['name']}, not {self.event_type.name}")
        writer = _compile(text)
        reader = self._schema

        def resolve(body: BytesIO) -> Any:  # noqa: ANN401 - fastavro's type
            start = body.tell()
            written = fastavro.schemaless_reader(body, writer, None)
            again = BytesIO()
            fastavro.schemaless_writer(again, writer, written)
            if again.getvalue() != body.getvalue()[start : body.tell()]:
                raise DecodeError("not_canonical", f"the bytes are not what schema {schema_id} writes for their value")
            body.seek(start)
            return fastavro.schemaless_reader(body, writer, reader)

        from_record = self.event_type.event.from_record
        return lambda value: _guarded(value, resolve, from_record)


def _guarded(value: bytes, read: Callable[[BytesIO], Any], from_record: Callable[[dict[str, Any]], E]) -> E:
    """Read a body and make sure that all of it, and nothing else, was the event."""
    if len(value) > MAX_RECORD_BYTES:
        raise DecodeError("too_large", f"{len(value)} bytes, at most {MAX_RECORD_BYTES} are read")
    body = BytesIO(value)
    body.seek(HEADER_BYTES)
    try:
        record = read(body)
    except UnicodeDecodeError as error:
        raise DecodeError("bad_text", f"a string is not UTF-8: {error.reason}") from error
    except EOFError as error:
        raise DecodeError("truncated", str(error) or "the bytes end too early") from error
    except DecodeError:
        raise
    except (LookupError, ValueError, TypeError, OverflowError, SchemaResolutionError) as error:
        raise DecodeError("bad_value", f"index {error}" if isinstance(error, KeyError) else str(error)) from error
    if body.tell() != len(value):
        raise DecodeError("trailing_bytes", f"{len(value) - body.tell()} bytes follow the event")
    try:
        return from_record(record)
    except InvalidTask as error:
        raise DecodeError("bad_value", str(error)) from error


def _compile(text: str) -> Any:  # noqa: ANN401 - fastavro's type
    """The parsed schema without logical types: times stay milliseconds, the wire format is the same."""
    return fastavro.parse_schema(_without_logical_types(json.loads(text)))


def _without_logical_types(schema: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(schema, dict):
        return {key: _without_logical_types(item) for key, item in schema.items() if key != "logicalType"}
    if isinstance(schema, list):
        return [_without_logical_types(item) for item in schema]
    return schema


class _Branches(list[Any]):
    """A union whose branches cannot be counted from the end.

    Cython adds ``len()`` to a negative index before it asks a list subclass, so a length of 0 lets us see it.
    """

    def __len__(self) -> int:
        return 0

    def __getitem__(self, index: Any) -> Any:  # noqa: ANN401 - as list has it
        if index < 0:
            raise IndexError(f"union index {index}")
        return list.__getitem__(self, index)


def _strict(schema: Any, key: str = "") -> Any:  # noqa: ANN401 - fastavro's type
    """A copy of a parsed schema, for reading only, that refuses negative union and enum indexes."""
    if isinstance(schema, dict):
        return {name: _strict(item, name) for name, item in schema.items()}
    if not isinstance(schema, list):
        return schema
    if key == "symbols":
        return dict(enumerate(schema))
    items = [_strict(item) for item in schema]
    return _Branches(items) if key == "type" else items
