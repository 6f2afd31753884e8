"""Figures of agents and of stretches of time: what was asked and answered, and how long that took. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from mabos.streams.histogram import percentile_ms
from mabos.streams.task_rows import OUTCOMES
from mabos.streams.viewed_task import show_time


@dataclass(frozen=True, slots=True, kw_only=True)
class Durations:
    """Percentiles of many durations, in ms; None where there are none. Never too low, at most a fifth too high."""

    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None

    @classmethod
    def of(cls, counts: Mapping[int, int]) -> Self:
        """The percentiles of a histogram: how many there are, by bucket from 1."""
        buckets = [counts.get(number, 0) for number in range(1, max(counts, default=0) + 1)]
        p50_ms, p95_ms, p99_ms = (percentile_ms(buckets, share) for share in (0.5, 0.95, 0.99))
        return cls(p50_ms=p50_ms, p95_ms=p95_ms, p99_ms=p99_ms)

    def to_json(self) -> dict[str, float | None]:
        """The JSON shape, rounded to tenths."""
        named = {"p50_ms": self.p50_ms, "p95_ms": self.p95_ms, "p99_ms": self.p99_ms}
        return {name: None if value is None else round(value, 1) for name, value in named.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What was asked and answered in some time."""

    requested: int = 0
    """Tasks asked."""
    outcomes: Mapping[str, int] = field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))
    """Tasks answered, by state."""
    wait: Durations = Durations()
    """How long tasks waited before they ran."""
    run: Durations = Durations()
    """How long they ran."""

    @property
    def answered(self) -> int:
        """Tasks answered, whatever their state."""
        return sum(self.outcomes.values())

    def to_json(self) -> dict[str, Any]:
        """The JSON shape."""
        return {
            "requested": self.requested,
            "answered": self.answered,
            "outcomes": dict(self.outcomes),
            "wait": self.wait.to_json(),
            "run": self.run.to_json(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentFigures:
    """An agent: what waits for it, and its traffic."""

    agent_id: str
    """The agent."""
    waiting: int
    """Tasks without an outcome now."""
    oldest_at: datetime | None
    """When the oldest of them was requested."""
    traffic: Traffic
    """In the window that was asked for."""
    window_s: float
    """How long that is."""

    def to_json(self) -> dict[str, Any]:
        """The JSON shape, with rates in tasks a second."""
        rates = {
            "requested_per_s": round(self.traffic.requested / self.window_s, 3),
            "answered_per_s": round(self.traffic.answered / self.window_s, 3),
        }
        waiting = {"agent_id": self.agent_id, "waiting": self.waiting, "oldest_waiting_at": show_time(self.oldest_at)}
        return waiting | rates | self.traffic.to_json()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A minute, an hour or a day of traffic."""

    begin: datetime
    """Where it begins; one without traffic and samples is left out."""
    traffic: Traffic
    """What was asked and answered in it."""
    queued: int | None = None
    """The most tasks that waited at a moment of it; None where that was not sampled, or some agents are asked for."""
    oldest_waiting_s: float | None = None
    """The longest that one of them had been in the log then, in seconds; 0 where nothing waited, None as above."""

    def to_json(self) -> dict[str, Any]:
        """The JSON shape."""
        waiting = {"queued": self.queued, "oldest_waiting_s": self.oldest_waiting_s}
        return {"begin": show_time(self.begin), **self.traffic.to_json(), **waiting}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """The traffic of a window."""

    total: Traffic
    """All of it."""
    stretches: tuple[Stretch, ...]
    """Its parts, the oldest first."""

    def to_json(self) -> dict[str, Any]:
        """The JSON shape."""
        return {"total": self.total.to_json(), "stretches": [stretch.to_json() for stretch in self.stretches]}


class Histograms:
    """Histograms as the view gives them: rows of a key, ``wait`` or ``run``, a bucket, and how many."""

    def __init__(self, rows: Iterable[tuple[Any, ...]]) -> None:
        self._counts: dict[tuple[Any, str], dict[int, int]] = {}
        self._all: dict[str, dict[int, int]] = {"wait": {}, "run": {}}
        for key, kind, bucket, count in rows:
            self._counts.setdefault((key, kind), {})[bucket] = count
            self._all[kind][bucket] = self._all[kind].get(bucket, 0) + count

    def durations(self, key: Any, kind: str) -> Durations:  # noqa: ANN401 - an agent's id or a time
        """The percentiles of one key's ``wait`` or ``run``."""
        return Durations.of(self._counts.get((key, kind), {}))

    def total(self, kind: str) -> Durations:
        """The percentiles of all of them together."""
        return Durations.of(self._all[kind])


def to_agents(rows: Iterable[tuple[Any, ...]], histograms: Histograms, window_s: float) -> tuple[AgentFigures, ...]:
    """Agents, of the rows that :func:`mabos.streams.queries.count_agents` asks for."""
    return tuple(
        AgentFigures(
            agent_id=agent_id,
            waiting=waiting,
            oldest_at=oldest_at,
            traffic=_traffic(counts, histograms.durations(agent_id, "wait"), histograms.durations(agent_id, "run")),
            window_s=window_s,
        )
        for agent_id, waiting, oldest_at, *counts in rows
    )


def to_stats(rows: Iterable[tuple[Any, ...]], histograms: Histograms, sampled: Iterable[tuple[Any, ...]] = ()) -> Stats:
    """A window.

    Args:
        rows: What :func:`mabos.streams.queries.count_stretches` asks for.
        histograms: Those of the same parts.
        sampled: What :func:`mabos.streams.queries.sample_stretches` asks for.
    """
    counts = {begin: sums for begin, *sums in rows}
    waited = {begin: (int(queued), oldest_ms / 1000) for begin, queued, oldest_ms in sampled}
    stretches = []
    for begin in sorted(counts.keys() | waited.keys()):
        wait, run = histograms.durations(begin, "wait"), histograms.durations(begin, "run")
        traffic = _traffic(counts[begin], wait, run) if begin in counts else Traffic()
        queued, oldest_s = waited.get(begin, (None, None))
        stretches.append(Stretch(begin=begin, traffic=traffic, queued=queued, oldest_waiting_s=oldest_s))
    sums = [sum(stretch.traffic.requested for stretch in stretches)]
    sums += [sum(stretch.traffic.outcomes[name] for stretch in stretches) for name in OUTCOMES]
    return Stats(total=_traffic(sums, histograms.total("wait"), histograms.total("run")), stretches=tuple(stretches))


def _traffic(counts: list[int], wait: Durations, run: Durations) -> Traffic:
    requested, *outcomes = counts
    return Traffic(requested=requested, outcomes=dict(zip(OUTCOMES, outcomes, strict=True)), wait=wait, run=run)
