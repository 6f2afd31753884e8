"""The parts of Avro bodies, each read strictly: of the bytes and a position become a value and the position after it.

Bytes that end too early may raise IndexError, and a text that is not UTF-8 raises UnicodeDecodeError: the reader of the
whole body turns both into a :class:`DecodeError`. All else that is wrong raises it here, and says at which byte.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Any, cast

from mabos.schemas.errors import DecodeError

MAX_ITEMS = 16_384
"""How many array items and map entries one record may hold in all: what bounds the time that a record can take."""

ReadPart = Callable[[bytes, int], tuple[Any, int]]
"""Gives the value that starts at a position, and the position after it."""

_FLOAT, _DOUBLE = struct.Struct("<f"), struct.Struct("<d")


class Body(bytes):
    """The bytes of a record, and how many items they may still hold."""

    items_left = MAX_ITEMS


def read_number(data: bytes, start: int) -> tuple[int, int]:
    """An unsigned varint of up to 64 bits."""
    byte = number = data[start]
    position, shift = start + 1, 0
    while byte > 0x7F:
        shift += 7
        if shift > 63:
            raise DecodeError("bad_value", f"the number at byte {start} is longer than 10 bytes")
        byte = data[position]
        position += 1
        number += (byte - 1) << shift  # less the bit of the byte before that says that more follows
    if number >> 64:
        raise DecodeError("bad_value", f"the number at byte {start} needs more than 64 bits")
    if byte == 0 and shift:
        raise DecodeError("not_canonical", f"the number at byte {start} has fewer digits than bytes")
    return number, position


def read_long(data: bytes, start: int) -> tuple[int, int]:
    """A whole number of up to 64 bits."""
    number, end = read_number(data, start)
    return (number >> 1) ^ -(number & 1), end


def read_int(data: bytes, start: int) -> tuple[int, int]:
    """A whole number of up to 32 bits."""
    value, end = read_long(data, start)
    if not -(2**31) <= value < 2**31:
        raise DecodeError("bad_value", f"the int at byte {start} is {value}, which needs more than 32 bits")
    return value, end


def read_size(data: bytes, start: int) -> tuple[int, int]:
    """Where the bytes that a length announces begin and end."""
    size, begin = read_number(data, start)
    if size & 1:
        raise DecodeError("bad_value", f"the length at byte {start} is negative")
    return begin, _end(data, begin, size >> 1)


def _end(data: bytes, begin: int, size_bytes: int) -> int:
    end = begin + size_bytes
    if end > len(data):
        raise DecodeError("truncated", f"{size_bytes} bytes announced at byte {begin}, {len(data) - begin} are left")
    return end


def read_string(data: bytes, start: int) -> tuple[str, int]:
    """A text: its size, then its UTF-8."""
    size = data[start]
    begin, end = start + 1, start + 1 + (size >> 1)
    if size & 0x81 or end > len(data):  # long, or wrong: most strings are shorter than 64 bytes
        begin, end = read_size(data, start)
    return data[begin:end].decode(), end


def read_bytes(data: bytes, start: int) -> tuple[bytes, int]:
    """A size, then as many bytes."""
    begin, end = read_size(data, start)
    return data[begin:end], end


def read_null(_data: bytes, start: int) -> tuple[None, int]:
    """Nothing at all."""
    return None, start


def read_boolean(data: bytes, start: int) -> tuple[bool, int]:
    """One byte, 0 or 1."""
    if data[start] > 1:
        raise DecodeError("not_canonical", f"the boolean at byte {start} is {data[start]}, neither 0 nor 1")
    return data[start] == 1, start + 1


def read_float(data: bytes, start: int) -> tuple[float, int]:
    """Four bytes, little-endian."""
    end = _end(data, start, 4)
    return _FLOAT.unpack_from(data, start)[0], end


def read_double(data: bytes, start: int) -> tuple[float, int]:
    """Eight bytes, little-endian."""
    end = _end(data, start, 8)
    return _DOUBLE.unpack_from(data, start)[0], end


def read_fixed(size_bytes: int) -> ReadPart:
    """The reader of as many bytes as a schema says."""

    def read(data: bytes, start: int) -> tuple[bytes, int]:
        end = _end(data, start, size_bytes)
        return data[start:end], end

    return read


def read_index(data: bytes, start: int, count: int) -> tuple[int, int]:
    """An index from 0 to less than ``count``."""
    index, end = read_number(data, start)
    if index & 1 or index >> 1 >= count:
        value = (index >> 1) ^ -(index & 1)
        raise DecodeError("bad_value", f"the index at byte {start} is {value}, must be from 0 to {count - 1}")
    return index >> 1, end


def read_enum(symbols: list[str]) -> ReadPart:
    """The reader of an index, which gives its symbol."""
    count = len(symbols)

    def read(data: bytes, start: int) -> tuple[str, int]:
        index, end = read_index(data, start, count)
        return symbols[index], end

    return read


def read_union(branches: list[ReadPart]) -> ReadPart:
    """The reader of an index and a value of the branch it points to."""
    count = len(branches)
    one_byte = {index << 1: branch for index, branch in enumerate(branches[:64])}

    def read(data: bytes, start: int) -> tuple[Any, int]:
        branch = one_byte.get(data[start])
        if branch is not None:
            return branch(data, start + 1)
        index, end = read_index(data, start, count)
        return branches[index](data, end)

    return read


def read_array(read_item: ReadPart) -> ReadPart:
    """The reader of blocks of items."""

    def read(data: bytes, start: int) -> tuple[list[Any], int]:
        items: list[Any] = []
        blocks = _Blocks(data, start)
        for _ in blocks:
            item, blocks.position = read_item(data, blocks.position)
            items.append(item)
        return items, blocks.position

    return read


def read_map(read_value: ReadPart) -> ReadPart:
    """The reader of blocks of entries, each with another key."""

    def read(data: bytes, start: int) -> tuple[dict[str, Any], int]:
        entries: dict[str, Any] = {}
        blocks = _Blocks(data, start)
        for _ in blocks:
            key, position = read_string(data, blocks.position)
            if key in entries:
                raise DecodeError("bad_value", f"the map key at byte {blocks.position} stands twice")
            entries[key], blocks.position = read_value(data, position)
        return entries, blocks.position

    return read


class _Blocks:
    """The blocks of an array or a map: iterates once for each item; whoever reads the item moves ``position`` on."""

    def __init__(self, data: bytes, start: int) -> None:
        self._body = cast("Body", data)
        self.position = start

    def __iter__(self) -> Iterator[None]:
        """One step for each item of each block."""
        body = self._body
        while True:
            start = self.position
            count, self.position = read_long(body, start)
            if count == 0:
                return
            end = None
            if count < 0:  # then the size of the block in bytes follows, for those who skip it
                size_bytes, self.position = read_long(body, self.position)
                count, end = -count, self.position + size_bytes
            body.items_left -= count
            if body.items_left < 0:
                raise DecodeError("bad_value", f"the block at byte {start} brings more than {MAX_ITEMS} items")
            for _ in range(count):
                yield
            if end is not None and end != self.position:
                raise DecodeError("bad_value", f"the block at byte {start} is not as long as it says")


PRIMITIVES: dict[str, ReadPart] = {
    "null": read_null,
    "boolean": read_boolean,
    "int": read_int,
    "long": read_long,
    "float": read_float,
    "double": read_double,
    "bytes": read_bytes,
    "string": read_string,
}
