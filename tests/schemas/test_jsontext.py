"""JSON text: what some parser would change on the way is refused, and the rest comes out as it went in."""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given

from mabos.schemas import InvalidTask
from mabos.schemas.jsontext import encode_object, parse_json, parse_object
from tests.schemas.strategies import json_objects, nested

NAN, INFINITE = float("nan"), float("inf")


@dataclass
class Point:
    """Something that orjson writes and a plain walk does not enter."""

    x: float


class Odd(Enum):
    """An enum whose value no JSON can hold."""

    NAN = float("nan")


@given(json_objects)
def test_an_object_survives_text(value: dict[str, Any]) -> None:
    """Any JSON object written as text reads as the same object."""
    assert parse_object("payload", encode_object("payload", value, max_bytes=10**6)) == value


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a": NaN}', "NaN"),
        ('{"a": -Infinity}', "-Infinity"),
        ('{"a": null, "b": [null, {"c": NaN}]}', "NaN"),
        ('{"a": 1e400}', "1e400 is too large"),
        ('{"a": 18446744073709551616}', "64 bits"),
        ('{"a": -9223372036854775809}', "64 bits"),
        ('{"a": ' + "9" * 5000 + "}", "64 bits"),
        (r'{"a": "\ud800"}', "surrogate"),
        (r'{"\udfff": 1}', "surrogate"),
        ('{"a": "\ud800"}', "UTF-8"),
        ('{"a": 1, "b": 2, "a": 3}', 'key "a" stands twice'),
        ('{"o": {"k": 1, "k": 1}}', 'key "k" stands twice'),
        ('{"a": 1} x', "Extra data at line 1 column 10"),
        ("{'a': 1}", "not JSON"),
        ('{"a": 01}', "not JSON"),
        ('{"a": "\x00"}', "not JSON"),
        ("", "not JSON"),
        ("[1]", "an array"),
        ("null", "null"),
        ("true", "a boolean"),
        ('"a"', "a string"),
        (b'{"a": "\xff"}', "UTF-8"),
        ('{"a": 1}'.encode("utf-16"), "UTF-8"),
        ('{"a": 1}'.encode("utf-16-le"), "not JSON"),
        (b'\xef\xbb\xbf{"a": 1}', "BOM"),
        ("[" * 100_000, "deeper than 64"),
        ('{"a":' * 65 + "1" + "}" * 65, "deeper than 64"),
        ("{" + "[" * 64 + "]" * 64 + "}", "deeper than 64"),
    ],
)
def test_a_hostile_text_is_refused(text: str | bytes, reason: str) -> None:
    """What is no JSON object, or would change on its way, is refused with the field and the reason."""
    with pytest.raises(InvalidTask) as refused:
        parse_object("payload", text)
    assert refused.value.field == "payload"
    assert reason in refused.value.reason
    assert len(refused.value.reason) < 200


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 18446744073709551615}', {"a": 2**64 - 1}),
        ('{"a": -9223372036854775808}', {"a": -(2**63)}),
        (r'{"a": "\ud83d\ude00 \u0000"}', {"a": "😀 \0"}),
        ('{"a": "' + "[{" * 500 + '"}', {"a": "[{" * 500}),
        (r'{"\"": "\\", "[": "' + "[" * 100 + r'\""}', {'"': "\\", "[": "[" * 100 + '"'}),
        (b'{"a": "\xc3\xa9"}', {"a": "é"}),
        (' {"a" : [ ] }\n', {"a": []}),
    ],
)
def test_a_harmless_text_passes(text: str | bytes, value: dict[str, Any]) -> None:
    """The largest numbers, pairs of surrogates, and brackets and quotes inside strings are no offence."""
    assert parse_object("payload", text) == value


def test_nesting_is_counted_the_same_in_and_out() -> None:
    """Sixty-four levels pass in both directions, sixty-five in none."""
    text = encode_object("payload", nested(64), max_bytes=1000)
    assert parse_object("payload", text) == nested(64)
    with pytest.raises(InvalidTask, match="deeper than 64"):
        encode_object("payload", nested(65), max_bytes=1000)
    with pytest.raises(InvalidTask, match="deeper than 64"):
        parse_object("payload", '{"a":' * 64 + "{}" + "}" * 64)


@pytest.mark.parametrize(
    ("value", "field", "reason"),
    [
        ({"a": NAN}, "payload.a", "nan"),
        ({"a": None, "b": [1, {"c": INFINITE}]}, "payload.b[1].c", "inf"),
        ({"a": (1, NAN)}, "payload.a[1]", "nan"),
        ({"a": Point(NAN)}, "payload.a.x", "nan"),
        ({"a": Odd.NAN}, "payload.a", "nan"),
        ({1: "a"}, "payload", "key must be str"),
        ({"a": {1}}, "payload", "set"),
        ({"a": object()}, "payload", "object"),
        ({"a": b"x"}, "payload", "bytes"),
        ({"a": 2**64}, "payload", "64-bit"),
        ({"a": -(2**63) - 1}, "payload", "64-bit"),
        ({"a": "\ud800"}, "payload", "surrogates"),
        ({"\ud800": 1}, "payload", "surrogates"),
        ({"a": "x" * 2000}, "payload", "2008 bytes, at most 1000"),
        ([1], "payload", "not list"),
        ("{}", "payload", "not str"),
        (None, "payload", "not NoneType"),
    ],
)
def test_an_object_that_json_cannot_hold_is_refused(value: Any, field: str, reason: str) -> None:
    """What cannot be written, or would be written as something else, is refused with the path of the culprit."""
    with pytest.raises(InvalidTask) as refused:
        encode_object("payload", value, max_bytes=1000)
    assert refused.value.field == field
    assert reason in refused.value.reason


def test_an_object_within_itself_is_refused() -> None:
    """A circle ends in an error, not in the end of the process."""
    circle: dict[str, Any] = {}
    circle["self"] = circle
    with pytest.raises(InvalidTask):
        encode_object("payload", circle, max_bytes=1000)


def test_any_mapping_is_an_object() -> None:
    """A mapping that is no dict is written like one, and a null in it is no offence."""
    assert encode_object("payload", MappingProxyType({"a": None}), max_bytes=100) == '{"a":null}'


@pytest.mark.parametrize(
    "text",
    [
        '"' + '\\"' * 500_000,
        '"' * 1_000_001,
        "\\" * 1_000_000,
        '"' + "\\" * 1_000_001,
        '["\\' * 330_000,
        "[" * 64 + '"' + '\\"' * 500_000,
        "[" * 64 + "0," * 500_000,
        '{"a":"' + "\\ud800" * 160_000 + '"}',
        '{"a":' + "1" * 1_000_000 + "}",
        '{"a":1e' + "1" * 1_000_000 + "}",
        "]" * 500_000 + "[" * 500_000,
    ],
    ids=range(11),
)
def test_a_megabyte_takes_linear_time(text: str) -> None:
    """No text of a megabyte makes the reader look at it more often than a few times."""
    start_s = time.process_time()
    with pytest.raises(InvalidTask):
        parse_json("payload", text)
    assert time.process_time() - start_s < 2.0
