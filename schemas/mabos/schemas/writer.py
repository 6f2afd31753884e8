"""Writes Avro bodies of the contract's own schemas.

fastavro spends most of a small record's time on finding out what the schema is. Here that is done once: a schema
becomes one function, made of a function for each of its parts, and for a record that function is generated. It covers
what the contract uses, and the tests hold it to fastavro's bytes; a contract that outgrows it fails when its codec is
made, not when a record is written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from mabos.schemas.errors import SchemaError
from mabos.schemas.source import Source

Writer = Callable[[Any], bytes]
"""The bytes of a value; LookupError, ValueError, TypeError or AttributeError if the schema has no such value."""


def compile_writer(
    schema: Any,  # noqa: ANN401 - fastavro's type
    take: Callable[[Any], Sequence[Any]] | None = None,
    *,
    prefix: bytes = b"",
    fixed: Mapping[str, Any] | None = None,
) -> Writer:
    """The writer of a schema.

    Args:
        schema: As ``fastavro.parse_schema`` gives it. Records, enums, strings, booleans, numbers that are whole, and
            unions of null with one other type.
        take: What gives the values of the outermost record's fields, in their order; by default the record is a dict.
        prefix: What stands before the body of a record.
        fixed: Fields of the outermost record that always have these values; ``take`` does not give them.

    Raises:
        SchemaError: It has a type that the contract does not use so far.
    """
    match schema:
        case ["null", branch]:
            return _write_optional(compile_writer(branch))
        case {"type": "record", "fields": [*fields]}:
            return _write_record(fields, take, prefix, fixed or {})
        case {"type": "enum", "symbols": [*symbols]}:
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


def _write_size(size_bytes: int) -> bytes:
    return _write_number(size_bytes << 1)


_SIZES = [_write_size(size_bytes) for size_bytes in range(2048)]


# Numbers come again: a thousand tasks begin in one millisecond, and most attempts are the first.
@lru_cache(maxsize=1024)
def _write_long(value: int) -> bytes:
    if not -(2**63) <= value < 2**63:
        raise ValueError(f"{value} needs more than 64 bits")
    return _write_number(value << 1 if value >= 0 else ~(value << 1))


@lru_cache(maxsize=1024)
def _write_int(value: int) -> bytes:
    if not -(2**31) <= value < 2**31:
        raise ValueError(f"{value} needs more than 32 bits")
    return _write_long(value)


def _write_string(value: str) -> bytes:
    data = value.encode()
    size_bytes = len(data)
    return (_SIZES[size_bytes] if size_bytes < 2048 else _write_size(size_bytes)) + data


def _write_optional(write: Writer) -> Writer:
    return lambda value: b"\x00" if value is None else b"\x02" + write(value)


def _write_record(
    fields: list[dict[str, Any]],
    take: Callable[[Any], Sequence[Any]] | None,
    prefix: bytes,
    fixed: Mapping[str, Any],
) -> Writer:
    """Joins the bytes of all fields at once; texts are measured in lines of their own, all else is called."""
    source = Source("write(record)")
    values = {field["name"]: f"value_{number}" for number, field in enumerate(fields) if field["name"] not in fixed}
    if take is not None:
        taken = "record" if take is tuple else f"{source.constant(take)}(record)"
        source.line(f"[{', '.join(values.values())}] = {taken}")
    else:
        for name, value in values.items():
            source.line(f"{value} = record[{source.constant(name)}]")
    parts = []
    for field in fields:
        if field["name"] in fixed:
            prefix += compile_writer(field["type"])(fixed[field["name"]])
            continue
        if prefix:
            parts.append(source.constant(prefix))
            prefix = b""
        value = values[field["name"]]
        match field["type"]:
            case "string":
                parts += _add_string(source, value, field.get("default"))
            case ["null", branch]:
                write = source.constant(compile_writer(branch))
                parts.append(f'b"\\x00" if {value} is None else b"\\x02" + {write}({value})')
            case kind:
                parts.append(f"{source.constant(compile_writer(kind))}({value})")
    if prefix:
        parts.append(source.constant(prefix))
    source.line(f"return join([{', '.join(parts)}])")
    return source.compile(join=b"".join, sizes=_SIZES, write_size=_write_size, write_string=_write_string)


def _add_string(source: Source, value: str, default: object) -> list[str]:
    """The parts of a text, most likely that of its default where it has one."""
    if isinstance(default, str) and default.isascii():
        likely = source.constant(_write_string(default))
        return [f"{likely} if {value} == {source.constant(default)} else write_string({value})"]
    data, size = f"data_of_{value}", f"size_of_{value}"
    source.line(f"{data} = {value}.encode()")
    source.line(f"{size} = len({data})")
    return [f"sizes[{size}] if {size} < {len(_SIZES)} else write_size({size})", data]


_PRIMITIVES: dict[str, Writer] = {
    "string": _write_string,
    "int": _write_int,
    "long": _write_long,
    "boolean": {False: b"\x00", True: b"\x01"}.__getitem__,
}
