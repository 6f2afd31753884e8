"""The SQL that asks a view for dead letters: built from what is wanted, its values always apart from it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, LiteralString

from mabos.streams.filters import narrow
from mabos.streams.letters import LetterCursor, LetterFilter
from mabos.streams.queries import Query

_COLUMNS: LiteralString = (
    'dead_at, partition, "offset", code, message, cause_id, agent_id, task_id, action, attempts, is_whole, origin'
)
# What a task that does a letter's again names: see ViewedLetter.reference.
_NAME: LiteralString = """coalesce(l.task_id, %(topic)s || ':' || l.partition || ':' || l."offset")"""
_IS_REDRIVE: LiteralString = (
    f"t.redrive_of_task_id = {_NAME} AND t.redrive_of_agent_id = l.agent_id AND t.agent_id = l.agent_id"
)
_MOST_REDRIVEN: LiteralString = "20"
_REDRIVEN: LiteralString = (
    "coalesce((SELECT jsonb_agg(jsonb_build_array(task_id, agent_id, state)) FROM (SELECT task_id, agent_id, state"
    f" FROM tasks t WHERE {_IS_REDRIVE} ORDER BY requested_at DESC, task_id DESC LIMIT {_MOST_REDRIVEN}) r), '[]')"
)
_ORDER: LiteralString = 'dead_at DESC, partition DESC, "offset" DESC'


def list_letters(wanted: LetterFilter, topic: str, after: LetterCursor | None, limit: int) -> Query:
    """The next letters of a list, newest first; the fields of :class:`~mabos.streams.letters.ViewedLetter`."""
    values: dict[str, Any] = {"topic": topic, "limit": limit}
    wheres = _wheres(wanted, values)
    if after is not None:
        wheres.append('(dead_at, partition, "offset") < (%(after_at)s, %(after_partition)s, %(after_offset)s)')
        values |= {"after_at": after.dead_at, "after_partition": after.partition, "after_offset": after.offset}
    where = " AND ".join(wheres)
    page: LiteralString = f"SELECT * FROM dead_letters l WHERE {where} ORDER BY {_ORDER} LIMIT %(limit)s"
    return Query(f"SELECT {_COLUMNS}, {_REDRIVEN} FROM ({page}) l ORDER BY {_ORDER}", values)


def find_letters(places: Sequence[tuple[int, int]], agents: Sequence[str] | None, topic: str, *, limit: int) -> Query:
    """The letters at some places, by partition and offset; the fields as of :func:`list_letters`."""
    values: dict[str, Any] = {
        "topic": topic,
        "partitions": [partition for partition, _ in places],
        "offsets": [offset for _, offset in places],
        "limit": limit,
    }
    wheres: list[LiteralString] = ["true"]
    _see_only(agents, wheres, values)
    where = " AND ".join(wheres)
    return Query(
        f"SELECT {_COLUMNS}, {_REDRIVEN} FROM dead_letters l JOIN unnest(%(partitions)s::integer[],"
        ' %(offsets)s::bigint[]) AS wanted (partition, "offset") USING (partition, "offset")'
        f' WHERE {where} ORDER BY partition, "offset" LIMIT %(limit)s',
        values,
    )


def pick_letters(wanted: LetterFilter, topic: str, limit: int) -> Query:
    """The oldest letters that fit, in the order of their death; the fields as of :func:`list_letters`."""
    values: dict[str, Any] = {"topic": topic, "limit": limit}
    where = " AND ".join(_wheres(wanted, values))
    return Query(
        f"SELECT {_COLUMNS}, {_REDRIVEN} FROM dead_letters l WHERE {where}"
        ' ORDER BY dead_at, partition, "offset" LIMIT %(limit)s',
        values,
    )


def group_letters(wanted: LetterFilter, topic: str, limit: int) -> Query:
    """The causes of letters, the most frequent first; the fields of :class:`~mabos.streams.letters.LetterGroup`."""
    values: dict[str, Any] = {"topic": topic, "limit": limit}
    where = " AND ".join(_wheres(wanted, values))
    # The redriven are few: gathered once, they are not looked up for each letter.
    return Query(
        "WITH redriven AS MATERIALIZED (SELECT DISTINCT redrive_of_task_id AS name, agent_id FROM tasks"
        " WHERE redrive_of_task_id IS NOT NULL AND redrive_of_agent_id = agent_id),"
        " found AS (SELECT l.cause_id, l.code, l.action, l.agent_id, l.dead_at,"
        " redriven.name IS NOT NULL AS is_redriven"
        f" FROM dead_letters l LEFT JOIN redriven ON redriven.name = {_NAME} AND redriven.agent_id = l.agent_id"
        f" WHERE {where}),"
        " groups AS (SELECT cause_id, min(code) AS code, min(action) AS action, count(*) AS count,"
        " count(*) FILTER (WHERE NOT is_redriven) AS waiting, count(DISTINCT agent_id) AS agents,"
        " min(dead_at) AS oldest_at, max(dead_at) AS newest_at FROM found GROUP BY cause_id"
        " ORDER BY count(*) DESC, max(dead_at) DESC, cause_id LIMIT %(limit)s)"
        " SELECT groups.*, newest.message FROM groups, LATERAL (SELECT message FROM dead_letters l"
        f" WHERE l.cause_id = groups.cause_id AND {where} ORDER BY {_ORDER} LIMIT 1) AS newest"
        " ORDER BY groups.count DESC, groups.newest_at DESC, groups.cause_id",
        values,
    )


def _wheres(wanted: LetterFilter, values: dict[str, Any]) -> list[LiteralString]:
    wheres: list[LiteralString] = ["true"]
    sought: tuple[tuple[LiteralString, object], ...] = (
        ("l.agent_id = %(agent_id)s", wanted.agent_id),
        ("l.action = %(action)s", wanted.action),
        ("l.code = %(code)s", wanted.code),
        ("l.cause_id = %(cause_id)s", wanted.cause_id),
        ("l.dead_at >= %(since)s", wanted.since),
        ("l.dead_at < %(until)s", wanted.until),
    )
    names = ("agent_id", "action", "code", "cause_id", "since", "until")
    for name, (where, value) in zip(names, sought, strict=True):
        if value is not None:
            wheres.append(where)
            values[name] = value
    if wanted.agent_id is None:  # else the caller may see that agent, or nothing
        _see_only(wanted.agents, wheres, values)
    if wanted.is_redriven is not None:
        exists: LiteralString = f"EXISTS (SELECT FROM tasks t WHERE {_IS_REDRIVE})"
        wheres.append(exists if wanted.is_redriven else f"NOT {exists}")
    return wheres


def _see_only(agents: Sequence[str] | None, wheres: list[LiteralString], values: dict[str, Any]) -> None:
    visible = narrow(agents)
    if visible is not None:
        wheres.append("(l.agent_id = ANY(%(visible_ids)s) OR l.agent_id LIKE ANY(%(visible_likes)s))")
        values["visible_ids"], values["visible_likes"] = visible
