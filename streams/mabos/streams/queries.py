"""The SQL that asks a view: built from what is wanted, its values always apart from it. Pure.

A list walks the index that the filter leads to, newest first, and looks at each row for whatever else is wanted. It
walks a bounded stretch at a time and tells where that ends, so a search for something rare can stop in time, and go on.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, LiteralString, NamedTuple

import orjson

from mabos.streams.cursors import Cursor
from mabos.streams.filters import TaskFilter, escape_like, narrow
from mabos.streams.references import Reference
from mabos.streams.task_rows import OUTCOMES

Unit = Literal["minute", "hour", "day"]
"""How long the parts of a window are."""

LIST_COLUMNS: tuple[LiteralString, ...] = (
    *("requested_at", "request_offset", "response_offset", "deadline", "started_at", "answered_at", "progress_at"),
    *("progress_offset", "cancel_requested_at", "partition", "response_partition", "progress_partition", "attempt"),
    *("duplicates", "superseded", "error_retryable", "state", "task_id", "agent_id", "action", "parent_task_id"),
    *("parent_agent_id", "replay_of_task_id", "replay_of_agent_id", "redrive_of_task_id", "redrive_of_agent_id"),
    *("error_code", "error_message", "cancel_reason"),
)
"""What a list gives of each task: all but what is large."""
ALL_COLUMNS: tuple[LiteralString, ...] = (*LIST_COLUMNS, "payload", "result", "progress")

_WAYS: tuple[LiteralString, ...] = (
    *("way_a", "way_b", "way_c", "way_d", "way_e", "way_f", "way_g", "way_h", "way_i", "way_j"),
    *("way_k", "way_l", "way_m", "way_n", "way_o", "way_p", "way_q", "way_r", "way_s", "way_t"),
)
_ORDER: LiteralString = "requested_at DESC, task_id DESC, agent_id DESC"


class Query(NamedTuple):
    """A statement and its values."""

    sql: LiteralString
    values: dict[str, Any]


def find_task(task_id: str, agent_id: str | None, agents: Sequence[str] | None, limit: int) -> Query:
    """The whole rows of a task id; several agents may have one."""
    wheres: list[LiteralString] = ["task_id = %(task_id)s"]
    values: dict[str, Any] = {"task_id": task_id, "limit": limit}
    if agent_id is not None:
        wheres.append("agent_id = %(agent_id)s")
        values["agent_id"] = agent_id
    _see_only(agents, wheres, values)
    columns = ", ".join(ALL_COLUMNS)
    where = " AND ".join(wheres)
    return Query(f"SELECT {columns} FROM tasks WHERE {where} ORDER BY agent_id LIMIT %(limit)s", values)


def list_tasks(wanted: TaskFilter, after: Cursor | None, limit: int) -> Query:
    """The next tasks of a list whose index leads to nothing that does not fit: rows of the columns of a list.

    Args:
        wanted: Which tasks; :func:`has_residue` is False of it.
        after: Where to go on; None from the newest.
        limit: The most tasks.
    """
    lead = _find_lead(wanted)
    values: dict[str, Any] = {"rows": limit, **lead.values}
    return Query(_walk(lead, _bound(wanted, after, values), ", ".join(LIST_COLUMNS)), values)


def scan_tasks(wanted: TaskFilter, after: Cursor | None, *, rows: int, hits: int) -> Query:
    """Walk so many rows from a place on; give those that fit, and the last one walked.

    Each row it gives is: whether the task fits, how many rows were walked in all, and the columns of a list.

    Args:
        wanted: Which tasks.
        after: Where to go on; None from the newest.
        rows: The most rows to walk.
        hits: The most tasks to give; if there are more, those after it and the last one walked are left out.
    """
    lead = _find_lead(wanted)
    values: dict[str, Any] = {"rows": rows, "hits": hits, **lead.values}
    walked = _walk(
        lead,
        _bound(wanted, after, values),
        f"requested_at, task_id, agent_id, coalesce({_residue(wanted, lead, values) or 'true'}, false) AS is_hit",
    )
    columns = ", ".join([_of_tasks(column) for column in LIST_COLUMNS])
    return Query(
        f"WITH walked AS MATERIALIZED ({walked}),"
        " last AS (SELECT * FROM walked ORDER BY requested_at, task_id, agent_id LIMIT 1),"
        " given AS (SELECT walked.* FROM walked, last WHERE walked.is_hit OR (walked.task_id = last.task_id"
        f" AND walked.agent_id = last.agent_id) ORDER BY {_ORDER} LIMIT %(hits)s)"
        f" SELECT given.is_hit, (SELECT count(*) FROM walked), {columns}"
        " FROM given JOIN tasks USING (task_id, agent_id)"
        " ORDER BY given.requested_at DESC, given.task_id DESC, given.agent_id DESC",
        values,
    )


def has_residue(wanted: TaskFilter) -> bool:
    """Whether the index leads to rows that may not fit, so that a list must search."""
    return bool(_residue(wanted, _find_lead(wanted), {}))


def read_position(topic: str, partition: int) -> Query:
    """How far the view has read one partition."""
    return Query(
        "SELECT next_offset FROM partitions WHERE topic = %(topic)s AND partition = %(partition)s",
        {"topic": topic, "partition": partition},
    )


def read_positions() -> Query:
    """How far the view has read each partition."""
    return Query("SELECT topic, partition, next_offset FROM partitions", {})


def count_agents(agents: Sequence[str] | None, since: datetime, after: str | None, limit: int) -> Query:
    """Agents in the order of their ids: what each was asked and answered since a moment, and what waits.

    Each row is: the id, tasks waiting, the oldest of them, tasks requested, and outcomes in the order of ``OUTCOMES``.
    """
    wheres: list[LiteralString] = ["true"]
    values: dict[str, Any] = {"since": since, "limit": limit}
    _see_only(agents, wheres, values)
    if after is not None:
        wheres.append("agent_id > %(after)s")
        values["after"] = after
    where = " AND ".join(wheres)
    sums = ", ".join(_sum_of(name) for name in ("requested", *OUTCOMES))
    given = ", ".join(_or_none_of(name) for name in ("requested", *OUTCOMES))
    names: LiteralString = ", ".join(("requested", *OUTCOMES))
    return Query(
        f"WITH minutes AS (SELECT agent_id, {sums} FROM agent_minutes WHERE minute >= %(since)s AND {where}"
        " GROUP BY agent_id),"
        " waiting AS (SELECT agent_id, sum(tasks)::bigint AS tasks FROM agent_states"
        f" WHERE state IN ('queued', 'in_progress') AND {where} GROUP BY agent_id HAVING sum(tasks) > 0),"
        f" page AS MATERIALIZED (SELECT agent_id, coalesce(waiting.tasks, 0) AS waiting, {given}"
        " FROM minutes FULL JOIN waiting USING (agent_id) ORDER BY agent_id LIMIT %(limit)s)"
        f" SELECT agent_id, waiting, (SELECT min(requested_at) FROM tasks WHERE tasks.agent_id = page.agent_id"
        f" AND state IN ('queued', 'in_progress') AND page.waiting > 0), {names} FROM page ORDER BY agent_id",
        values,
    )


def measure_agents(agent_ids: Sequence[str], since: datetime) -> Query:
    """The histograms of some agents: rows of id, ``wait`` or ``run``, bucket from 1, and how many."""
    minutes: LiteralString = "FROM agent_minutes WHERE agent_id = ANY(%(agent_ids)s) AND minute >= %(since)s"
    return Query(
        _add_buckets("agent_id", minutes),
        {"agent_ids": list(agent_ids), "since": since},
    )


def count_stretches(wanted: TaskFilter, unit: Unit) -> Query:
    """What was asked and answered in each part of a window: rows of its begin, requested, and outcomes."""
    minutes, values = _minutes(wanted)
    sums = ", ".join(_sum_of(name) for name in ("requested", *OUTCOMES))
    return Query(
        f"SELECT date_trunc(%(unit)s, minute) AS begin, {sums} {minutes} GROUP BY 1 ORDER BY 1",
        values | {"unit": unit},
    )


def measure_stretches(wanted: TaskFilter, unit: Unit) -> Query:
    """The histograms of each part of a window: rows of its begin, ``wait`` or ``run``, bucket from 1, and how many."""
    minutes, values = _minutes(wanted)
    return Query(_add_buckets("date_trunc(%(unit)s, minute)", minutes), values | {"unit": unit})


def sample_stretches(since: datetime, until: datetime, unit: Unit) -> Query:
    """What waited in each part of a window, at most: rows of its begin, tasks, and how long the oldest, in ms."""
    return Query(
        "SELECT date_trunc(%(unit)s, minute) AS begin, max(queued), max(oldest_ms)"
        " FROM (SELECT minute, sum(queued) AS queued, max(oldest_ms) AS oldest_ms FROM backlog_minutes"
        " WHERE minute >= %(since)s AND minute < %(until)s GROUP BY minute) AS minutes GROUP BY 1 ORDER BY 1",
        {"since": since, "until": until, "unit": unit},
    )


class _Lead(NamedTuple):
    """What leads a list to its tasks: an index, and the ways through it, which are walked side by side.

    Each way says its own value: planned for a value that it does not see, PostgreSQL takes another index.
    """

    name: str
    ways: list[list[LiteralString]]
    values: dict[str, Any]


def _find_lead(wanted: TaskFilter) -> _Lead:
    """The narrowest index, as far as one can tell without asking."""
    links: tuple[tuple[LiteralString, Reference | None], ...] = (
        ("parent", wanted.parent),
        ("replay_of", wanted.replay_of),
        ("redrive_of", wanted.redrive_of),
    )
    for name, link in links:
        if link is not None:
            way: list[LiteralString] = [f"{name}_task_id = %(link_task)s", f"{name}_agent_id = %(link_agent)s"]
            return _Lead(name, [way], {"link_task": link.task_id, "link_agent": link.agent_id})
    if wanted.agent_id is not None:
        return _Lead("agent", [["agent_id = %(agent_id)s"]], {"agent_id": wanted.agent_id})
    visible = narrow(wanted.agents)
    if visible is not None and not visible[1] and len(visible[0]) <= len(_WAYS):
        return _split("agents", "agent_id", visible[0])
    if wanted.states and ("completed" not in wanted.states or wanted.action is None):  # the others are few
        return _split("states", "state", wanted.states)
    if wanted.action is not None:
        return _Lead("action", [["action = %(action)s"]], {"action": wanted.action})
    return _Lead("time", [[]], {})


def _split(name: str, column: LiteralString, values: Sequence[str]) -> _Lead:
    """A way for each value that a column may have."""
    ways = list(zip(_WAYS, sorted(set(values)), strict=False))
    return _Lead(name, [[f"{column} = %({way})s"] for way, _ in ways], dict(ways))


def _bound(wanted: TaskFilter, after: Cursor | None, values: dict[str, Any]) -> list[LiteralString]:
    """Where in the order of a list to walk."""
    wheres: list[LiteralString] = []
    if wanted.since is not None:
        wheres.append("requested_at >= %(since)s")
        values["since"] = wanted.since
    if wanted.until is not None:
        wheres.append("requested_at < %(until)s")
        values["until"] = wanted.until
    if after is not None:
        wheres.append("(requested_at, task_id, agent_id) < (%(after_at)s, %(after_task)s, %(after_agent)s)")
        values |= {"after_at": after.requested_at, "after_task": after.task_id, "after_agent": after.agent_id}
    return wheres


def _walk(lead: _Lead, bounds: list[LiteralString], columns: LiteralString) -> LiteralString:
    """The newest rows within bounds, of all ways together."""
    ways: list[LiteralString] = []
    for way in lead.ways:
        wheres: list[LiteralString] = [*way, *bounds]
        where: LiteralString = " AND ".join(wheres) if wheres else "true"
        ways.append(f"SELECT {columns} FROM tasks WHERE {where} ORDER BY {_ORDER} LIMIT %(rows)s")
    if len(ways) == 1:
        return ways[0]
    return f"SELECT * FROM (({') UNION ALL ('.join(ways)})) AS ways ORDER BY {_ORDER} LIMIT %(rows)s"


def _residue(wanted: TaskFilter, lead: _Lead, values: dict[str, Any]) -> LiteralString:
    """What else a row must fit that the index leads to; empty for nothing."""
    wheres: list[LiteralString] = []
    if wanted.agent_id is not None and lead.name != "agent":
        wheres.append("agent_id = %(agent_id)s")
        values["agent_id"] = wanted.agent_id
    if wanted.agent_id is None and lead.name != "agents":  # else the caller may see that agent, or nothing
        _see_only(wanted.agents, wheres, values)
    if wanted.states and lead.name != "states":
        wheres.append("state = ANY(%(states)s)")
        values["states"] = list(wanted.states)
    if wanted.action is not None and lead.name != "action":
        wheres.append("action = %(action)s")
        values["action"] = wanted.action
    if wanted.text is not None:
        wheres.append(
            "(payload ILIKE ANY(%(texts)s) OR result ILIKE ANY(%(texts)s) OR error_message ILIKE ANY(%(texts)s))"
        )
        values["texts"] = _texts(wanted.text)
    return " AND ".join(wheres)


def _texts(text: str) -> list[str]:
    """The text as it may stand in JSON: itself, with what JSON must escape, and with all that is not ASCII escaped."""
    inner = orjson.dumps(text).decode()[1:-1]
    in_ascii = "".join(c if c.isascii() else _escape(c) for c in inner)
    return sorted({f"%{escape_like(form)}%" for form in (text, inner, in_ascii)})


def _escape(character: str) -> str:
    units = character.encode("utf-16-be").hex()
    return "".join(f"\\u{units[n : n + 4]}" for n in range(0, len(units), 4))


def _see_only(agents: Sequence[str] | None, wheres: list[LiteralString], values: dict[str, Any]) -> None:
    visible = narrow(agents)
    if visible is not None:
        wheres.append("(agent_id = ANY(%(visible_ids)s) OR agent_id LIKE ANY(%(visible_likes)s))")
        values["visible_ids"], values["visible_likes"] = visible


def _minutes(wanted: TaskFilter) -> tuple[LiteralString, dict[str, Any]]:
    """The minutes that a filter means, which knows agents, action and time here."""
    wheres: list[LiteralString] = ["minute >= %(since)s", "minute < %(until)s"]
    values: dict[str, Any] = {"since": wanted.since, "until": wanted.until}
    _see_only(wanted.agents, wheres, values)
    if wanted.agent_id is not None:
        wheres.append("agent_id = %(agent_id)s")
        values["agent_id"] = wanted.agent_id
    if wanted.action is not None:
        wheres.append("action = %(action)s")
        values["action"] = wanted.action
    return f"FROM agent_minutes WHERE {' AND '.join(wheres)}", values


def _add_buckets(key: LiteralString, minutes: LiteralString) -> LiteralString:
    """Add histograms up, bucket by bucket, for each value of a key."""
    return (
        f"WITH m AS MATERIALIZED (SELECT {key} AS key, wait_counts, run_counts {minutes})"
        " SELECT key, 'wait', bucket, sum(count)::bigint"
        " FROM m, unnest(wait_counts) WITH ORDINALITY AS w (count, bucket) GROUP BY key, bucket"
        " UNION ALL SELECT key, 'run', bucket, sum(count)::bigint"
        " FROM m, unnest(run_counts) WITH ORDINALITY AS r (count, bucket) GROUP BY key, bucket"
    )


def _of_tasks(column: LiteralString) -> LiteralString:
    return f"tasks.{column}"


def _sum_of(column: LiteralString) -> LiteralString:
    return f"sum({column})::bigint AS {column}"


def _or_none_of(column: LiteralString) -> LiteralString:
    return f"coalesce(minutes.{column}, 0) AS {column}"
