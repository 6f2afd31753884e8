"""Writes Avro bodies of the contract's own schemas.

fastavro spends most of a small record's time on finding out what the schema is. Here that is done once: a schema
becomes one function, made of a function for each of its parts. It covers what the contract uses, and the tests hold it
to fastavro's bytes; a contract that outgrows it fails when its codec is made, not when a record is written.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mabos.schemas.errors import SchemaError

Writer = Callable[[Any], bytes]
"""The bytes of a value; LookupError, ValueError, TypeError or AttributeError if the schema has no such value."""


def compile_writer(schema: Any) -> Writer:  # noqa: ANN401 - fastavro's type
    """The writer of a schema.

    Args:
        schema: As ``fastavro.parse_schema`` gives it. Records, enums, strings, booleans, numbers that are whole, and
            unions of null with one other type.

    Raises:
        SchemaError: It has a type that the contract does not use so far.
    """
    match schema:
        case ["null", branch]:
            return _write_optional(compile_writer(branch))
        case {"type": "record", "fields": fields}:
            return _write_record([(field["name"], compile_writer(field["type"])) for field in fields])
        case {"type": "enum", "symbols": symbols}:
            return {symbol: _write_long(index) for index, symbol in enumerate(symbols)}.__getitem__
        case str(name) | {"type": str(name)} if name in _PRIMITIVES:
            return _PRIMITIVES[name]
    raise SchemaError(f"no writer for {schema}: the contract outgrew mabos.schemas.writer")


def _write_number(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


_SIZES = [_write_number(size_bytes << 1) for size_bytes in range(2048)]


def _write_long(value: int) -> bytes:
    if not -(2**63) <= value < 2**63:
        raise ValueError(f"{value} needs more than 64 bits")
    return _write_number(value << 1 if value >= 0 else ~(value << 1))


def _write_int(value: int) -> bytes:
    if not -(2**31) <= value < 2**31:
        raise ValueError(f"{value} needs more than 32 bits")
    return _write_long(value)


def _write_string(value: str) -> bytes:
    data = value.encode()
    size_bytes = len(data)
    return (_SIZES[size_bytes] if size_bytes < 2048 else _write_number(size_bytes << 1)) + data


def _write_optional(write: Writer) -> Writer:
    return lambda value: b"\x00" if value is None else b"\x02" + write(value)


def _write_record(fields: list[tuple[str, Writer]]) -> Writer:
    return lambda record: b"".join([write(record[name]) for name, write in fields])


_PRIMITIVES: dict[str, Writer] = {
    "string": _write_string,
    "int": _write_int,
    "long": _write_long,
    "boolean": {False: b"\x00", True: b"\x01"}.__getitem__,
}
