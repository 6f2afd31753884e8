"""Reads Avro bodies strictly: each byte is what a writer of that schema would have put there.

fastavro trusts its input: an enum or union index below zero counts from the end and gives a wrong value, overlong
numbers, booleans that are neither 0 nor 1 and trailing bytes pass, five bytes may claim any number of items. Checks
around it cost more than reading, so the bytes are read here. A schema becomes one function, made of the functions of
its parts in :mod:`mabos.schemas.parts`. For a record it is generated: what is common (short texts, numbers of one byte,
fields that have their default) is read in lines of its own; the rest, and all that is wrong, is left to the parts.

A schema without arrays and maps has one encoding for each value, so what is read writes to the same bytes again. Arrays
and maps may come in any blocks that the specification ("Binary Encoding", Avro 1.12) allows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mabos.schemas import parts
from mabos.schemas.errors import DecodeError
from mabos.schemas.source import Source

Reader = Callable[[bytes, int], Any]
"""Reads the value that starts at an offset and ends with the bytes."""


def compile_reader(schema: Any, make: Callable[..., Any] | None = None) -> Reader:  # noqa: ANN401 - fastavro's type
    """The reader of a schema.

    Args:
        schema: As ``fastavro.parse_schema`` gives it, vetted: not recursive, and no array items that take no byte.
        make: What makes the value of the outermost record of its fields' values, in their order; a dict by default.

    Returns:
        A function that raises :class:`DecodeError` when the bytes are not one value of that schema and nothing else,
        and whatever ``make`` raises.
    """
    compiler = _Compiler()
    source = Source("read(data, pos)")
    with source.block("try:"):
        value = compiler.add_outermost(source, schema, make)
    with source.block("except IndexError:"):
        source.line("raise too_short(data) from None")
    with source.block("except UnicodeDecodeError as error:"):
        source.line("raise no_text(error) from error")
    with source.block("if pos != stop:"):
        source.line("raise too_long(data, pos)")
    source.line(f"return {value}")
    read = source.compile(**_CALLED)
    return (lambda data, start: read(parts.Body(data), start)) if compiler.has_items else read


class _Compiler:
    """Turns one schema into its reader; remembers the named types seen."""

    def __init__(self) -> None:
        self.has_items = False
        self._named: dict[str, parts.ReadPart] = {}

    def add_outermost(self, source: Source, schema: Any, make: Callable[..., Any] | None) -> str:  # noqa: ANN401
        """Add the lines that read a whole body, and give the expression that makes its value."""
        if isinstance(schema, dict) and schema["type"] == "record":
            return self._add_record(source, schema, make)
        source.line("stop = len(data)")
        self._add(source, schema, "value")
        return "value"

    def compile(self, schema: Any) -> parts.ReadPart:  # noqa: ANN401 - any Avro schema
        """The function of one part."""
        if isinstance(schema, str):
            return parts.PRIMITIVES.get(schema) or self._named[schema]
        if isinstance(schema, list):
            return parts.read_union([self.compile(branch) for branch in schema])
        kind = schema["type"]
        if kind in ("array", "map"):
            self.has_items = True
            return (
                parts.read_array(self.compile(schema["items"]))
                if kind == "array"
                else parts.read_map(self.compile(schema["values"]))
            )
        if kind not in ("record", "enum", "fixed"):
            return self.compile(kind)
        if kind == "record":
            read = self._compile_record(schema)
        else:
            read = parts.read_enum(schema["symbols"]) if kind == "enum" else parts.read_fixed(schema["size"])
        self._named[schema["name"]] = read
        return read

    def _compile_record(self, schema: dict[str, Any]) -> parts.ReadPart:
        source = Source("read_record(data, pos)")
        value = self._add_record(source, schema)
        source.line(f"return {value}, pos")
        return source.compile(**_CALLED)

    def _add_record(self, source: Source, schema: dict[str, Any], make: Callable[..., Any] | None = None) -> str:
        source.line("stop = len(data)")
        values = [f"value_{number}" for number, _ in enumerate(schema["fields"])]
        for value, field in zip(values, schema["fields"], strict=True):
            default = field.get("default")
            if field["type"] == "string" and isinstance(default, str) and default.isascii() and 0 < len(default) < 64:
                self._add_default(source, value, default)
            else:
                self._add(source, field["type"], value)
        if make is not None:
            return f"{source.constant(make)}({', '.join(values)})"
        names = [source.constant(field["name"]) for field in schema["fields"]]
        return "{" + ", ".join(f"{name}: {value}" for name, value in zip(names, values, strict=True)) + "}"

    def _add_default(self, source: Source, value: str, default: str) -> None:
        """A text that is most likely the default of its field: compared, not read."""
        size_bytes = len(default)
        likely = source.constant(bytes([size_bytes << 1]) + default.encode())
        with source.block(f"if data[pos : pos + {size_bytes + 1}] == {likely}:"):
            source.line(f"{value} = {source.constant(default)}")
            source.line(f"pos += {size_bytes + 1}")
        with source.block("else:"):
            source.line(f"{value}, pos = read_string(data, pos)")

    def _add(self, source: Source, schema: Any, value: str) -> None:  # noqa: ANN401 - any Avro schema
        """Add the lines that read one part into a variable and move ``pos`` behind it."""
        match schema:
            case "string":
                _add_string(source, value)
            case "int" | "long":
                source.line("number = data[pos]")
                with source.block("if number < 128:"):
                    source.line(f"{value} = number >> 1 ^ -(number & 1)")
                    source.line("pos += 1")
                with source.block("else:"):
                    source.line(f"{value}, pos = read_{schema}(data, pos)")
            case ["null", branch]:
                source.line("index = data[pos]")
                with source.block("if index == 0:"):
                    source.line(f"{value} = None")
                    source.line("pos += 1")
                with source.block("elif index == 2:"):
                    source.line("pos += 1")
                    self._add(source, branch, value)
                with source.block("else:"):
                    source.line("read_index(data, pos, 2)  # raises")
            case {"type": "enum", "symbols": [*symbols]}:
                read = source.constant(self.compile(schema))
                one_byte = {index << 1: symbol for index, symbol in enumerate(symbols[:64])}
                source.line(f"{value} = {source.constant(one_byte.get)}(data[pos])")
                with source.block(f"if {value} is None:"):
                    source.line(f"{value}, pos = {read}(data, pos)")
                with source.block("else:"):
                    source.line("pos += 1")
            case {"type": "int" | "long" | "string" as kind}:
                self._add(source, kind, value)
            case _:
                source.line(f"{value}, pos = {source.constant(self.compile(schema))}(data, pos)")


def _add_string(source: Source, value: str) -> None:
    source.line("size = data[pos]")
    source.line("begin = pos + 1")
    with source.block("if size > 127:"):
        source.line("more = data[begin]")
        with source.block("if 0 < more < 128:"):
            source.line("size += (more << 7) - 128")
            source.line("begin += 1")
        with source.block("else:"):
            source.line("size, begin = read_number(data, pos)")
    source.line("end = begin + (size >> 1)")
    with source.block("if size & 1 or end > stop:"):
        source.line("read_size(data, pos)  # raises")
    source.line(f"{value} = data[begin:end].decode()")
    source.line("pos = end")


def _too_short(data: bytes) -> DecodeError:
    return DecodeError("truncated", f"the {len(data)} bytes end too early")


def _no_text(error: UnicodeDecodeError) -> DecodeError:
    return DecodeError("bad_text", f"a string is not UTF-8: {error.reason}")


def _too_long(data: bytes, end: int) -> DecodeError:
    return DecodeError("trailing_bytes", f"{len(data) - end} bytes follow the event")


_CALLED = {
    "read_number": parts.read_number,
    "read_int": parts.read_int,
    "read_long": parts.read_long,
    "read_size": parts.read_size,
    "read_string": parts.read_string,
    "read_index": parts.read_index,
    "too_short": _too_short,
    "no_text": _no_text,
    "too_long": _too_long,
}
"""What generated lines call, by the names that they use."""
