"""Reads Avro bodies strictly: each byte is what a writer of that schema would have put there.

fastavro trusts its input: an enum or union index below zero counts from the end and gives a wrong value, overlong
numbers, booleans that are neither 0 nor 1 and trailing bytes pass, five bytes may claim any number of items. Checks
around it cost more than reading, so the bytes are read here. A schema becomes one function, made of a function for each
of its parts, that takes the bytes and a position and gives a value and the position after it.

A schema without arrays and maps has one encoding for each value, so what is read writes to the same bytes again. Arrays
and maps may come in any blocks that the specification ("Binary Encoding", Avro 1.12) allows.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Any, cast

from mabos.schemas.errors import DecodeError

MAX_ITEMS = 16_384
"""How many array items and map entries one record may hold in all: what bounds the time that a record can take."""

Reader = Callable[[bytes, int], Any]
"""Reads the value that starts at an offset and ends with the bytes."""

_ReadPart = Callable[[bytes, int], tuple[Any, int]]
_FLOAT, _DOUBLE = struct.Struct("<f"), struct.Struct("<d")


class _Body(bytes):
    """The bytes of a record, and how many items they may still hold."""

    items_left = MAX_ITEMS


def compile_reader(schema: Any) -> Reader:  # noqa: ANN401 - fastavro's type
    """The reader of a schema.

    Args:
        schema: As ``fastavro.parse_schema`` gives it, vetted: not recursive, and no array items that take no byte.

    Returns:
        A function that raises :class:`DecodeError` when the bytes are not one value of that schema and nothing else.
    """
    compiler = _Compiler()
    read = compiler.compile(schema)

    def read_all(data: bytes, start: int) -> Any:  # noqa: ANN401 - any Avro value
        try:
            value, end = read(data, start)
        except IndexError:
            raise DecodeError("truncated", f"the {len(data)} bytes end too early") from None
        except UnicodeDecodeError as error:
            raise DecodeError("bad_text", f"a string is not UTF-8: {error.reason}") from error
        if end != len(data):
            raise DecodeError("trailing_bytes", f"{len(data) - end} bytes follow the event")
        return value

    return (lambda data, start: read_all(_Body(data), start)) if compiler.has_items else read_all


class _Compiler:
    """Turns one schema into its reader; remembers the named types seen."""

    def __init__(self) -> None:
        self.has_items = False
        self._named: dict[str, _ReadPart] = {}

    def compile(self, schema: Any) -> _ReadPart:  # noqa: ANN401 - any Avro schema
        if isinstance(schema, str):
            return _PRIMITIVES.get(schema) or self._named[schema]
        if isinstance(schema, list):
            return _read_union([self.compile(branch) for branch in schema])
        kind = schema["type"]
        if kind in ("array", "map"):
            self.has_items = True
            return (
                _read_array(self.compile(schema["items"]))
                if kind == "array"
                else _read_map(self.compile(schema["values"]))
            )
        if kind not in ("record", "enum", "fixed"):
            return self.compile(kind)
        if kind == "record":
            read = _read_record([(field["name"], self.compile(field["type"])) for field in schema["fields"]])
        else:
            read = _read_enum(schema["symbols"]) if kind == "enum" else _read_fixed(schema["size"])
        self._named[schema["name"]] = read
        return read


def _read_number(data: bytes, start: int) -> tuple[int, int]:
    """An unsigned varint of up to 64 bits."""
    number = shift = 0
    position = start
    while True:
        byte = data[position]
        position += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
        if shift > 63:
            raise DecodeError("bad_value", f"the number at byte {start} is longer than 10 bytes")
    if number >> 64:
        raise DecodeError("bad_value", f"the number at byte {start} needs more than 64 bits")
    if byte == 0 and shift:
        raise DecodeError("not_canonical", f"the number at byte {start} has fewer digits than bytes")
    return number, position


def _read_long(data: bytes, start: int) -> tuple[int, int]:
    number, end = _read_number(data, start)
    return (number >> 1) ^ -(number & 1), end


def _read_int(data: bytes, start: int) -> tuple[int, int]:
    value, end = _read_long(data, start)
    if not -(2**31) <= value < 2**31:
        raise DecodeError("bad_value", f"the int at byte {start} is {value}, which needs more than 32 bits")
    return value, end


def _read_size(data: bytes, start: int) -> tuple[int, int]:
    """Where the bytes that a length announces begin and end."""
    size, begin = _read_number(data, start)
    if size & 1:
        raise DecodeError("bad_value", f"the length at byte {start} is negative")
    return begin, _end(data, begin, size >> 1)


def _end(data: bytes, begin: int, size_bytes: int) -> int:
    end = begin + size_bytes
    if end > len(data):
        raise DecodeError("truncated", f"{size_bytes} bytes announced at byte {begin}, {len(data) - begin} are left")
    return end


def _read_string(data: bytes, start: int) -> tuple[str, int]:
    size = data[start]
    begin, end = start + 1, start + 1 + (size >> 1)
    if size & 0x81 or end > len(data):  # long, or wrong: most strings are shorter than 64 bytes
        begin, end = _read_size(data, start)
    return data[begin:end].decode(), end


def _read_bytes(data: bytes, start: int) -> tuple[bytes, int]:
    begin, end = _read_size(data, start)
    return data[begin:end], end


def _read_null(_data: bytes, start: int) -> tuple[None, int]:
    return None, start


def _read_boolean(data: bytes, start: int) -> tuple[bool, int]:
    if data[start] > 1:
        raise DecodeError("not_canonical", f"the boolean at byte {start} is {data[start]}, neither 0 nor 1")
    return data[start] == 1, start + 1


def _read_float(data: bytes, start: int) -> tuple[float, int]:
    end = _end(data, start, 4)
    return _FLOAT.unpack_from(data, start)[0], end


def _read_double(data: bytes, start: int) -> tuple[float, int]:
    end = _end(data, start, 8)
    return _DOUBLE.unpack_from(data, start)[0], end


def _read_fixed(size_bytes: int) -> _ReadPart:
    def read(data: bytes, start: int) -> tuple[bytes, int]:
        end = _end(data, start, size_bytes)
        return data[start:end], end

    return read


def _read_index(data: bytes, start: int, count: int) -> tuple[int, int]:
    index, end = _read_number(data, start)
    if index & 1 or index >> 1 >= count:
        value = (index >> 1) ^ -(index & 1)
        raise DecodeError("bad_value", f"the index at byte {start} is {value}, must be from 0 to {count - 1}")
    return index >> 1, end


def _read_enum(symbols: list[str]) -> _ReadPart:
    count = len(symbols)

    def read(data: bytes, start: int) -> tuple[str, int]:
        index, end = _read_index(data, start, count)
        return symbols[index], end

    return read


def _read_union(branches: list[_ReadPart]) -> _ReadPart:
    count = len(branches)
    one_byte = {index << 1: branch for index, branch in enumerate(branches[:64])}

    def read(data: bytes, start: int) -> tuple[Any, int]:
        branch = one_byte.get(data[start])
        if branch is not None:
            return branch(data, start + 1)
        index, end = _read_index(data, start, count)
        return branches[index](data, end)

    return read


def _read_record(fields: list[tuple[str, _ReadPart]]) -> _ReadPart:
    def read(data: bytes, start: int) -> tuple[dict[str, Any], int]:
        record: dict[str, Any] = {}
        for name, read_field in fields:
            record[name], start = read_field(data, start)
        return record, start

    return read


def _read_array(read_item: _ReadPart) -> _ReadPart:
    def read(data: bytes, start: int) -> tuple[list[Any], int]:
        items: list[Any] = []
        blocks = _Blocks(data, start)
        for _ in blocks:
            item, blocks.position = read_item(data, blocks.position)
            items.append(item)
        return items, blocks.position

    return read


def _read_map(read_value: _ReadPart) -> _ReadPart:
    def read(data: bytes, start: int) -> tuple[dict[str, Any], int]:
        entries: dict[str, Any] = {}
        blocks = _Blocks(data, start)
        for _ in blocks:
            key, position = _read_string(data, blocks.position)
            if key in entries:
                raise DecodeError("bad_value", f"the map key at byte {blocks.position} stands twice")
            entries[key], blocks.position = read_value(data, position)
        return entries, blocks.position

    return read


class _Blocks:
    """The blocks of an array or a map: iterates once for each item; whoever reads the item moves ``position`` on."""

    def __init__(self, data: bytes, start: int) -> None:
        self._body = cast("_Body", data)
        self.position = start

    def __iter__(self) -> Iterator[None]:
        """One step for each item of each block."""
        body = self._body
        while True:
            start = self.position
            count, self.position = _read_long(body, start)
            if count == 0:
                return
            end = None
            if count < 0:  # then the size of the block in bytes follows, for those who skip it
                size_bytes, self.position = _read_long(body, self.position)
                count, end = -count, self.position + size_bytes
            body.items_left -= count
            if body.items_left < 0:
                raise DecodeError("bad_value", f"the block at byte {start} brings more than {MAX_ITEMS} items")
            for _ in range(count):
                yield
            if end is not None and end != self.position:
                raise DecodeError("bad_value", f"the block at byte {start} is not as long as it says")


_PRIMITIVES: dict[str, _ReadPart] = {
    "null": _read_null,
    "boolean": _read_boolean,
    "int": _read_int,
    "long": _read_long,
    "float": _read_float,
    "double": _read_double,
    "bytes": _read_bytes,
    "string": _read_string,
}
