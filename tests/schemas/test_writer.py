"""Reader and writer, generated for a schema: held to fastavro, to each other, and to what hostile schemas try."""

from __future__ import annotations

import json
import traceback
from io import BytesIO
from typing import Any

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mabos.schemas import DecodeError
from mabos.schemas.reader import compile_reader
from mabos.schemas.writer import compile_writer

PRIMITIVE_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "boolean": st.booleans(),
    "int": st.integers(-(2**31), 2**31 - 1) | st.integers(-70, 70),
    "long": st.integers(-(2**63), 2**63 - 1) | st.integers(-70, 70),
    "string": st.text(st.characters(codec="utf-8")) | st.integers(60, 70).map("é".__mul__),
}
HOSTILE = 'x"]\n    raise SystemExit #\\'


@st.composite
def kinds(draw: st.DrawFn, depth: int = 2) -> Any:
    """A type of those that the contract uses; each named type has a name of its own."""
    shapes = ["primitive", "primitive", "wrapped", "enum", "optional", "record"]
    shape = draw(st.sampled_from(shapes if depth else shapes[:4]))
    if shape in ("primitive", "wrapped"):
        kind = draw(st.sampled_from(list(PRIMITIVE_VALUES)))
        return kind if shape == "primitive" else {"type": kind}
    if shape == "optional":
        return ["null", draw(kinds(depth - 1).filter(lambda kind: not isinstance(kind, list)))]
    name = f"N{draw(st.uuids()).hex}"
    if shape == "enum":
        return {
            "type": "enum",
            "name": name,
            "symbols": [f"S{number}" for number in range(draw(st.sampled_from([1, 2, 130])))],
        }
    return {"type": "record", "name": name, "fields": draw(fields(depth - 1))}


@st.composite
def fields(draw: st.DrawFn, depth: int) -> list[dict[str, Any]]:
    """Up to four fields; some texts have a default."""
    found: list[dict[str, Any]] = []
    for number in range(draw(st.integers(0, 4))):
        kind = draw(kinds(depth))
        default = {"default": draw(st.sampled_from(["", "likely", "x" * 64, "é"]))} if kind == "string" else {}
        found.append({"name": f"f{number}", "type": kind} | default)
    return found


def values(kind: Any, default: str = "") -> st.SearchStrategy[Any]:
    """Values of a type; the default of its field is likely."""
    match kind:
        case ["null", branch]:
            return st.none() | values(branch)
        case {"type": "record", "fields": [*members]}:
            return st.fixed_dictionaries({m["name"]: values(m["type"], m.get("default", "")) for m in members})
        case {"type": "enum", "symbols": symbols}:
            return st.sampled_from(symbols)
        case {"type": inner}:
            return values(inner)
    return st.just(default) | PRIMITIVE_VALUES[kind] if kind == "string" else PRIMITIVE_VALUES[kind]


def write(schema: Any, value: Any) -> bytes:
    """As fastavro writes it."""
    out = BytesIO()
    fastavro.schemaless_writer(out, schema, value)
    return out.getvalue()


def parsed(schema: Any) -> Any:
    return fastavro.parse_schema(json.loads(json.dumps(schema)))


records = fields(2).map(lambda members: {"type": "record", "name": "Outer", "fields": members})


@given(records, st.data())
@settings(max_examples=100)
def test_both_ways_agree_with_fastavro(schema: dict[str, Any], data: st.DataObject) -> None:
    """What the writer writes is what fastavro writes, and the reader reads the value again; so do their short ways."""
    value = data.draw(values(schema))
    schema = parsed(schema)
    body = write(schema, value)
    assert compile_writer(schema)(value) == body
    assert compile_reader(schema)(b"head" + body, 4) == value
    values_in_order = tuple(value[member["name"]] for member in schema["fields"])
    assert compile_reader(schema, lambda *found: found)(body, 0) == values_in_order
    assert compile_writer(schema, lambda _: values_in_order, prefix=b"head")(value) == b"head" + body


@given(records, st.data())
@settings(max_examples=100)
def test_changed_bytes_are_another_value_or_an_error(schema: dict[str, Any], data: st.DataObject) -> None:
    """Whatever is read writes to the same bytes: no bytes have a value that is not theirs."""
    schema = parsed(schema)
    read, rewrite = compile_reader(schema), compile_writer(schema)
    body = bytearray(write(schema, data.draw(values(schema))))
    for _ in range(10):
        changed = bytearray(body)
        at = data.draw(st.integers(0, len(body)))
        changed[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
        try:
            value = read(bytes(changed), 0)
        except DecodeError:
            continue
        assert rewrite(value) == changed


@pytest.mark.parametrize("size", [0, 1, 62, 63, 64, 65, 2047, 2048, 8191, 8192, 1_048_575, 1_048_576])
@pytest.mark.parametrize("char", ["x", "é"])
def test_texts_of_any_size(char: str, size: int) -> None:
    """However many bytes the size of a text takes, it is written as fastavro does, and read again."""
    schema = parsed(
        {"type": "record", "name": "R", "fields": [{"name": "a", "type": "string"}, {"name": "b", "type": "int"}]}
    )
    value = {"a": char * (size // len(char.encode())), "b": 1}
    body = write(schema, value)
    assert compile_writer(schema)(value) == body
    assert compile_reader(schema)(body, 0) == value
    for end in {0, 1, min(2, len(body) - 1), len(body) - 1}:
        with pytest.raises(DecodeError, match="truncated"):
            compile_reader(schema)(body[:end], 0)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"\x80\x00", "not_canonical"),
        (b"\x81\x01" + b"x" * 64, "bad_value"),
        (b"\x80\x01" + b"x" * 63, "truncated"),
        (b"\x80", "truncated"),
        (b"\x80\x80", "truncated"),
        (b"\x80\x80\x00", "not_canonical"),
        (b"\x01", "bad_value"),
        (b"\x80" * 10, "bad_value"),
        (b"\x80" * 9 + b"\x02", "bad_value"),
        (b"\x04\xc3", "truncated"),
        (b"\x02\xc3", "bad_text"),
        (b"\x02xy", "trailing_bytes"),
    ],
)
@pytest.mark.parametrize("default", [{}, {"default": "likely"}])
def test_a_wrong_size_is_refused(body: bytes, code: str, default: dict[str, str]) -> None:
    """The sizes that generated lines read are as strict as all others, where the field has a default too."""
    schema = parsed({"type": "record", "name": "R", "fields": [{"name": "a", "type": "string"} | default]})
    with pytest.raises(DecodeError) as refused:
        compile_reader(schema)(body, 0)
    assert refused.value.code == code


def test_names_of_a_schema_are_no_code() -> None:
    """Names, symbols and defaults are values to the generated lines, whatever they hold."""
    enum = {"type": "enum", "name": HOSTILE, "symbols": [HOSTILE, "__import__('os').abort()"]}
    inner = {"type": "record", "name": f"{HOSTILE}2", "fields": [{"name": HOSTILE, "type": "int"}]}
    schema = {
        "type": "record",
        "name": f"{HOSTILE}3",
        "fields": [
            {"name": HOSTILE, "type": "string", "default": HOSTILE},
            {"name": "C0", "type": enum},
            {"name": "data", "type": ["null", inner]},
        ],
    }
    for text in (HOSTILE, "other"):
        value = {HOSTILE: text, "C0": HOSTILE, "data": {HOSTILE: 3}}
        assert compile_reader(schema)(compile_writer(schema)(value), 0) == value


def test_generated_lines_show_in_a_traceback() -> None:
    """A debugger and a traceback show the line that failed, as if it stood in a file."""
    write_record = compile_writer({"type": "record", "name": "R", "fields": [{"name": "a", "type": "string"}]})
    with pytest.raises(AttributeError) as failed:
        write_record({"a": 5})
    assert "value_0.encode()" in "".join(traceback.format_tb(failed.value.__traceback__))
