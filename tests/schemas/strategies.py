"""Hypothesis strategies for events and what they are made of."""

from __future__ import annotations

import unicodedata
from typing import Any

import orjson
from hypothesis import strategies as st

from mabos.schemas import Status, TaskControl, TaskError, TaskRequest, TaskResponse, Verb

MAX_TIME_MS = 253_402_300_799_999


def is_id(text: str) -> bool:
    """Whether a text is one of the ids of the contract, told in another way than the code does."""
    return 0 < len(text.encode()) <= 255 and not any(unicodedata.category(char) == "Cc" for char in text)


characters = st.characters(codec="utf-8")
texts = st.text(characters)
ids = st.one_of(
    st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1, max_size=255),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=255).filter(is_id),
    st.sampled_from(["x" * 255, "é" * 127, "🤖" * 63, "a b/../c", "\u202eright to left"]),
)
times = st.none() | st.integers(0, MAX_TIME_MS)

json_scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | texts
json_values = st.recursive(
    json_scalars.filter(lambda value: not isinstance(value, float) or abs(value) != float("inf")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)
json_objects = st.dictionaries(texts, json_values, max_size=5)
payloads = json_objects.map(lambda value: orjson.dumps(value).decode())

requests = st.builds(
    TaskRequest,
    task_id=ids,
    agent_id=ids,
    payload_json=payloads | texts,
    deadline_ms=times,
)
errors = st.builds(TaskError, code=texts, message=texts, retryable=st.booleans())
responses = st.builds(
    TaskResponse,
    task_id=ids,
    agent_id=ids,
    status=st.sampled_from(Status),
    result_json=payloads | texts,
    error=st.none() | errors,
    attempt=st.integers(0, 2**31 - 1),
    started_at_ms=times,
)
reasons = st.text(characters, max_size=333).filter(lambda text: len(text.encode()) <= 1000)
controls = st.builds(TaskControl, task_id=ids, agent_id=ids, verb=st.sampled_from(Verb), reason=reasons)


def nested(depth: int) -> dict[str, Any]:
    """An object whose brackets nest this deep."""
    value: dict[str, Any] = {}
    for _ in range(depth - 1):
        value = {"a": value}
    return value
