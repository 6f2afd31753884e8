"""What ``mabos doctor`` makes of what it finds: is it fine, worth a look, or wrong, and what to do. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from mabos.kafka.topic_state import TopicState
from mabos.streams.lag import GroupLag

_LONG_SESSION_MS = 15_000
_FEW_FILES = 4_096
_LITTLE_SPACE_BYTES = 2 << 30
_CLOCKS_APART_S = 1.0
_FAR_BEHIND = 1_000


class State(StrEnum):
    """How something is."""

    FINE = "fine"
    LOOK = "look"
    """It works, and will surprise somebody."""
    WRONG = "wrong"
    AWAY = "away"
    """It does not answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at."""

    check: str
    state: State
    found: str
    """What is there, in a few words."""
    advice: str | None = None
    """What to do about it."""

    def to_row(self) -> dict[str, Any]:
        """Its row of a table, and its JSON shape."""
        return asdict(self) | {"state": self.state.value}


def check_brokers(count: int, *, is_local: bool) -> Check:
    """Whether the loss of a disk loses tasks."""
    found = f"{count} broker{'s' if count > 1 else ''}"
    if count >= 3 or is_local:
        return Check(check="brokers", state=State.FINE, found=found)
    advice = "with three brokers a lost disk loses nothing: add them, then `mabos topics diff`"
    return Check(check="brokers", state=State.LOOK, found=found, advice=advice)


def check_broker_config(config: Mapping[str, str], *, retention_ms: int | None) -> list[Check]:
    """What of a broker's configuration matters to tasks.

    Args:
        config: The configuration; what is not told is passed over.
        retention_ms: How long requests are kept; None for ever.
    """
    return [
        *_check_sessions(_number(config, "group.consumer.session.timeout.ms")),
        *_check_memory_of_groups(_number(config, "offsets.retention.minutes"), retention_ms),
        *_check_making_of_topics(config.get("auto.create.topics.enable")),
    ]


def _check_sessions(session_ms: int | None) -> list[Check]:
    if session_ms is None:
        return []
    found = f"the tasks of a worker that dies wait {session_ms / 1000:g} s"
    if session_ms <= _LONG_SESSION_MS:
        return [Check(check="sessions", state=State.FINE, found=found)]
    advice = (
        "lower group.consumer.session.timeout.ms and group.consumer.min.session.timeout.ms on the brokers,"
        " or set MABOS_GROUP_PROTOCOL=classic"
    )
    return [Check(check="sessions", state=State.LOOK, found=found, advice=advice)]


def _check_memory_of_groups(minutes: int | None, retention_ms: int | None) -> list[Check]:
    if minutes is None:
        return []
    found = f"a group that is stopped is remembered for {minutes / 1440:g} days"
    if retention_ms is not None and minutes * 60_000 >= retention_ms:
        return [Check(check="offsets", state=State.FINE, found=found)]
    advice = "requests are kept for longer, and would all be read again: raise offsets.retention.minutes on the brokers"
    return [Check(check="offsets", state=State.LOOK, found=found, advice=advice)]


def _check_making_of_topics(value: str | None) -> list[Check]:
    if value is None:
        return []
    if value.lower() == "false":
        return [Check(check="new topics", state=State.FINE, found="made on purpose only")]
    advice = "a name that is mistyped becomes a topic: set auto.create.topics.enable=false on the brokers"
    return [Check(check="new topics", state=State.LOOK, found="made by whoever names one", advice=advice)]


def check_topics(topics: Sequence[TopicState]) -> list[Check]:
    """Whether all topics are there, as wanted, with all their copies."""
    checks = []
    missing = [topic.name for topic in topics if not topic.exists]
    drift = sum(len(topic.drift) for topic in topics if topic.exists)
    if missing:
        found, advice = f"missing: {', '.join(missing)}", "`mabos topics apply`"
        checks.append(Check(check="topics", state=State.WRONG, found=found, advice=advice))
    elif drift:
        found, advice = f"{_count(drift, 'setting')} not as wanted", "`mabos topics diff`, then `mabos topics apply`"
        checks.append(Check(check="topics", state=State.LOOK, found=found, advice=advice))
    else:
        checks.append(Check(check="topics", state=State.FINE, found=f"{len(topics)} topics as wanted"))
    there = [topic for topic in topics if topic.exists]
    leaderless = sum(topic.leaderless_partitions for topic in there)
    lagging = sum(topic.lagging_partitions for topic in there)
    if leaderless:
        found = f"{_count(leaderless, 'partition')} without a leader: nobody can read or write there"
        checks.append(Check(check="copies", state=State.WRONG, found=found, advice="see which broker is down"))
    elif lagging:
        found = f"{_count(lagging, 'partition')} with a copy that is behind or away"
        checks.append(Check(check="copies", state=State.LOOK, found=found, advice="see which broker is down, or slow"))
    elif there:
        checks.append(Check(check="copies", state=State.FINE, found="all there"))
    return checks


def check_schemas(missing: Sequence[str], breaks: Sequence[str]) -> Check:
    """Whether this version's events can be written and read.

    Args:
        missing: Subjects that lack this version's schema.
        breaks: What in it would break a version before.
    """
    if breaks:
        advice = "`mabos schema check` shows all of them: this version does not fit what was written before"
        return Check(check="schemas", state=State.WRONG, found=breaks[0], advice=advice)
    if missing:
        found = f"not registered: {', '.join(missing)}"
        return Check(check="schemas", state=State.WRONG, found=found, advice="`mabos schema register`")
    return Check(check="schemas", state=State.FINE, found="registered as this version has them")


def check_groups(groups: Iterable[GroupLag]) -> list[Check]:
    """Whether somebody does the tasks that wait.

    Args:
        groups: The groups of workers, with their lag in the requests alone.
    """
    checks = []
    for group in groups:
        if not group.partitions:
            continue
        waiting, expired = group.lag_records, sum(place.expired_records for place in group.partitions)
        found = f"{group.group}: {_count(waiting, 'task')} waiting, {_count(len(group.members), 'worker')}"
        state, advice = State.FINE, None
        if expired:
            found += f", {_count(expired, 'task')} deleted before done"
            state, advice = State.WRONG, "add workers, or raise retention.ms of the requests"
        elif waiting and not group.members:
            state, advice = State.LOOK, "`mabos worker run MODULE:GROUP`"
        checks.append(Check(check="workers", state=state, found=found, advice=advice))
    return checks or [Check(check="workers", state=State.FINE, found="no group has read the queue yet")]


def check_clocks(apart_s: float) -> Check:
    """Whether this machine and the database agree on the time: deadlines are moments."""
    found = f"the database's is {apart_s:.1f} s away from this machine's"
    if abs(apart_s) < _CLOCKS_APART_S:
        return Check(check="clocks", state=State.FINE, found=found)
    advice = "tasks may expire early or late: run an NTP client on both"
    return Check(check="clocks", state=State.LOOK, found=found, advice=advice)


def check_view(lag: int, poisoned: int) -> Check:
    """Whether what people look at is what is on the log."""
    found = f"{lag:,} records behind" if lag else "has read everything"
    if poisoned:
        found += f", {_count(poisoned, 'record')} passed as poison"
    if lag < _FAR_BEHIND:
        return Check(check="view", state=State.FINE, found=found)
    return Check(check="view", state=State.LOOK, found=found, advice="does `mabos view run` run?")


def check_files(limit: int) -> Check:
    """How many connections a process here may have; a gateway raises its own limit to what it may."""
    found = f"{limit:,} at most in a process"
    if limit >= _FEW_FILES:
        return Check(check="open files", state=State.FINE, found=found)
    advice = "each stream of a gateway takes one: raise it with `ulimit -Hn`, or LimitNOFILE of systemd"
    return Check(check="open files", state=State.LOOK, found=found, advice=advice)


def check_space(free_bytes: int, folder: str) -> Check:
    """Whether a local broker can go on writing."""
    found = f"{free_bytes / (1 << 30):.1f} GiB free for {folder}"
    if free_bytes >= _LITTLE_SPACE_BYTES:
        return Check(check="disk", state=State.FINE, found=found)
    advice = "a broker that cannot write ends: make room, or set MABOS_HOME"
    return Check(check="disk", state=State.LOOK, found=found, advice=advice)


def _number(config: Mapping[str, str], name: str) -> int | None:
    try:
        return int(config[name])
    except (LookupError, ValueError):
        return None


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
