"""A task request as a record."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mabos.producers.requests import MAX_HEADER_BYTES, MAX_HEADERS, RequestBuilder, encode_headers
from mabos.schemas.errors import InvalidTask
from tests.support.jobs import QUEUE, REQUESTS

BUILDER = RequestBuilder(REQUESTS, QUEUE.requests, max_payload_bytes=1000)
TEXT = st.text(st.characters(codec="utf-8"), max_size=20)


def test_a_request_is_keyed_by_its_agent() -> None:
    """So that an agent's tasks share a partition; the value is the event in Avro."""
    moment = datetime(2030, 1, 2, 3, 4, 5, 678_900, tzinfo=UTC)
    task_id, record = BUILDER.build(
        agent_id="agent é", payload={"action": "sum"}, task_id="mine", deadline=moment, headers={"traceparent": "00"}
    )
    assert (record.topic, record.key, record.partition) == (QUEUE.requests, "agent é".encode(), -1)
    assert record.headers == [("traceparent", b"00")]
    request = REQUESTS.decode(record.value)
    assert (task_id, request.task_id, request.agent_id) == ("mine", "mine", "agent é")
    assert request.payload == {"action": "sum"}
    assert request.deadline == moment.replace(microsecond=678_000)


def test_a_task_without_a_name_gets_one() -> None:
    """Each its own, and such that they sort by age."""
    names = [BUILDER.build(agent_id="a", payload={})[0] for _ in range(100)]
    assert len(set(names)) == 100
    assert names[0][14] == "7"


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"agent_id": ""}, "agent_id"),
        ({"agent_id": "a\x00"}, "agent_id"),
        ({"agent_id": "é" * 128}, "agent_id"),
        ({"agent_id": None}, "agent_id"),
        ({"task_id": ""}, "task_id"),
        ({"payload": [1]}, "payload"),
        ({"payload": None}, "payload"),
        ({"payload": {"x": float("nan")}}, "payload.x"),
        ({"payload": {"x": "y" * 1000}}, "payload"),
        ({"payload": {"x": object()}}, "payload"),
        ({"deadline": datetime(2030, 1, 1)}, "deadline"),  # noqa: DTZ001 - that is the test
        ({"deadline": datetime(1969, 12, 31, tzinfo=UTC)}, "deadline"),
        ({"task_id": "\ud800"}, "task_id"),
        ({"task_id": 5}, "task_id"),
        ({"headers": {"": "x"}}, "headers"),
        ({"headers": {"x": 5}}, "headers"),
        ({"headers": {"x": "\ud800"}}, "headers.'x'"),
        ({"headers": {str(n): "" for n in range(MAX_HEADERS + 1)}}, "headers"),
        ({"headers": {"x": "y" * MAX_HEADER_BYTES}}, "headers"),
    ],
    ids=lambda value: str(value)[:30].encode("ascii", "replace").decode(),
)
def test_what_the_contract_refuses_is_refused_by_name(wrong: dict[str, Any], field: str) -> None:
    """Before anything is sent, with an error that names the field."""
    with pytest.raises(InvalidTask) as caught:
        BUILDER.build(**({"agent_id": "a", "payload": {}} | wrong))
    assert caught.value.field == field


@given(headers=st.dictionaries(TEXT.filter(bool), TEXT, max_size=MAX_HEADERS))
def test_headers_are_utf8_in_their_order(headers: dict[str, str]) -> None:
    """What a service puts in is what a consumer of any language reads."""
    assert encode_headers(headers) == [(name, value.encode()) for name, value in headers.items()]


def test_the_largest_headers_are_allowed() -> None:
    """The bounds themselves are inside."""
    assert len(encode_headers({f"{n:02}": "" for n in range(MAX_HEADERS)})) == MAX_HEADERS
    assert encode_headers({"x": "y" * (MAX_HEADER_BYTES - 1)})
