"""JSON objects as text, in and out, with nothing changed on the way.

JSON as people send it holds things that some parser between two services would silently change: ``NaN``, a number
beyond 64 bits, a lone surrogate, a key that stands twice. They are refused here, and the culprit is named.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, NoReturn

import orjson

from mabos.schemas.errors import InvalidTask

MAX_DEPTH = 64
"""How deep arrays and objects may nest."""

_INT64_MIN, _UINT64_MAX = -(2**63), 2**64 - 1
# A string, or a bracket outside of one. Possessive, and a string may lack its closing quote: else a text of a million
# escaped quotes would be searched to its end a million times.
_BRACKETS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[{\]}]', re.DOTALL)


def encode_object(field: str, value: Mapping[str, Any], *, max_bytes: int) -> str:
    """The JSON text of an object.

    Args:
        field: What the object is, for the error.
        value: A mapping of JSON values; dates, UUIDs, enums and dataclasses are written as orjson does.
        max_bytes: The most bytes its UTF-8 text may take.

    Raises:
        InvalidTask: It is no object, or holds what JSON cannot, or is too large.
    """
    if type(value) is not dict:  # isinstance(..., Mapping) takes longer than all the rest
        if not isinstance(value, Mapping):
            raise InvalidTask(field, f"must be a JSON object, not {type(value).__name__}")
        value = dict(value)
    try:
        data = orjson.dumps(value)
    except (TypeError, RecursionError) as error:  # JSONEncodeError is a TypeError
        raise InvalidTask(field, f"cannot be written as JSON: {error}") from error
    if len(data) > max_bytes:
        raise InvalidTask(field, f"takes {len(data)} bytes, at most {max_bytes} are allowed")
    text = data.decode()
    if "null" in text:  # orjson writes NaN and infinities as null: look twice only where a null stands
        for path, number in _non_finite(field, value):
            raise InvalidTask(path, f"{number} is not a JSON number")
    if len(data) > 2 * MAX_DEPTH and _nests_too_deep(data):  # each level has two brackets
        raise InvalidTask(field, f"nests deeper than {MAX_DEPTH} levels")
    return text


def parse_object(field: str, data: bytes | str) -> dict[str, Any]:
    """The object that a JSON text from outside holds; of its values only decimal fractions may be rounded.

    Args:
        field: What the text is, for the error.
        data: UTF-8 bytes or text.

    Raises:
        InvalidTask: It is not JSON, or no object, or some parser downstream would change it.
    """
    value = parse_json(field, data)
    if not isinstance(value, dict):
        raise InvalidTask(field, f"must be a JSON object, not {_json_type(value)}")
    return value


def parse_json(field: str, data: bytes | str) -> Any:  # noqa: ANN401 - any JSON value
    """As :func:`parse_object`, for any JSON value."""
    try:
        raw = data.encode() if isinstance(data, str) else bytes(data)
        text = raw.decode()
    except UnicodeError as error:
        raise InvalidTask(field, f"is not UTF-8: {error}") from error
    if _nests_too_deep(raw):
        raise InvalidTask(field, f"nests deeper than {MAX_DEPTH} levels")
    try:
        value = json.loads(
            text,
            object_pairs_hook=lambda pairs: _unique(field, pairs),
            parse_constant=lambda name: _refuse(field, f"{name} is not a JSON number"),
            parse_float=lambda digits: _finite(field, digits),
            parse_int=lambda digits: _int64(field, digits),
        )
    except json.JSONDecodeError as error:
        raise InvalidTask(field, f"is not JSON: {error.msg} at line {error.lineno} column {error.colno}") from error
    if "\\u" in text:
        _check_surrogates(field, value)
    return value


def _unique(field: str, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise InvalidTask(field, f"the key {_quote(twice)} stands twice in one object")
    return found


def _finite(field: str, digits: str) -> float:
    number = float(digits)
    return number if math.isfinite(number) else _refuse(field, f"the number {_shorten(digits)} is too large")


def _int64(field: str, digits: str) -> int:
    number = int(digits) if len(digits) <= 20 else _UINT64_MAX + 1
    if _INT64_MIN <= number <= _UINT64_MAX:
        return number
    return _refuse(field, f"the integer {_shorten(digits)} needs more than 64 bits: send it as a string")


def _check_surrogates(field: str, value: object) -> None:
    try:
        orjson.dumps(value)
    except TypeError as error:
        raise InvalidTask(field, "holds a lone surrogate, which is no character") from error


def _refuse(field: str, reason: str) -> NoReturn:
    raise InvalidTask(field, reason)


def _nests_too_deep(data: bytes) -> bool:
    """Whether brackets outside strings nest too deep; without recursion, so that no text can exhaust the stack."""
    if data.count(b"[") + data.count(b"{") <= MAX_DEPTH:
        return False
    depth = 0
    for match in _BRACKETS.finditer(data):
        bracket = data[match.start()]
        if bracket in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                return True
        elif bracket in b"]}":
            depth -= 1
    return False


def _non_finite(path: str, value: object) -> Iterator[tuple[str, float]]:
    if isinstance(value, float) and not math.isfinite(value):
        yield path, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _non_finite(f"{path}.{key}", item)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _non_finite(f"{path}[{index}]", item)
    elif isinstance(value, Enum):
        yield from _non_finite(path, value.value)
    elif is_dataclass(value) and not isinstance(value, type):
        for member in fields(value):
            yield from _non_finite(f"{path}.{member.name}", getattr(value, member.name))


def _json_type(value: object) -> str:
    names = {bool: "a boolean", int: "a number", float: "a number", str: "a string", list: "an array"}
    return names.get(type(value), "null")


def _quote(text: str) -> str:
    return json.dumps(_shorten(text))


def _shorten(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "..."
