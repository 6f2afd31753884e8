"""Can a reader with one schema read what a writer wrote with another? If not, which field is in the way?

Pure, after "Schema Resolution" of the Avro 1.12 specification. A subject that is FULL_TRANSITIVE asks it in both
directions between the candidate and every version before, so that services may be upgraded in any order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

_PROMOTIONS = {
    "int": {"long", "float", "double"},
    "long": {"float", "double"},
    "float": {"double"},
    "string": {"bytes"},
    "bytes": {"string"},
}
_NAMED = ("record", "enum", "fixed")

Schema = dict[str, Any]


def find_breaks(candidate: Schema, history: Iterable[tuple[str, Schema]]) -> list[str]:
    """What keeps a candidate from being FULL_TRANSITIVE with its history.

    Args:
        candidate: The new schema, vetted.
        history: Name and schema of each version before, such as ``("version 3", {...})``.

    Returns:
        One line per problem, naming the field; empty when there is none.
    """
    problems: dict[str, None] = {}
    for name, old in history:
        if _full_name(candidate) != _full_name(old):
            problems[f"the event {_full_name(old)} of {name} is renamed to {_full_name(candidate)}"] = None
        for problem in _Resolution(reader=candidate, writer=old).breaks():
            problems[f"{problem} (new readers cannot read records of {name})"] = None
        for problem in _Resolution(reader=old, writer=candidate).breaks():
            problems[f"{problem} (readers of {name} cannot read new records)"] = None
    return list(problems)


def find_obstacles(*, reader: Schema, writer: Schema) -> list[str]:
    """What keeps one reader from reading all that one writer writes; both schemas vetted, empty when nothing does."""
    return list(dict.fromkeys(_Resolution(reader=reader, writer=writer).breaks()))


class _Resolution:
    def __init__(self, *, reader: Schema, writer: Schema) -> None:
        self._reader, self._writer = reader, writer
        self._reader_types, self._writer_types = _named_types(reader), _named_types(writer)

    def breaks(self) -> Iterator[str]:
        """One line per field in the way."""
        return self._resolve(self._reader, self._writer, "")

    def _resolve(self, reader: Any, writer: Any, path: str) -> Iterator[str]:  # noqa: ANN401 - any Avro schema
        reader, writer = _plain(reader, self._reader_types), _plain(writer, self._writer_types)
        if isinstance(writer, list):
            for branch in writer:
                yield from self._resolve(reader, branch, path)
        elif isinstance(reader, list):
            if all(any(self._resolve(branch, writer, path)) for branch in reader):
                yield f'field "{path}": type {_show(writer)} is no branch of the union'
        elif isinstance(reader, dict) and isinstance(writer, dict) and reader["type"] == writer["type"]:
            yield from self._resolve_same_kind(reader, writer, path)
        elif not (isinstance(reader, str) and isinstance(writer, str)) or (
            reader != writer and reader not in _PROMOTIONS.get(writer, ())
        ):
            yield f'field "{path}": type {_show(writer)} cannot be read as {_show(reader)}'

    def _resolve_same_kind(self, reader: Schema, writer: Schema, path: str) -> Iterator[str]:
        kind = reader["type"]
        if kind in _NAMED and not _same_name(reader, writer):
            yield f'field "{path}": type {writer["name"]} is renamed to {reader["name"]} without an alias'
        elif kind == "record":
            yield from self._resolve_record(reader, writer, path)
        elif kind == "enum":
            lost = [symbol for symbol in writer["symbols"] if symbol not in reader["symbols"]]
            if lost and "default" not in reader:
                yield f'field "{path}": enum symbol {", ".join(lost)} is unknown to a reader that has no default symbol'
        elif kind == "fixed" and reader["size"] != writer["size"]:
            yield f'field "{path}": fixed size {writer["size"]} cannot be read as {reader["size"]}'
        elif kind == "array":
            yield from self._resolve(reader["items"], writer["items"], f"{path}[]")
        elif kind == "map":
            yield from self._resolve(reader["values"], writer["values"], f"{path}{{}}")

    def _resolve_record(self, reader: Schema, writer: Schema, path: str) -> Iterator[str]:
        written = {field["name"]: field for field in writer["fields"]}
        for field in reader["fields"]:
            where = f"{path}.{field['name']}" if path else field["name"]
            found = [name for name in (field["name"], *field.get("aliases", ())) if name in written]
            if len(set(found)) > 1:
                yield f'field "{where}": is both {" and ".join(found)} of what was written'
            elif found:
                yield from self._resolve(field["type"], written[found[0]]["type"], where)
            elif "default" not in field:
                yield f'field "{where}": is missing from what was written, and has no default'


def _named_types(schema: Any) -> dict[str, Schema]:  # noqa: ANN401 - any Avro schema
    """Named types by simple name and by full name: vetting has made sure that they are few and not recursive."""
    found: dict[str, Schema] = {}

    def walk(node: Any, namespace: str) -> None:  # noqa: ANN401 - any Avro schema
        if isinstance(node, list):
            for branch in node:
                walk(branch, namespace)
        elif isinstance(node, dict):
            namespace = node.get("namespace", namespace)
            if node["type"] in _NAMED:
                name = node["name"]
                found[name] = found[f"{namespace}.{name}" if namespace and "." not in name else name] = node
            for field in node.get("fields", ()):
                walk(field["type"], namespace)
            for key in ("type", "items", "values"):
                walk(node.get(key), namespace)

    walk(schema, "")
    return found


def _plain(schema: Any, types: dict[str, Schema]) -> Any:  # noqa: ANN401 - any Avro schema
    """A primitive as its name, a reference as what it refers to, everything else as it is."""
    if isinstance(schema, dict) and schema["type"] not in (*_NAMED, "array", "map"):
        return _plain(schema["type"], types)
    return types.get(schema, schema) if isinstance(schema, str) else schema


def _full_name(record: Schema) -> str:
    name, space = str(record["name"]), record.get("namespace")
    return name if "." in name or not space else f"{space}.{name}"


def _same_name(reader: Schema, writer: Schema) -> bool:
    """The specification compares names without their namespace, and the reader's aliases count."""
    names = {reader["name"], *reader.get("aliases", ())}
    return writer["name"].rpartition(".")[2] in {name.rpartition(".")[2] for name in names}


def _show(schema: Any) -> str:  # noqa: ANN401 - any Avro schema
    if isinstance(schema, list):
        return "[" + ", ".join(_show(branch) for branch in schema) + "]"
    return str(schema.get("name", schema["type"])) if isinstance(schema, dict) else str(schema)
