"""Events to bytes and back: the Confluent wire format over Avro.

A record's value is one zero byte, the schema id of the registry as a big-endian int32, and the Avro body (Confluent
documentation, "Wire format"). Bodies are written by :mod:`mabos.schemas.writer` and read, strictly, by
:mod:`mabos.schemas.reader`. So hostile bytes end in a :class:`DecodeError` and never in a wrong value, and whatever
decodes under our own schema encodes to the same bytes again. fastavro resolves what foreign writers wrote to ours.

The schema of a foreign writer is looked at once, before its first record: vetted, and compared with ours. What is
wrong with it is remembered, and each of its records refused.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Generic, NoReturn, Protocol, Self, TypeVar

import fastavro
from fastavro.read import SchemaResolutionError
from fastavro.schema import to_parsing_canonical_form

from mabos.schemas.avro import read_schema
from mabos.schemas.compatibility import find_obstacles
from mabos.schemas.errors import DecodeError, InvalidTask, SchemaError
from mabos.schemas.events import TaskControl, TaskRequest, TaskResponse
from mabos.schemas.reader import Reader, compile_reader
from mabos.schemas.vetting import parse_schema_text
from mabos.schemas.writer import compile_writer

MAGIC = b"\x00"
HEADER_BYTES = 5
MAX_RECORD_BYTES = 8 * 1024 * 1024
"""A value longer than this is refused unread; topics allow less."""

Schema = dict[str, Any]


class Event(Protocol):
    """What the codec needs of an event."""

    def to_values(self) -> tuple[Any, ...]:
        """The values of the Avro record, in the order of the schema."""
        ...

    @classmethod
    def from_values(cls, *values: Any, **record: Any) -> Self:  # noqa: ANN401 - so spelt, it may have any parameters
        """The event whose Avro record has these values, in the order of the schema or by name."""
        ...


E = TypeVar("E", bound=Event)
_T = TypeVar("_T")


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
CONTROL = EventType(name="TaskControl", schema_text=read_schema("task_control"), event=TaskControl)


class SchemaSource(Protocol):
    """Where writer schemas are looked up: a :class:`mabos.schemas.registry.SchemaRegistry`, or a dict in a test."""

    def schema_text(self, schema_id: int) -> str | None:
        """The text of a schema, or None if there is none with that id."""
        ...


class SchemaIds(SchemaSource, Protocol):
    """A schema source that also knows under which id a schema is registered."""

    def schema_id(self, subject: str, text: str) -> int:
        """The id of a registered schema."""
        ...


def schema_id_of(value: bytes | None) -> int | None:
    """The schema that a record says it was written with; None for one without a schema registry's header."""
    if value is None or len(value) < HEADER_BYTES or value[:1] != MAGIC:
        return None
    return int.from_bytes(value[1:HEADER_BYTES])


def subject_of(topic: str) -> str:
    """The registry's subject for the values of a topic (Confluent's TopicNameStrategy)."""
    return f"{topic}-value"


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
        self._own_reader = compile_reader(self._schema, event_type.event.from_values)
        write = compile_writer(self._schema, event_type.event.to_values, prefix=self._header)
        self._write: Callable[[E], bytes] = self._refusing(write)
        self._readers: dict[bytes, Callable[[bytes, int], E]] = {self._header: self._own_reader}

    @classmethod
    def for_topic(cls, event_type: EventType[E], topic: str, registry: SchemaIds) -> Codec[E]:
        """The codec of a topic whose schema is registered.

        Raises:
            RegistryError: It is not registered, or the registry is away and never told its id.
        """
        return cls(event_type, registry.schema_id(subject_of(topic), event_type.schema_text), registry)

    def encode(self, event: E) -> bytes:
        """The record value of an event.

        Raises:
            InvalidTask: A field holds what Avro cannot, such as a lone surrogate.
        """
        return self._write(event)

    def make_encoder(self, **fixed: Any) -> Callable[[tuple[Any, ...]], bytes]:  # noqa: ANN401 - the fields' types
        """As :meth:`encode`, for events that need not be made: a function of their values in the schema's order.

        Nothing is checked but what Avro needs; it is for those who made or checked all values. It raises
        :class:`InvalidTask` where a value is not what its field's type wants.

        Args:
            fixed: Fields that always have these values; the function does not take them.
        """
        return self._refusing(compile_writer(self._schema, tuple, prefix=self._header, fixed=fixed))

    def decode(self, value: bytes | None) -> E:
        """The event in a record value.

        Raises:
            DecodeError: The bytes hold no such event, and never will.
            RegistryUnavailable: Their writer schema is not known yet and the registry does not answer: try again later.
        """
        if not value:
            raise DecodeError("empty", "the record has no value")
        if len(value) > MAX_RECORD_BYTES:
            raise DecodeError("too_large", f"{len(value)} bytes, at most {MAX_RECORD_BYTES} are read")
        read = self._readers.get(value[:HEADER_BYTES])
        if read is None:
            read = self._find_reader(value[:HEADER_BYTES])
        try:
            return read(value, HEADER_BYTES)
        except InvalidTask as error:
            raise DecodeError("bad_value", str(error)) from error

    def _refusing(self, write: Callable[[_T], bytes]) -> Callable[[_T], bytes]:
        """The same writer, with errors that say what it was given."""

        def encode(value: _T) -> bytes:
            try:
                return write(value)
            except (LookupError, ValueError, TypeError, AttributeError) as error:
                raise InvalidTask(self.event_type.name, f"cannot be encoded: {error}") from error

        return encode

    def _find_reader(self, header: bytes) -> Callable[[bytes, int], E]:
        if header[:1] != MAGIC:
            raise DecodeError("bad_magic", f"the first byte is {header[0]}, the Confluent wire format starts with 0")
        if len(header) < HEADER_BYTES:
            raise DecodeError("truncated", f"{len(header)} bytes cannot hold a schema id")
        schema_id = int.from_bytes(header[1:])
        text = self._source.schema_text(schema_id) if 0 < schema_id < 2**31 else None
        if text is None:
            raise DecodeError("unknown_schema", f"the registry has no schema with id {schema_id}")
        try:
            reader = self._foreign_reader(schema_id, text)
        except DecodeError as error:  # an id means one schema for ever, so what is wrong with it stays wrong
            reader = _refuser(error.code, error.reason)
        self._readers[header] = reader
        return reader

    def _foreign_reader(self, schema_id: int, text: str) -> Callable[[bytes, int], E]:
        try:
            schema = parse_schema_text(text)
        except SchemaError as error:
            raise DecodeError("refused_schema", f"schema {schema_id}: {error}") from error
        ours = json.loads(self.event_type.schema_text)
        if to_parsing_canonical_form(schema) == to_parsing_canonical_form(ours):
            return self._own_reader
        if schema["name"].rpartition(".")[2] != self.event_type.name:
            raise DecodeError("foreign_schema", f"schema {schema_id} is {schema['name']}, not {self.event_type.name}")
        obstacles = find_obstacles(reader=ours, writer=schema)
        if obstacles:
            raise DecodeError("foreign_schema", f"schema {schema_id} is incompatible: {'; '.join(obstacles)}")
        resolve, make = _resolver(writer=_compile(text), reader=self._schema), self.event_type.event.from_values
        return lambda value, start: make(**resolve(value, start))


def _resolver(*, writer: Any, reader: Any) -> Reader:  # noqa: ANN401 - fastavro's types
    """Checks the bytes strictly, then lets fastavro read them a second time and resolve them to the reader's schema."""
    check = compile_reader(writer)

    def read(value: bytes, start: int) -> Any:  # noqa: ANN401 - fastavro's type
        check(value, start)
        try:
            return fastavro.schemaless_reader(BytesIO(value[start:]), writer, reader)
        except UnicodeDecodeError as error:  # bytes that the reader takes for a string
            raise DecodeError("bad_text", f"a string is not UTF-8: {error.reason}") from error
        except (ArithmeticError, EOFError, LookupError, TypeError, ValueError, SchemaResolutionError) as error:
            raise DecodeError("bad_value", f"cannot be resolved to the reader's schema: {error}") from error

    return read


def _refuser(code: str, reason: str) -> Callable[[bytes, int], NoReturn]:
    def refuse(_value: bytes, _start: int) -> NoReturn:
        raise DecodeError(code, reason)

    return refuse


def _compile(text: str) -> Any:  # noqa: ANN401 - fastavro's type
    """The parsed schema without logical types: times stay milliseconds, the wire format is the same."""
    return fastavro.parse_schema(_without_logical_types(json.loads(text)))


def _without_logical_types(schema: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(schema, dict):
        return {key: _without_logical_types(item) for key, item in schema.items() if key != "logicalType"}
    if isinstance(schema, list):
        return [_without_logical_types(item) for item in schema]
    return schema
