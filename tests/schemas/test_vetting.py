"""Vetting: no schema that is invalid, or dangerous to decode with, comes through."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mabos.schemas import CONTROL, REQUEST, RESPONSE, SchemaError, parse_schema_text


def record(*fields: dict[str, Any], **more: Any) -> str:
    return json.dumps({"type": "record", "name": "Event", "fields": list(fields), **more})


def field(kind: Any, **more: Any) -> dict[str, Any]:
    return {"name": "f", "type": kind, **more}


def fixed(size: Any) -> dict[str, Any]:
    return {"type": "fixed", "name": "F", "size": size}


def enum(*symbols: Any, **more: Any) -> dict[str, Any]:
    return {"type": "enum", "name": "E", "symbols": list(symbols), **more}


def inner(*fields: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "record", "name": "Inner", "fields": list(fields), **more}


DEEP: Any = "int"
for _ in range(20):
    DEEP = {"type": "array", "items": DEEP}
DOUBLING: list[dict[str, Any]] = [{"name": "f0", "type": {"type": "record", "name": "R0", "fields": [field("null")]}}]
for _n in range(1, 40):
    _half = {"type": f"R{_n - 1}"}
    _two = {"type": "record", "name": f"R{_n}", "fields": [{"name": "a"} | _half, {"name": "b"} | _half]}
    DOUBLING.append({"name": f"f{_n}", "type": _two})
FIVE_THOUSAND = '{"type":"record","name":"R","fields":[{"name":"f","type":' * 5000

REFUSED = {
    "no JSON": ("{", "not JSON"),
    "empty": ("", "not JSON"),
    "NaN": ('{"type":"record","name":"R","fields":[],"x":NaN}', "NaN"),
    "key twice": ('{"type":"record","type":"record","name":"R","fields":[]}', "stands twice"),
    "too long": (" " * 1_000_001, "1000001 characters"),
    "a string": ('"string"', "must be a record"),
    "an enum": (json.dumps(enum("A")), "must be a record"),
    "recursive": (record(field(["null", "Event"])), "f: type Event contains itself"),
    "recursive by array": (record(field({"type": "array", "items": "Event"})), "f[]: type Event contains itself"),
    "recursive by full name": (record(field(["null", "a.Event"]), namespace="a"), "f: type a.Event contains itself"),
    "nested 20": (record(field(DEEP)), "deeper than 16"),
    "nested 5000": (FIVE_THOUSAND, "deeper than 64"),
    "fixed -1": (record(field(fixed(-1))), "f: the size of fixed F"),
    "fixed 0": (record(field(fixed(0))), "f: the size of fixed F"),
    "fixed 2^40": (record(field(fixed(2**40))), "f: the size of fixed F"),
    "fixed true": (record(field(fixed(True))), "f: the size of fixed F"),
    "fixed text": (record(field(fixed("1"))), "f: the size of fixed F"),
    "field twice": (record(field("int"), field("int")), "f: two fields"),
    "2^40 fields of no byte": (record(*DOUBLING), "more than 200 fields"),
    "201 fields": (record(*({"name": f"f{n}", "type": "int"} for n in range(201))), "f200: more than 200"),
    "odd name": (record(name="9 bad;--"), "needs a name"),
    "odd field name": (record({"name": "9 bad;--", "type": "int"}), "a field needs a type and a name"),
    "name of a primitive": (record(field({"type": "record", "name": "int", "fields": []})), "f: int is the name"),
    "odd namespace": (record(namespace="a..b"), "namespace"),
    "namespace 5": (record(namespace=5), "namespace"),
    "no fields": ('{"type":"record","name":"R"}', "list of fields"),
    "a field that is none": ('{"type":"record","name":"R","fields":[5]}', "a field needs"),
    "union in union": (record(field(["null", ["int"]])), "f: a union directly inside"),
    "union in union, wrapped": (record(field(["null", {"type": ["int"]}])), "f: a union directly inside"),
    "branch twice": (record(field(["int", "int"])), "f: the union has two branches of type int"),
    "branch twice, wrapped": (record(field(["int", {"type": "int"}])), "f: the union has two branches of type int"),
    "array twice": (
        record(field([{"type": "array", "items": "int"}, {"type": "array", "items": "long"}])),
        "f: the union has two branches of type array",
    ),
    "empty union": (record(field([])), "f: the union is empty"),
    "symbol twice": (record(field(enum("A", "A"))), "f: the enum E has a symbol twice"),
    "no symbol": (record(field(enum())), "f: the enum E needs symbols"),
    "odd symbol": (record(field(enum("a b"))), "f: a symbol of E"),
    "symbol 5": (record(field(enum(5))), "f: a symbol of E"),
    "enum default": (record(field(enum("A", default="B"))), "f: the default of E"),
    "unknown type": (record(field("strng")), 'f: unknown type "strng"'),
    "unknown complex type": (record(field({"type": "strng"})), 'f: unknown type "strng"'),
    "protocol error": (record(field({"type": "error", "name": "X", "fields": []})), 'f: unknown type "error"'),
    "type 5": (record(field(5)), "f: is no Avro schema"),
    "type null": (record(field(None)), "f: is no Avro schema"),
    "no items": (record(field({"type": "array"})), "f[]: is no Avro schema"),
    "defined twice": (record(field(enum("A")), {"name": "g", "type": enum("B")}), "g: the type E is defined twice"),
    "array of null": (record(field({"type": "array", "items": "null"})), "f: items that take no byte"),
    "array of empty records": (record(field({"type": "array", "items": inner()})), "f: items that take no byte"),
    "array of records of null": (
        record(field({"type": "array", "items": inner(field("null"))})),
        "f: items that take no byte",
    ),
    "array of a type seen before": (
        record(field(inner()), {"name": "g", "type": {"type": "array", "items": "Inner"}}),
        "g: items that take no byte",
    ),
    "deep in a record": (record(field(inner(field({"type": "map", "values": "x"})))), "f.f{}: unknown type"),
    "aliases a text": (record(field("int", aliases="old")), "f: aliases"),
    "aliases odd": (record(field("int", aliases=["a b"])), "f: aliases"),
    "alias of a field that is there": (
        record({"name": "g", "type": "int"}, field("int", aliases=["g"])),
        "f: its alias g is a name of the field g too",
    ),
    "alias of two": (
        record({"name": "g", "type": "int", "aliases": ["x"]}, field("int", aliases=["x"])),
        "f: its alias x is a name of the field g too",
    ),
    "aliases of the record odd": (record(aliases=[["a"]]), "aliases"),
}

BAD_DEFAULTS: list[tuple[Any, Any]] = [
    ("int", "1"),
    ("int", 2**31),
    ("int", True),
    ("long", 2**63),
    ("long", 1.5),
    ("float", "1"),
    ("boolean", 0),
    ("string", None),
    ("null", "null"),
    ("bytes", "€"),
    ("bytes", 5),
    ({"type": "long", "logicalType": "timestamp-millis"}, "now"),
    (["null", "string"], "x"),
    (["string", "null"], None),
    (enum("A"), "B"),
    (enum("A"), ["A"]),
    (fixed(2), "abc"),
    ({"type": "array", "items": "int"}, [1, "2"]),
    ({"type": "array", "items": "int"}, {}),
    ({"type": "map", "values": "int"}, {"a": None}),
    ({"type": "map", "values": "int"}, []),
    (inner(field("int")), {}),
    (inner(field("int")), {"f": "1"}),
    (inner(field("int")), None),
]

GOOD_DEFAULTS: list[tuple[Any, Any]] = [
    ("int", -(2**31)),
    ("double", 1),
    ("bytes", "\xff"),
    (["null", "string"], None),
    (["string", "null"], "x"),
    (enum("A"), "A"),
    (fixed(2), "ab"),
    ({"type": "array", "items": ["null", "int"]}, [None]),
    ({"type": "map", "values": "int"}, {"a": 1}),
    (inner(field("int", default=1)), {}),
    (inner(field(enum("A"))), {"f": "A"}),
]


@pytest.mark.parametrize("text", [REQUEST.schema_text, RESPONSE.schema_text, CONTROL.schema_text])
def test_the_contract_passes(text: str) -> None:
    """The two bundled schemas are safe, and come back as they are."""
    assert parse_schema_text(text) == json.loads(text)


@pytest.mark.parametrize(("text", "reason"), REFUSED.values(), ids=REFUSED)
def test_a_bad_schema_is_refused(text: str, reason: str) -> None:
    """Each is refused with the path of the culprit and the reason, in one line."""
    with pytest.raises(SchemaError) as refused:
        parse_schema_text(text)
    assert reason in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(("kind", "default"), BAD_DEFAULTS, ids=str)
def test_a_default_that_does_not_fit_is_refused(kind: Any, default: Any) -> None:
    """A default that readers could not use is refused before anybody relies on it."""
    with pytest.raises(SchemaError, match=r"^f: the default .* does not fit"):
        parse_schema_text(record(field(kind, default=default)))


@pytest.mark.parametrize(("kind", "default"), GOOD_DEFAULTS, ids=str)
def test_a_default_that_fits_passes(kind: Any, default: Any) -> None:
    """Defaults are taken as the specification writes them, also within named and nested types."""
    assert parse_schema_text(record(field(kind, default=default)))["fields"][0]["default"] == default


@given(
    st.recursive(
        st.sampled_from(["null", "int", "bytes", "record", "enum", "fixed", "array", "map", "Event", "E", "", 1, None]),
        lambda part: (
            st.lists(part, max_size=3)
            | st.fixed_dictionaries(
                {"type": part},
                optional=dict.fromkeys(["name", "fields", "symbols", "items", "values", "size", "default"], part),
            )
        ),
        max_leaves=12,
    )
)
@settings(max_examples=400)
def test_no_schema_brings_another_error(kind: Any) -> None:
    """Whatever stands where a type should, the answer is a schema or a SchemaError."""
    with suppress(SchemaError):
        parse_schema_text(record(field(kind, default=kind)))
    with suppress(SchemaError):
        parse_schema_text(record(field(kind)))


def test_named_types_may_be_used_again() -> None:
    """A type may be named after its definition, by its simple or full name, also in a default."""
    text = record(
        field(enum("A", namespace="x.y")),
        {"name": "g", "type": {"type": "array", "items": "x.y.E"}, "default": ["A"]},
        namespace="mabos",
    )
    assert parse_schema_text(text)["name"] == "Event"
