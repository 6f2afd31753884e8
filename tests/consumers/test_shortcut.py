"""The short cut: whatever a task is like, it ends as it would have ended the long way."""

from __future__ import annotations

import asyncio
import functools
import math
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import Message
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from mabos.consumers import AgentGroup, Reject, RetryPolicy, Task
from mabos.consumers.ledger import Ledger
from tests.support.engines import Rig
from tests.support.jobs import QUEUE, FakePublisher, make_message, make_raw_message, make_tenure


class Order(BaseModel):
    """A payload for handlers that want a model."""

    action: str
    n: int


PLAIN: dict[str, Callable[[Task], Any]] = {
    "done": lambda task: {"attempt": task.attempt, "payload": task.payload},
    "nothing": lambda _: None,
    "text": lambda _: "no object",
    "nan": lambda _: {"x": math.nan},
    "surrogate": lambda _: {"x": "\ud800"},
    "huge": lambda _: {"x": "x" * 200_000},
    "raises": lambda task: {}[task.task_id],
    "rejects": lambda _: _reject(),
    "exits": lambda _: sys.exit(3),
    "interrupts": lambda _: _interrupt(),
}
ASYNC = {f"async {action}": function for action, function in PLAIN.items()}
ODD = ("unknown", "no object", "no json", "late", "in time", "cancelled", "answered", "suspect")
FOREIGN = ("foreign key", "no key", "garbage", "empty")
MODELS = ("model", "no model", "async model", "async no model")
SHAPES = (*PLAIN, *ASYNC, *MODELS, "awaits", *ODD, *FOREIGN)


def _reject() -> None:
    raise Reject("not so")


def _interrupt() -> None:
    raise KeyboardInterrupt


def _call(function: Callable[[Task], Any], task: Task) -> Any:
    return function(task)


async def _later(task: Task) -> dict[str, Any]:
    return {"later": task.task_id}


async def _call_later(function: Callable[[Task], Any], task: Task) -> Any:
    await asyncio.sleep(0)
    return function(task)


def _order(order: Order) -> dict[str, Any]:
    return {"n": order.n}


async def _order_later(order: Order) -> dict[str, Any]:
    return {"n": order.n}


def make_agents() -> AgentGroup:
    """A handler for each shape that needs one."""
    agents = AgentGroup("g", retry=RetryPolicy(max_attempts=2, backoff_s=0))
    for action, function in PLAIN.items():
        agents.on_task_request(action)(function)
    for action, function in ASYNC.items():
        agents.on_task_request(action)(functools.partial(_call_later, function))
    agents.on_task_request("awaits")(functools.partial(_call, _later))
    agents.on_task_request("model")(_order)
    agents.on_task_request("async model")(_order_later)
    return agents


def make_record(shape: str, offset: int) -> Message:
    """A record of that shape; its agent is one of three."""
    agent_id = f"a{offset % 3}"
    if shape == "no object":
        return make_message(agent_id, offset=offset, payload_json="[1]")
    if shape == "no json":
        return make_message(agent_id, offset=offset, payload_json="{")
    if shape == "garbage":
        return make_raw_message(agent_id.encode(), b"\x00\x00\x00\x00\x01nonsense", offset=offset, partition=0)
    if shape == "empty":
        return make_raw_message(agent_id.encode(), None, offset=offset, partition=0)
    if shape in ("foreign key", "no key"):
        value = make_message(agent_id, {"action": "done"}, offset=offset).value()
        return make_raw_message(None if shape == "no key" else b"other", value, offset=offset, partition=0)
    deadline_ms = {"late": 1, "in time": int(time.time() * 1000) + 600_000}.get(shape)
    action = "done" if shape in ODD and shape != "unknown" else shape.replace("no model", "model")
    task_id = f"{shape} {offset}" if shape in ("answered", "cancelled") else None
    payload = {"action": action, "n": "none" if "no model" in shape else offset}
    return make_message(agent_id, payload, offset=offset, task_id=task_id, deadline_ms=deadline_ms)


def outcome(shapes: list[str], concurrency: int, *, is_short: bool) -> tuple[Any, ...]:
    """What comes of tasks of these shapes, all that can be seen from outside."""
    publisher = FakePublisher()
    it = Rig(make_agents(), publisher, concurrency)
    if not is_short:
        it.engine._shortcut.take = lambda _: False  # type: ignore[method-assign]
    ledger = Ledger(1000)
    for offset, shape in enumerate(shapes):
        if shape == "answered":
            ledger.load((f"a{offset % 3}", f"answered {offset}"), 7, is_pointed_to=True)
        if shape == "cancelled":
            it.cancels.add(f"a{offset % 3}", f"cancelled {offset}", "no more use")
    if "suspect" in shapes:
        ledger.suspect(shapes.index("suspect") + 1)
    it.open(ledger=ledger)
    it.engine.start()
    try:
        it.submit(*[make_record(shape, offset) for offset, shape in enumerate(shapes)])
        it.wait_until_done()
    finally:
        it.engine.stop()
    responses: list[Any] = [
        (
            *(response.task_id, response.agent_id, response.status, response.result_json, response.error),
            *(response.attempt, response.started_at_ms is not None),
        )
        for response in publisher.responses()
    ]
    letters: list[Any] = [record for record in publisher.sent if record.topic == QUEUE.dead_letters]
    places: list[Any] = [(record.topic, record.key, record.partition) for record in publisher.sent]
    for rows in (responses, letters, places):  # between agents a retry may overtake or not
        rows.sort(key=lambda row: str(row[1]))  # the agent, or the key that names it
    counts = {action: (count.answered, count.retries, sum(count.waits.counts), sum(count.runs.counts))
              for action, count in it.engine._metrics.by_action.items()}  # fmt: skip
    known = [ledger.has(key) for key in sorted((response[1], response[0]) for response in responses)]
    tenure = it.tenures[0]
    assert it.failures == []
    return responses, letters, places, counts, known, tenure.offsets.committable, tenure.held_bytes


@pytest.mark.parametrize("concurrency", [1, 2])
@pytest.mark.parametrize("shape", SHAPES)
def test_each_kind_of_task_ends_as_it_would_the_long_way(shape: str, concurrency: int) -> None:
    """The same records in the same order, the same counts, the same offsets; alone, and between ordinary ones."""
    shapes = [shape, "done", shape, shape, "done"]
    assert outcome(shapes, concurrency, is_short=True) == outcome(shapes, concurrency, is_short=False)


@given(st.lists(st.sampled_from(SHAPES), min_size=1, max_size=12), st.sampled_from([1, 3]))
def test_any_row_of_tasks_ends_as_it_would_the_long_way(shapes: list[str], concurrency: int) -> None:
    """Retries and suspects among them: what the one way leaves behind, the other finds."""
    assert outcome(shapes, concurrency, is_short=True) == outcome(shapes, concurrency, is_short=False)


@pytest.mark.parametrize(
    ("shape", "concurrency"), [("done", 1), ("model", 1), ("async done", 1), ("async done", 3), ("async model", 3)]
)
def test_an_ordinary_task_takes_the_short_cut(shape: str, concurrency: int) -> None:
    """Else the tests above would compare the long way with itself."""
    it = Rig(make_agents(), FakePublisher(), concurrency)
    it.engine._triage.look = None  # type: ignore[assignment, method-assign]  # calling it would fail the worker
    it.engine.start()
    try:
        it.submit(*[make_record(shape, offset) for offset in range(3)])
        it.wait_until_done()
    finally:
        it.engine.stop()
    assert len(it.answered) == 3
    assert it.failures == []


def test_a_partition_that_went_while_the_handler_ran_gets_no_answer() -> None:
    """Somebody else has it by now."""
    tenure = make_tenure()

    def handler(_: Task) -> dict[str, Any]:
        tenure.is_over = True
        return {}

    agents = AgentGroup("g")
    agents.on_task_request()(handler)
    it = Rig(agents, FakePublisher(), 1)
    it.tenures[0] = tenure
    it.engine.open(tenure)
    it.engine.start()
    try:
        it.submit(make_message("a", offset=0))
        it.wait_for(lambda: tenure.is_over and not it.engine.in_hand)
    finally:
        it.engine.stop()
    assert it.answered == []
