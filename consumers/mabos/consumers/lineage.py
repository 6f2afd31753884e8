"""Where a task came from: the headers that a task carries when a handler sent it, or asked for it. Pure.

- ``mabos-parent``: a JSON object, ``{"agent_id": "...", "task_id": "..."}``: the task whose handler made this one.
- ``mabos-asked-by``: only on a task that was asked: a JSON array of the ids of the agents that wait for it, those that
  have waited longest first, its parent's last.
- ``mabos-replay-of``: only on a task that was published again: a JSON object, ``{"agent_id": "...", "task_id": "...",
  "position": "topic:partition:offset"}``: the old task, and where its request stands.
- ``mabos-replay``: with it, the id of the replay that published it.
- ``mabos-redrive-of``: only on a task that does a dead-lettered one again: as ``mabos-replay-of``, but the position is
  that of the dead letter; where the record was not decodable when it died, ``task_id`` is that position, too.
- ``mabos-redrive``: with it, the id of the plan by which it was published.
- ``traceparent`` and ``tracestate`` (W3C Trace Context): as they stood on the parent, where they are well-formed.

JSON, because an id may hold any character but control characters. Anybody can write headers: what stands under one of
these names and is not of its form counts as absent. Of a header that stands twice, the last counts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from mabos.consumers.errors import AskRefused
from mabos.kafka.position import Position
from mabos.schemas.errors import InvalidTask
from mabos.schemas.events import TaskRequest
from mabos.schemas.fields import check_id
from mabos.schemas.jsontext import parse_json

PARENT, ASKED_BY = "mabos-parent", "mabos-asked-by"
REPLAY_OF, REPLAY = "mabos-replay-of", "mabos-replay"
REDRIVE_OF, REDRIVE = "mabos-redrive-of", "mabos-redrive"
MAX_WAITING = 32
"""The most agents that may wait in one chain."""
MAX_ASKED_BY_BYTES = 12_288
"""The longest ``mabos-asked-by``: all headers of a request together may take 16,384 bytes."""

_MAX_PARENT_BYTES = 2048  # two ids of 255 bytes, each of them escaped
_MAX_REPLAY_OF_BYTES = 2048 + 512  # a position besides
_OWN_PREFIX = "mabos-"
_TRACE = frozenset({"traceparent", "tracestate"})
_MAX_TRACESTATE_CHARS = 512  # what W3C Trace Context §3.3.1.5 asks everybody to pass on
_TRACEPARENT = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_TRACESTATE = re.compile(rb"[\x20-\x7e]{1,%d}" % _MAX_TRACESTATE_CHARS)

HeadersRead = Sequence[tuple[str, bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """The task whose handler made another one."""

    agent_id: str
    """Its agent."""
    task_id: str
    """Its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOf:
    """The task that another one does again."""

    agent_id: str
    """Its agent, also that of the new one."""
    task_id: str
    """Its name."""
    position: Position
    """Where its request stands."""


def child_headers(parent: TaskRequest, headers: HeadersRead, waiting: Sequence[str] = ()) -> dict[str, str]:
    """The headers of a task that a handler makes.

    Args:
        parent: The task in the handler's hands.
        headers: That task's own headers.
        waiting: The agents that will wait for the new task, as :func:`waiting_agents` gives them; empty if none does.
    """
    found = dict(headers)
    made = {PARENT: orjson.dumps({"agent_id": parent.agent_id, "task_id": parent.task_id}).decode()}
    if waiting:
        made[ASKED_BY] = _encode_waiting(waiting)
    return made | _trace_context(found)


def waiting_agents(parent: TaskRequest, headers: HeadersRead, agent_id: str) -> tuple[str, ...]:
    """The agents that will wait for a task if a handler asks for it: those that wait for its own task, and itself.

    Args:
        parent: The task in the handler's hands.
        headers: That task's own headers.
        agent_id: The agent to ask.

    Raises:
        InvalidTask: The agent's id is refused.
        AskRefused: That agent is one of them, and could not begin before they have ended; or they are too many.
    """
    check_id("agent_id", agent_id)
    waiting = (*read_asked_by(headers), parent.agent_id)
    if agent_id == parent.agent_id:
        raise AskRefused(agent_id, "it does one task at a time, and would wait for itself for ever: use send")
    if agent_id in waiting:
        raise AskRefused(agent_id, "it waits for this very task, and can begin no other before: use send")
    if len(waiting) > MAX_WAITING:
        raise AskRefused(agent_id, f"{len(waiting)} agents would wait in one chain, at most {MAX_WAITING} may")
    size_bytes = len(_encode_waiting(waiting).encode())
    if size_bytes > MAX_ASKED_BY_BYTES:
        reason = f"the ids of the {len(waiting)} agents that would wait in one chain take {size_bytes} bytes"
        raise AskRefused(agent_id, f"{reason}, at most {MAX_ASKED_BY_BYTES} are allowed")
    return waiting


def read_parent(headers: HeadersRead) -> Parent | None:
    """The task whose handler made the one with these headers; None if it was no handler, or nobody can tell."""
    value = _read_json(headers, PARENT, _MAX_PARENT_BYTES)
    if not isinstance(value, dict) or value.keys() != {"agent_id", "task_id"}:
        return None
    agent_id, task_id = value["agent_id"], value["task_id"]
    return Parent(agent_id=agent_id, task_id=task_id) if _are_ids((agent_id, task_id)) else None


def read_asked_by(headers: HeadersRead) -> tuple[str, ...]:
    """The agents that wait for the task with these headers, longest first; empty if none does, or nobody can tell."""
    value = _read_json(headers, ASKED_BY, MAX_ASKED_BY_BYTES)
    return tuple(value) if isinstance(value, list) and len(value) <= MAX_WAITING and _are_ids(value) else ()


def replay_headers(replay_of: ReplayOf, headers: HeadersRead, replay_id: str) -> list[tuple[str, bytes]]:
    """The headers of a task that does an old one again.

    The old task's own are kept but for ours, since nobody waits for the new one, and for its trace, which is over.

    Args:
        replay_of: The old task.
        headers: Its headers.
        replay_id: The replay.
    """
    return [*_keep(headers), (REPLAY_OF, _encode(replay_of)), (REPLAY, replay_id.encode())]


def redrive_headers(redrive_of: ReplayOf, headers: HeadersRead, plan_id: str) -> list[tuple[str, bytes]]:
    """The headers of a task that does a dead-lettered one again; of the old ones as many stay as of a replay's.

    Args:
        redrive_of: The old task, and where its dead letter stands.
        headers: The headers that the old record had.
        plan_id: The plan of the redrive.
    """
    return [*_keep(headers), (REDRIVE_OF, _encode(redrive_of)), (REDRIVE, plan_id.encode())]


def _keep(headers: HeadersRead) -> list[tuple[str, bytes]]:
    return [(name, data) for name, data in headers if not name.startswith(_OWN_PREFIX) and name not in _TRACE]


def _encode(old: ReplayOf) -> bytes:
    return orjson.dumps({"agent_id": old.agent_id, "task_id": old.task_id, "position": str(old.position)})


def read_done_again(headers: HeadersRead, name: str, run_id: str) -> ReplayOf | None:
    """The task that the one with these headers does again, if a certain run published it.

    Args:
        headers: The headers.
        name: :data:`REPLAY` or :data:`REDRIVE`.
        run_id: The replay, or the plan of the redrive.
    """
    return _read_old(headers, f"{name}-of") if dict(headers).get(name) == run_id.encode() else None


def read_replay_of(headers: HeadersRead) -> ReplayOf | None:
    """The task that the one with these headers does again; None if it is no replay, or nobody can tell."""
    return _read_old(headers, REPLAY_OF)


def _read_old(headers: HeadersRead, name: str) -> ReplayOf | None:
    value = _read_json(headers, name, _MAX_REPLAY_OF_BYTES)
    if not isinstance(value, dict) or value.keys() != {"agent_id", "task_id", "position"}:
        return None
    agent_id, task_id, place = value["agent_id"], value["task_id"], value["position"]
    if not _are_ids((agent_id, task_id)) or not isinstance(place, str):
        return None
    try:
        return ReplayOf(agent_id=agent_id, task_id=task_id, position=Position.parse(place))
    except ValueError:
        return None


def _encode_waiting(waiting: Sequence[str]) -> str:
    return orjson.dumps(list(waiting)).decode()


def _trace_context(found: Mapping[str, bytes]) -> dict[str, str]:
    traceparent, tracestate = found.get("traceparent", b""), found.get("tracestate", b"")
    if not _TRACEPARENT.fullmatch(traceparent):
        return {}
    context = {"traceparent": traceparent.decode()}
    if _TRACESTATE.fullmatch(tracestate):
        context["tracestate"] = tracestate.decode()
    return context


def _read_json(headers: HeadersRead, name: str, max_bytes: int) -> Any:  # noqa: ANN401 - any JSON value
    data = dict(headers).get(name, b"")
    if not data or len(data) > max_bytes:
        return None
    try:
        return parse_json(name, data)
    except InvalidTask:
        return None


def _are_ids(values: Sequence[Any]) -> bool:
    try:
        for value in values:
            check_id(PARENT, value)
    except InvalidTask:
        return False
    return True
