"""What came out of a load step, and which part it saturated. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

KEPT_UP = 0.9
"""A step is kept up with where this part of what was offered is answered, and nothing fails."""
BUSY = 0.85
"""From this part of what it could use on, a part counts as saturated."""
MACHINE = "machine"
"""The name of all parts together, with whatever else runs there."""
_SHORTEST_S = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """The requests of one name."""

    name: str
    count: int
    failures: int
    lasted_s: float
    """From the first to the last of them."""
    times_ms: Mapping[int, int]
    """How many took how long; Locust rounds to two digits."""

    @property
    def rate_per_s(self) -> float:
        """Requests answered as asked, a second."""
        return (self.count - self.failures) / self.lasted_s

    def quantile_ms(self, part: float) -> int:
        """The time within which a part of them was answered; 0 where there are none."""
        left = part * sum(self.times_ms.values())
        for time_ms, count in sorted(self.times_ms.items()):
            left -= count
            if left <= 0:
                return time_ms
        return max(self.times_ms, default=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What one part used of the machine."""

    cores: float
    """How many cores, on average."""
    bound: float
    """How many it can use: one where a single thread does the work."""

    @property
    def share(self) -> float:
        """What it used of what it can."""
        return self.cores / self.bound


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One load, and what came of it."""

    load: str
    """How much it was, for people."""
    offered_per_s: float | None
    """How many requests a second it would be, if each were answered as it should; None where that is not said."""
    lasted_s: float
    series: Sequence[Series]
    usage: Mapping[str, Usage]
    """By part."""

    @property
    def rate_per_s(self) -> float:
        """Requests answered as asked, a second."""
        return sum(series.count - series.failures for series in self.series) / self.lasted_s

    @property
    def failures(self) -> int:
        """Requests that were not."""
        return sum(series.failures for series in self.series)

    @property
    def is_kept_up(self) -> bool:
        """Whether what was offered was answered."""
        return not self.failures and (self.offered_per_s is None or self.rate_per_s >= KEPT_UP * self.offered_per_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One scenario, step by step."""

    title: str
    what: str
    """What it does, a sentence."""
    steps: Sequence[Step]


def read_series(stats: bytes) -> tuple[list[Series], float, float]:
    """What Locust's ``--json`` says: the requests by name, when the first began, and when the last was answered.

    Raises:
        ValueError: It is not what Locust prints, or nothing was asked.
    """
    found = json.loads(stats)
    series = [
        Series(
            name=entry["name"],
            count=entry["num_requests"],
            failures=entry["num_failures"],
            lasted_s=max(_SHORTEST_S, entry["last_request_timestamp"] - entry["start_time"]),
            times_ms={int(float(time_ms)): count for time_ms, count in entry["response_times"].items()},
        )
        for entry in found
    ]
    if not series:
        raise ValueError("nothing was asked")
    return series, min(entry["start_time"] for entry in found), max(entry["last_request_timestamp"] for entry in found)


def name_saturated(steps: Sequence[Step]) -> str:
    """Which part is the first to be saturated, as a sentence."""
    for step in steps:
        part, usage = max(step.usage.items(), key=lambda item: item[1].share)
        if step.is_kept_up and usage.share < BUSY:
            continue
        used = f"{part}, {usage.cores:.2f} of {usage.bound:g} cores"
        if part == MACHINE:
            others = usage.cores - sum(found.cores for name, found in step.usage.items() if name != MACHINE)
            used += f" ({max(0.0, others):.2f} by the registry and by programs that are no part of this)"
        if usage.share >= BUSY:
            return f"First to saturate: {used}, at {step.load}."
        return f"Not kept up with at {step.load}, with no part saturated; the busiest is {used}."
    return f"Nothing saturates up to {steps[-1].load}."
