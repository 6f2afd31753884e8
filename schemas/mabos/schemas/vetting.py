"""Is a schema safe to decode with?

fastavro trusts the schemas it is given: a recursive one and five kilobytes end the process, an array of nulls makes
twenty million items of five bytes. So each schema is looked at once before its first use, without recursion that
depends on it beyond ``MAX_DEPTH``. The rules are those of the Avro 1.12 specification and these bounds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import fastavro

from mabos.schemas.errors import InvalidTask, SchemaError
from mabos.schemas.jsontext import parse_json

MAX_TEXT_CHARS = 1_000_000
MAX_DEPTH = 16
MAX_FIELDS = 200
MAX_FIXED_BYTES = 65_536

PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})
_COMPLEX = ("record", "enum", "fixed", "array", "map")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_FULL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*\Z")


def parse_schema_text(text: str) -> dict[str, Any]:
    """The schema in a text, vetted.

    Raises:
        SchemaError: It is no JSON, no valid Avro record schema, or not safe to decode with; names the place and reason.
    """
    if len(text) > MAX_TEXT_CHARS:
        raise SchemaError(f"schema: {len(text)} characters, at most {MAX_TEXT_CHARS} are read")
    try:
        schema = parse_json("schema", text)
    except InvalidTask as error:
        raise SchemaError(f"schema {error.reason}") from error
    if not isinstance(schema, dict) or schema.get("type") != "record":
        raise SchemaError("schema: an event must be a record")
    _Vetting().check(schema, "", schema.get("namespace", ""), 1)
    try:
        fastavro.parse_schema(json.loads(text))
    except Exception as error:
        raise SchemaError(f"schema: {error}") from error
    return schema


class _Vetting:
    """One walk over one schema; remembers the named types seen."""

    def __init__(self) -> None:
        self._done: dict[str, bool] = {}  # full name -> whether a value of it takes no byte
        self._types: dict[str, tuple[dict[str, Any], str]] = {}  # full name -> its schema and namespace
        self._open: set[str] = set()
        self._fields = 0
        self._empty_fields: dict[str, int] = {}  # full name of a record that may take no byte -> its fields, unfolded

    def check(self, schema: Any, path: str, namespace: str, depth: int) -> bool:  # noqa: ANN401 - any JSON value
        """Check one (sub)schema and say whether a value of it may take no byte at all."""
        if depth > MAX_DEPTH:
            raise SchemaError(f"{path or 'schema'}: nests deeper than {MAX_DEPTH} levels")
        if isinstance(schema, str):
            return self._check_reference(schema, path, namespace)
        if isinstance(schema, list):
            return self._check_union(schema, path, namespace, depth)
        if not isinstance(schema, dict) or "type" not in schema:
            raise SchemaError(f"{path or 'schema'}: is no Avro schema")
        kind = schema["type"]
        checks: Mapping[str, Callable[[dict[str, Any], str, str, int], bool]] = {
            "record": self._check_record,
            "enum": self._check_enum,
            "fixed": self._check_fixed,
            "array": self._check_array,
            "map": self._check_map,
        }
        if isinstance(kind, str) and kind in checks:
            return checks[kind](schema, path, namespace, depth)
        return self.check(kind, path, namespace, depth + 1)

    def _check_reference(self, name: str, path: str, namespace: str) -> bool:
        if name in PRIMITIVES:
            return name == "null"
        full = _full_name(name, namespace)
        if full in self._open:
            raise SchemaError(f"{path}: type {full} contains itself, recursive schemas are refused")
        if full not in self._done:
            raise SchemaError(f'{path or "schema"}: unknown type "{name[:60]}"')
        if full in self._empty_fields:
            # Twenty records without bytes, each with two of the one before, are a million fields that no byte pays for.
            self._count_fields(self._empty_fields[full], path)
        return self._done[full]

    def _count_fields(self, count: int, path: str) -> None:
        self._fields += count
        if self._fields > MAX_FIELDS:
            raise SchemaError(f"{path}: more than {MAX_FIELDS} fields")

    def _check_union(self, branches: list[Any], path: str, namespace: str, depth: int) -> bool:
        kinds: set[str] = set()
        for branch in branches:
            inner = branch
            while isinstance(inner, dict) and inner.get("type") not in _COMPLEX:
                inner = inner.get("type")
            if isinstance(inner, list):
                raise SchemaError(f"{path}: a union directly inside a union")
            self.check(branch, path, namespace, depth + 1)
            kind = _branch_kind(branch, namespace)
            if kind in kinds:
                raise SchemaError(f"{path}: the union has two branches of type {kind}")
            kinds.add(kind)
        if not branches:
            raise SchemaError(f"{path}: the union is empty")
        return False

    def _check_record(self, schema: dict[str, Any], path: str, namespace: str, depth: int) -> bool:
        full, namespace = self._check_name(schema, path, namespace)
        fields = schema.get("fields")
        if not isinstance(fields, list):
            raise SchemaError(f"{path or full}: a record needs a list of fields")
        self._open.add(full)
        before = self._fields
        names: set[str] = set()
        empty = True
        for field in fields:
            name = field.get("name") if isinstance(field, dict) else None
            if not isinstance(name, str) or not _NAME.match(name) or "type" not in field:
                raise SchemaError(f"{path or full}: a field needs a type and a name of letters, digits and _")
            where = f"{path}.{name}" if path else name
            if name in names:
                raise SchemaError(f"{where}: two fields have this name")
            names.add(name)
            self._count_fields(1, where)
            empty &= self.check(field["type"], where, namespace, depth + 1)
            self._check_field(field, where, namespace)
        _check_aliases(fields, path)
        self._open.discard(full)
        self._done[full] = empty
        if empty:
            self._empty_fields[full] = self._fields - before
        return empty

    def _check_field(self, field: dict[str, Any], path: str, namespace: str) -> None:
        aliases = field.get("aliases", [])
        if not isinstance(aliases, list) or not all(isinstance(alias, str) and _NAME.match(alias) for alias in aliases):
            raise SchemaError(f"{path}: aliases must be a list of names of letters, digits and _")
        if "default" in field and not self._fits(field["default"], field["type"], namespace):
            raise SchemaError(f"{path}: the default {json.dumps(field['default'])[:60]} does not fit the type")

    def _fits(self, value: Any, schema: Any, namespace: str) -> bool:  # noqa: ANN401 - any JSON value, any schema
        """Whether a JSON value is a default of a schema, which was checked before."""
        while not isinstance(schema, dict) or schema["type"] not in _COMPLEX:
            if isinstance(schema, dict):
                schema = schema["type"]
            elif isinstance(schema, list):
                schema = schema[0]  # 1.12 allows a default of any branch, libraries before it want the first
            elif schema in PRIMITIVES:
                return _fits_primitive(value, schema)
            else:
                schema, namespace = self._types[_full_name(schema, namespace)]
        match schema["type"]:
            case "array":
                return isinstance(value, list) and all(self._fits(item, schema["items"], namespace) for item in value)
            case "map":
                return isinstance(value, dict) and all(
                    self._fits(item, schema["values"], namespace) for item in value.values()
                )
            case "enum":
                return value in schema["symbols"]
            case "fixed":
                return _fits_primitive(value, "bytes") and len(value) == schema["size"]
        return isinstance(value, dict) and self._fits_record(value, schema, schema.get("namespace", namespace))

    def _fits_record(self, value: dict[str, Any], schema: dict[str, Any], namespace: str) -> bool:
        return all(
            self._fits(value[field["name"]], field["type"], namespace) if field["name"] in value else "default" in field
            for field in schema["fields"]
        )

    def _check_enum(self, schema: dict[str, Any], path: str, namespace: str, _depth: int) -> bool:
        full, _ = self._check_name(schema, path, namespace)
        symbols = schema.get("symbols")
        if not isinstance(symbols, list) or not symbols:
            raise SchemaError(f"{path}: the enum {full} needs symbols")
        if not all(isinstance(symbol, str) and _NAME.match(symbol) for symbol in symbols):
            raise SchemaError(f"{path}: a symbol of {full} is no name of letters, digits and _")
        if len(set(symbols)) < len(symbols):
            raise SchemaError(f"{path}: the enum {full} has a symbol twice")
        if "default" in schema and schema["default"] not in symbols:
            raise SchemaError(f"{path}: the default of {full} is none of its symbols")
        self._done[full] = False
        return False

    def _check_fixed(self, schema: dict[str, Any], path: str, namespace: str, _depth: int) -> bool:
        full, _ = self._check_name(schema, path, namespace)
        size = schema.get("size")
        if type(size) is not int or not 1 <= size <= MAX_FIXED_BYTES:
            raise SchemaError(f"{path}: the size of fixed {full} must be from 1 to {MAX_FIXED_BYTES}")
        self._done[full] = False
        return False

    def _check_array(self, schema: dict[str, Any], path: str, namespace: str, depth: int) -> bool:
        if self.check(schema.get("items"), f"{path}[]", namespace, depth + 1):
            raise SchemaError(f"{path}: items that take no byte, five bytes could claim millions of them")
        return False

    def _check_map(self, schema: dict[str, Any], path: str, namespace: str, depth: int) -> bool:
        self.check(schema.get("values"), f"{path}{{}}", namespace, depth + 1)
        return False

    def _check_name(self, schema: dict[str, Any], path: str, namespace: str) -> tuple[str, str]:
        name = schema.get("name")
        space = schema.get("namespace", namespace)
        if not isinstance(name, str) or not _FULL_NAME.match(name):
            raise SchemaError(f"{path or 'schema'}: a named type needs a name of letters, digits and _")
        if not isinstance(space, str) or (space and not _FULL_NAME.match(space)):
            raise SchemaError(f"{path or name}: the namespace is no dotted name")
        if name.rpartition(".")[2] in PRIMITIVES:
            raise SchemaError(f"{path or name}: {name} is the name of a primitive type")
        aliases = schema.get("aliases", [])
        if not isinstance(aliases, list) or not all(
            isinstance(alias, str) and _FULL_NAME.match(alias) for alias in aliases
        ):
            raise SchemaError(f"{path or name}: aliases must be a list of names of letters, digits and _")
        if "." in name:
            space = name.rpartition(".")[0]
        full = _full_name(name, space)
        if full in self._types:
            raise SchemaError(f"{path or 'schema'}: the type {full} is defined twice")
        self._types[full] = schema, space
        return full, space


def _check_aliases(fields: list[dict[str, Any]], path: str) -> None:
    """Refuse a name that two fields claim: libraries differ in which of them gets what was written under it."""
    owners = {field["name"]: field["name"] for field in fields}
    for field in fields:
        for alias in field.get("aliases", ()):
            owner = owners.setdefault(alias, field["name"])
            if owner != field["name"]:
                where = f"{path}.{field['name']}" if path else field["name"]
                raise SchemaError(f"{where}: its alias {alias} is a name of the field {owner} too")


def _full_name(name: str, namespace: str) -> str:
    return name if "." in name or not namespace else f"{namespace}.{name}"


def _branch_kind(branch: Any, namespace: str) -> str:  # noqa: ANN401 - any JSON value
    while isinstance(branch, dict):
        if branch["type"] in ("record", "enum", "fixed"):
            return _full_name(branch["name"], branch.get("namespace", namespace))
        branch = branch["type"]
    return branch if branch in PRIMITIVES or branch in _COMPLEX else _full_name(branch, namespace)


def _fits_primitive(value: object, name: str) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    match name:
        case "null":
            return value is None
        case "boolean":
            return isinstance(value, bool)
        case "int" | "long":
            bound = 2 ** (31 if name == "int" else 63)
            return is_number and isinstance(value, int) and -bound <= value < bound
        case "float" | "double":
            return is_number
        case "string":
            return isinstance(value, str)
        case _:  # bytes and fixed are written as text whose characters are the bytes
            return isinstance(value, str) and all(char <= "\xff" for char in value)
