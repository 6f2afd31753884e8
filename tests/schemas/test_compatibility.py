"""Compatibility: each change of the table breaks whom it breaks, and fastavro agrees."""

from __future__ import annotations

import json
import re
from io import BytesIO
from typing import Any

import fastavro
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mabos.schemas import CONTROL, REQUEST, RESPONSE, find_breaks, parse_schema_text
from mabos.schemas.compatibility import find_obstacles
from mabos.schemas.reader import compile_reader

NEW, OLD = "new readers cannot read", "cannot read new records"


def event(*fields: dict[str, Any], **more: Any) -> dict[str, Any]:
    return parse_schema_text(json.dumps({"type": "record", "name": "Event", "fields": list(fields), **more}))


def field(kind: Any, name: str = "f", **more: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, **more}


def enum(*symbols: str, **more: Any) -> dict[str, Any]:
    return {"type": "enum", "name": "E", "symbols": list(symbols), **more}


def inner(*fields: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "record", "name": "Inner", "fields": list(fields), **more}


def fixed(size: int) -> dict[str, Any]:
    return {"type": "fixed", "name": "F", "size": size}


def items(kind: Any) -> dict[str, Any]:
    return {"type": "array", "items": kind}


G = field("int", "g")
CHANGES: dict[str, tuple[list[Any], list[Any], list[str]]] = {
    "nothing": ([field("int")], [field("int")], []),
    "docs and order": ([field("int"), G], [G, field("int", doc="more")], []),
    "add with default": ([field("int")], [field("int"), field("int", "g", default=0)], []),
    "add without default": ([field("int")], [field("int"), G], [f'"g": is missing.*{NEW}']),
    "remove with default": ([field("int"), field("int", "g", default=0)], [field("int")], []),
    "remove without default": ([field("int"), G], [field("int")], [f'"g": is missing.*{OLD}']),
    "rename": ([field("int")], [G], [f'"g": is missing.*{NEW}', f'"f": is missing.*{OLD}']),
    "rename with alias": ([field("int")], [field("int", "g", aliases=["f"])], [f'"f": is missing.*{OLD}']),
    "rename with alias and default": ([field("int", default=0)], [field("int", "g", aliases=["f"])], []),
    "alias of a field that stays": (
        [field("int"), G],
        [field("int", "g", aliases=["f"])],
        [f'"g": is both g and f.*{NEW}', f'"f": is missing.*{OLD}'],
    ),
    "int to long": ([field("int")], [field("long")], [f'"f": type long cannot be read as int.*{OLD}']),
    "long to int": ([field("long")], [field("int")], [f'"f": type long cannot be read as int.*{NEW}']),
    "float to double": ([field("float")], [field("double")], [f"double cannot be read as float.*{OLD}"]),
    "string to bytes": ([field("string")], [field("bytes")], []),
    "string to int": ([field("string")], [field("int")], [NEW, OLD]),
    "wrapped primitive": ([field("long")], [field({"type": "long", "logicalType": "timestamp-millis"})], []),
    "new symbol": ([field(enum("A"))], [field(enum("A", "B"))], [f'"f": enum symbol B is unknown.*{OLD}']),
    "new symbol, readers have a default": (
        [field(enum("A", default="A"))],
        [field(enum("A", "B", default="A"))],
        [],
    ),
    "symbol removed": ([field(enum("A", "B"))], [field(enum("A"))], [f'"f": enum symbol B is unknown.*{NEW}']),
    "enum renamed": ([field(enum("A"))], [field(enum("A", name="X"))], ["renamed to X", "renamed to E"]),
    "enum renamed with alias": (
        [field(enum("A"))],
        [field(enum("A", name="X", aliases=["E"]))],
        [f"X is renamed to E without an alias.*{OLD}"],
    ),
    "union widened": (
        [field(["null", "int"])],
        [field(["null", "int", "string"])],
        [f'"f": type string is no branch.*{OLD}'],
    ),
    "union reordered": ([field(["null", "int"])], [field(["int", "null"])], []),
    "made optional": ([field("int")], [field(["null", "int"])], [f'"f": type null cannot be read as int.*{OLD}']),
    "record in a record": (
        [field(inner(field("int")))],
        [field(inner(field("int"), G))],
        [f'"f.g": is missing.*{NEW}'],
    ),
    "record behind a union": (
        [field(["null", inner(field("int"))])],
        [field(["null", inner(field("int"), G)])],
        [f'"f.*{NEW}'],
    ),
    "items": ([field(items("int"))], [field(items("string"))], [r'"f\[\]".*' + NEW, r'"f\[\]".*' + OLD]),
    "values": (
        [field({"type": "map", "values": "int"})],
        [field({"type": "map", "values": "long"})],
        [r'"f\{\}".*' + OLD],
    ),
    "array to map": ([field(items("int"))], [field({"type": "map", "values": "int"})], [NEW, OLD]),
    "fixed size": ([field(fixed(2))], [field(fixed(3))], ["fixed size 2 .* as 3", "fixed size 3 .* as 2"]),
    "record to primitive": ([field(inner())], [field("int")], [NEW, OLD]),
    "used again": (
        [field(enum("A")), field("E", "g")],
        [field(enum("A")), field(enum("A", name="E2"), "g")],
        [f'"g": type E is renamed to E2.*{NEW}', f'"g": type E2 is renamed to E.*{OLD}'],
    ),
}


@pytest.mark.parametrize(("old", "new", "problems"), CHANGES.values(), ids=CHANGES)
def test_a_change_breaks_whom_it_breaks(old: list[Any], new: list[Any], problems: list[str]) -> None:
    """Each break is told once, with the field and who suffers; a harmless change has none."""
    found = find_breaks(event(*new), [("version 1", event(*old))])
    assert len(found) == len(problems), found
    for line, problem in zip(found, problems, strict=True):
        assert re.search(problem, line), line


def test_the_event_keeps_its_name_and_namespace() -> None:
    """Another name or namespace is another event, though Avro would resolve the namespace away."""
    old = event(namespace="mabos.tasks")
    (problem,) = find_breaks(event(namespace="elsewhere"), [("version 1", old)])
    assert "mabos.tasks.Event of version 1 is renamed to elsewhere.Event" in problem


def test_each_version_counts() -> None:
    """FULL_TRANSITIVE compares with every version before, not only with the newest."""
    history = [("version 1", event(field("int"))), ("version 2", event(field("int"), field("int", "g", default=0)))]
    (problem,) = find_breaks(event(field("int"), field("string", "g", default="")), [*history])[:1]
    assert "version 2" in problem
    assert find_breaks(event(field("int")), history) == []


@pytest.mark.parametrize("text", [REQUEST.schema_text, RESPONSE.schema_text, CONTROL.schema_text])
def test_the_contract_is_compatible_with_itself(text: str) -> None:
    """The bundled schemas can be registered twice."""
    schema = parse_schema_text(text)
    assert find_breaks(schema, [("version 1", schema)]) == []


PRIMITIVES = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"]
primitives = st.sampled_from(PRIMITIVES)
enums = st.builds(
    lambda symbols, has_default: enum(*symbols, **({"default": symbols[0]} if has_default else {})),
    st.lists(st.sampled_from("ABC"), min_size=1, unique=True),
    st.booleans(),
)
leaves = primitives | enums | st.sampled_from([1, 2]).map(fixed) | primitives.map(lambda kind: {"type": kind})
collections = st.builds(items, leaves.filter(lambda kind: "null" not in str(kind)))
collections |= st.builds(lambda kind: {"type": "map", "values": kind}, leaves)
unions = st.lists(
    primitives | enums | collections,
    min_size=1,
    max_size=3,
    unique_by=lambda kind: str(kind if isinstance(kind, str) else kind["type"]),
)
kinds = leaves | collections | unions
DEFAULTS: dict[str, Any] = {"null": None, "boolean": False, "int": 0, "long": 0, "float": 0.0, "double": 0.0}


def default_of(kind: Any) -> Any:
    kind = kind[0] if isinstance(kind, list) else kind
    kind = kind if isinstance(kind, dict) else {"type": kind}
    if kind["type"] == "enum":
        return kind["symbols"][0]
    if kind["type"] == "fixed":
        return "x" * kind["size"]
    return {"array": [], "map": {}}.get(kind["type"], DEFAULTS.get(kind["type"], ""))


@st.composite
def schemas(draw: st.DrawFn) -> dict[str, Any]:
    """A record of up to three fields; named types stand once, under the names that others would give them."""
    fields: list[dict[str, Any]] = []
    seen: set[str] = set()
    for name in draw(st.lists(st.sampled_from("abc"), max_size=3, unique=True)):
        kind = draw(kinds)
        named = re.findall('"enum"|"fixed"', json.dumps(kind))
        if len(named) > len({*named} - seen):
            kind, named = draw(primitives), []
        seen |= {*named}
        more: dict[str, Any] = {"default": default_of(kind)} if draw(st.booleans()) else {}
        if draw(st.booleans()):
            more["aliases"] = [draw(st.sampled_from("abcd"))]
            taken = {word for other in fields for word in (other["name"], *other.get("aliases", []))}
            assume(not taken.intersection(more["aliases"]))
        assume(name not in {alias for other in fields for alias in other.get("aliases", [])})
        fields.append(field(kind, name, **more))
    return event(*fields)


ascii_texts = st.text(st.characters(codec="ascii"), max_size=5)
PRIMITIVE_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "null": st.none(),
    "boolean": st.booleans(),
    "int": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(width=32, allow_nan=False),
    "double": st.floats(allow_nan=False),
    "bytes": ascii_texts.map(str.encode),
    "string": ascii_texts,
}


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Values that a writer with this schema may write."""
    if isinstance(kind, list):
        return st.one_of([values(branch) for branch in kind])
    kind = kind if isinstance(kind, dict) else {"type": kind}
    if kind["type"] == "record":
        return st.fixed_dictionaries({member["name"]: values(member["type"]) for member in kind["fields"]})
    if kind["type"] == "enum":
        return st.sampled_from(kind["symbols"])
    if kind["type"] == "fixed":
        return st.binary(min_size=kind["size"], max_size=kind["size"])
    if kind["type"] in ("array", "map"):
        part = values(kind.get("items", kind.get("values")))
        return st.lists(part, max_size=3) if "items" in kind else st.dictionaries(st.text("xyz"), part, max_size=3)
    return PRIMITIVE_VALUES[kind["type"]]


def write(schema: dict[str, Any], value: Any) -> bytes:
    out = BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(json.loads(json.dumps(schema))), value)
    return out.getvalue()


@given(schemas(), schemas(), st.data())
@settings(max_examples=500)
def test_fastavro_reads_what_has_no_obstacle(
    reader: dict[str, Any], writer: dict[str, Any], data: st.DataObject
) -> None:
    """If nothing is found in the way, every written record resolves; if a field is missing for sure, none does."""
    body = write(writer, data.draw(values(writer)))
    obstacles = find_obstacles(reader=reader, writer=writer)
    parsed = [fastavro.parse_schema(json.loads(json.dumps(schema))) for schema in (writer, reader)]
    if not obstacles:
        found = fastavro.schemaless_reader(BytesIO(body), *parsed)
        assert set(found) == {member["name"] for member in reader["fields"]}
    elif any("is missing" in line for line in obstacles):
        with pytest.raises((fastavro.read.SchemaResolutionError, KeyError)):
            fastavro.schemaless_reader(BytesIO(body), *parsed)


@given(schemas(), st.data())
@settings(max_examples=300)
def test_the_strict_reader_reads_as_fastavro_does(schema: dict[str, Any], data: st.DataObject) -> None:
    """What fastavro writes, the strict reader reads to the very value that fastavro reads."""
    body = write(schema, data.draw(values(schema)))
    parsed = fastavro.parse_schema(json.loads(json.dumps(schema)))
    assert compile_reader(parsed)(body, 0) == fastavro.schemaless_reader(BytesIO(body), parsed, None)
