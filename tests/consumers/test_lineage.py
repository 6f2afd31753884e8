"""The headers that tell where a task came from."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mabos.consumers.errors import AskRefused
from mabos.consumers.lineage import (
    Parent,
    ReplayOf,
    child_headers,
    read_asked_by,
    read_parent,
    read_replay_of,
    replay_headers,
    waiting_agents,
)
from mabos.kafka.position import Position
from mabos.producers.requests import encode_headers
from mabos.schemas import InvalidTask, TaskRequest
from tests.schemas.strategies import ids, requests

TRACE = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
LONGEST_IDS = ["x" * 255, '"' * 255, "\\" * 255, "🤖" * 63]

Read = list[tuple[str, bytes]]


def request(agent_id: str = "a", task_id: str = "t") -> TaskRequest:
    return TaskRequest(task_id=task_id, agent_id=agent_id, payload_json="{}")


def as_read(headers: dict[str, str]) -> Read:
    """Headers as the next reader finds them, after the checks that each request's headers pass."""
    return [(name, value) for name, value in encode_headers(headers) if isinstance(value, bytes)]


@given(requests)
def test_a_parent_is_read_as_it_was_written(parent: TaskRequest) -> None:
    """Whatever characters its ids hold."""
    headers = as_read(child_headers(parent, []))
    assert read_parent(headers) == Parent(agent_id=parent.agent_id, task_id=parent.task_id)
    assert read_asked_by(headers) == ()


@given(st.lists(ids | st.sampled_from(LONGEST_IDS), min_size=2, max_size=40, unique=True))
def test_who_waits_is_carried_down_the_chain(agents: list[str]) -> None:
    """Each next agent knows all that wait, in order; to ask one of them is refused; headers stay within bounds."""
    headers: Read = []
    for depth, (asker, asked) in enumerate(pairwise(agents), start=1):
        parent = request(asker)
        for waits in agents[:depth]:
            with pytest.raises(AskRefused, match="use send"):
                waiting_agents(parent, headers, waits)
        try:
            waiting = waiting_agents(parent, headers, asked)
        except AskRefused:
            assert depth > 32 or sum(len(agent.encode()) for agent in agents[:depth]) > 6000
            return
        assert depth <= 32
        headers = as_read(child_headers(parent, [("tracestate", b"x" * 512), ("traceparent", TRACE)], waiting))
        assert read_asked_by(headers) == tuple(agents[:depth])


@given(st.binary(max_size=200), st.binary(max_size=200), st.binary(max_size=600))
def test_what_anybody_wrote_is_never_an_error(json_bytes: bytes, trace: bytes, state: bytes) -> None:
    """Foreign bytes under these names count as absent."""
    headers = [("mabos-parent", json_bytes), ("mabos-asked-by", json_bytes), ("traceparent", trace)]
    headers.append(("tracestate", state))
    read_parent(headers)
    read_asked_by(headers)
    made = child_headers(request(), headers, waiting_agents(request(), headers, "b"))
    assert "mabos-parent" in made
    encode_headers(made)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"a/t",
        b"null",
        b"[]",
        b'["a","t"]',
        b'{"agent_id":"a"}',
        b'{"agent_id":"a","task_id":""}',
        b'{"agent_id":"a","task_id":5}',
        b'{"agent_id":"a","task_id":"t","more":1}',
        b'{"agent_id":"a","task_id":"t","task_id":"u"}',
        b'{"agent_id":"a","task_id":"\\ud800"}',
        b'{"agent_id":"a","task_id":"' + b"x" * 256 + b'"}',
        b" " * 2048 + b'{"agent_id":"a","task_id":"t"}',
        b"[" * 2000,
        b"\xff",
    ],
    ids=lambda value: repr(value[:45]),
)
def test_a_parent_of_another_form_is_none(value: bytes) -> None:
    """A history must not show a parent that is none."""
    assert read_parent([("mabos-parent", value)]) is None


@pytest.mark.parametrize(
    "value",
    [b"a", b'"a"', b'{"a":1}', b"[1]", b'["a",""]', b'["a\\u0000"]', b'[["a"]]', b'["a"' + b',"b"' * 32 + b"]"],
    ids=lambda value: repr(value[:20]),
)
def test_a_chain_of_another_form_is_empty(value: bytes) -> None:
    """Whoever wrote it does not wait for us."""
    assert read_asked_by([("mabos-asked-by", value)]) == ()


def test_of_a_header_that_stands_twice_the_last_counts() -> None:
    """As Kafka's own clients have it."""
    assert read_asked_by([("mabos-asked-by", b'["a"]'), ("mabos-asked-by", b'["b"]')]) == ("b",)


@pytest.mark.parametrize(
    ("trace", "state", "carried"),
    [
        (TRACE, None, {"traceparent"}),
        (TRACE, b"vendor=1,other=2", {"traceparent", "tracestate"}),
        (TRACE, b"x" * 513, {"traceparent"}),
        (TRACE, "vendor=é".encode(), {"traceparent"}),
        (None, b"vendor=1", set()),
        (b"00-1", b"vendor=1", set()),
        (TRACE + b"\n", None, set()),
        (TRACE + b"-more", None, set()),
        (TRACE.upper(), None, set()),
        (b"ff" + TRACE[2:], None, set()),
        (b"00-" + b"0" * 32 + TRACE[35:], None, set()),
        (TRACE[:36] + b"0" * 16 + TRACE[52:], None, set()),
    ],
)
def test_a_trace_context_is_passed_on_as_it_came(trace: bytes | None, state: bytes | None, carried: set[str]) -> None:
    """Where it is one; a state without its parent means nothing (W3C Trace Context §3.3)."""
    headers = [(name, data) for name, data in (("traceparent", trace), ("tracestate", state)) if data is not None]
    made = child_headers(request(), headers)
    assert made.keys() - {"mabos-parent"} == carried
    assert all(made[name].encode() == dict(headers)[name] for name in carried)


def test_what_is_refused_says_why() -> None:
    """Oneself, who waits, too many who wait, and what is no id."""
    with pytest.raises(AskRefused, match=r"^agent a cannot be asked: it does one task at a time, .*: use send"):
        waiting_agents(request("a"), [], "a")
    with pytest.raises(AskRefused, match=r"^agent a cannot be asked: it waits for this very task"):
        waiting_agents(request("b"), [("mabos-asked-by", b'["a"]')], "a")
    chain = b"[" + b",".join(b'"%d"' % number for number in range(32)) + b"]"
    with pytest.raises(AskRefused, match="33 agents would wait in one chain, at most 32 may"):
        waiting_agents(request("b"), [("mabos-asked-by", chain)], "c")
    long = b"[" + b",".join(b'"%d%s"' % (number, b"x" * 253) for number in range(10, 42)) + b"]"
    assert len(read_asked_by([("mabos-asked-by", long)])) == 32
    long = b"[" + b",".join(b'"%d%s"' % (number, b'\\"' * 253) for number in range(10, 34)) + b"]"
    with pytest.raises(AskRefused, match=r"the ids of the 25 agents .* take 12\d{3} bytes, at most 12288 are allowed"):
        waiting_agents(request('"' * 255), [("mabos-asked-by", long)], "c")
    with pytest.raises(InvalidTask, match=r"^agent_id: "):
        waiting_agents(request("b"), [], "")


@given(requests)
def test_a_replay_names_the_old_task(old: TaskRequest) -> None:
    """Agent, task and place are read as they were written, whatever characters the ids hold."""
    replay_of = ReplayOf(agent_id=old.agent_id, task_id=old.task_id, position=Position("mabos.tasks.requests", 3, 17))
    headers = replay_headers(replay_of, [], "01890000-0000-7000-8000-000000000000")
    assert read_replay_of(headers) == replay_of
    assert dict(headers)["mabos-replay"] == b"01890000-0000-7000-8000-000000000000"


def test_a_replay_keeps_what_is_the_callers_own() -> None:
    """Nobody waits for it, its trace is over, and it is a replay of one task: those headers are not carried on."""
    place = ReplayOf(agent_id="a", task_id="t", position=Position("t", 0, 1))
    old = [("tenant", b"\xff7"), ("traceparent", TRACE), ("tracestate", b"a=b"), ("mabos-parent", b"{}")]
    first = replay_headers(place, [*old, ("tenant", b"8")], "r1")
    second = replay_headers(place, first, "r2")
    assert [name for name, _ in second] == ["tenant", "tenant", "mabos-replay-of", "mabos-replay"]
    assert second[0] == ("tenant", b"\xff7")
    assert dict(second)["mabos-replay"] == b"r2"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b'{"agent_id":"a","task_id":"t"}',
        b'{"agent_id":"a","task_id":"","position":"t:0:1"}',
        b'{"agent_id":"a","task_id":"t","position":"t:0"}',
        b'{"agent_id":"a","task_id":"t","position":5}',
    ],
)
def test_what_names_no_old_task_counts_as_absent(data: bytes) -> None:
    """Anybody can write headers."""
    assert read_replay_of([("mabos-replay-of", data)]) is None
