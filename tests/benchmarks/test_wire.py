"""All contenders do the same work: their events are ours."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from benchmarks.tasks import AGENTS, make_task
from benchmarks.wire import Road, Wire, read_road
from mabos.schemas import REQUEST, RESPONSE, Codec, Status, TaskRequest

ROAD = Road(
    servers="127.0.0.1:1",
    registry_url="http://127.0.0.1:1",
    requests="mabos.bench.requests",
    responses="mabos.bench.responses",
    queue="bench",
    group="bench-group",
    cache_dir="cache",
    request_id=7,
    response_id=8,
    request_schema=REQUEST.schema_text,
    response_schema=RESPONSE.schema_text,
    limits={"concurrency": 1},
)
REQUESTS: Codec[TaskRequest] = Codec(REQUEST, 7, cast(Any, None))


def test_a_contender_writes_the_requests_that_we_write() -> None:
    """The bare request has the bytes of ours, and is read back by it."""
    task_id, agent_id, payload = make_task(3)
    request = TaskRequest(task_id=task_id, agent_id=agent_id, payload_json=json.dumps(payload))
    value = Wire(ROAD).encode_request(task_id, agent_id, request.payload_json)
    assert value == REQUESTS.encode(request)
    assert Wire(ROAD).decode_request(value)["payload"] == request.payload_json


def test_a_contender_writes_responses_that_we_read() -> None:
    """The bare response is one that our codec takes as completed."""
    responses = Codec(RESPONSE, 8, cast(Any, None))
    response = responses.decode(Wire(ROAD).encode_response({"task_id": "t", "agent_id": "a"}, '{"length": 1}'))
    assert (response.task_id, response.agent_id, response.status) == ("t", "a", Status.COMPLETED)
    assert response.result == {"length": 1}
    assert response.started_at_ms is not None


def test_what_a_contender_is_told_survives_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """A road is the same on both sides of the argument."""
    monkeypatch.setattr("sys.argv", ["program", ROAD.to_argument()])
    assert read_road() == ROAD


def test_tasks_are_distinct_and_spread_over_all_agents() -> None:
    """Each task has its own id, and a thousand in a row go to a thousand agents."""
    tasks = [make_task(number) for number in range(2 * AGENTS)]
    assert len({task_id for task_id, _, _ in tasks}) == 2 * AGENTS
    assert len({agent_id for _, agent_id, _ in tasks[:AGENTS]}) == AGENTS
    assert {len(json.dumps(payload)) // 50 for _, _, payload in tasks} == {4}
