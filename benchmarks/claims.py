"""What is claimed, what was measured for it, and whether it holds. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One promise about speed, with a figure from each round."""

    text: str
    """What is claimed, such as ``against the bare loop``."""
    values: Sequence[float]
    """A figure a round."""
    bound: float
    """What the median must reach, or stay under."""
    sense: Literal["at least", "at most"] = "at least"
    unit: str = "x"
    """``x`` for a ratio, else ``ms``, ``tasks/s`` or ``records/s``."""

    @property
    def median(self) -> float:
        """The figure that counts."""
        return statistics.median(self.values)

    @property
    def holds(self) -> bool:
        """Whether the median is on the right side of the bound."""
        return self.median >= self.bound if self.sense == "at least" else self.median <= self.bound

    @property
    def verdict(self) -> str:
        """One word."""
        return "PASS" if self.holds else "MISS"

    def margin(self, value: float) -> float:
        """How far a figure is on the right side: 1 is the bound, 2 is twice as good."""
        return value / self.bound if self.sense == "at least" else self.bound / value

    def show(self, value: float) -> str:
        """A figure with its unit."""
        digits = 2 if value < 100 else 0
        return f"{value:,.{digits}f}" + ("×" if self.unit == "x" else f" {self.unit}")  # noqa: RUF001 - times


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """Something measured that no bound is set for, for the reader to compare."""

    name: str
    """Whose it is."""
    values: Sequence[float]
    """A figure a round."""
    unit: str

    @property
    def median_text(self) -> str:
        """The median, with its unit."""
        return f"{statistics.median(self.values):,.{self._digits}f} {self.unit}"

    @property
    def range_text(self) -> str:
        """The least and the most."""
        return f"{min(self.values):,.{self._digits}f}..{max(self.values):,.{self._digits}f}"

    @property
    def _digits(self) -> int:
        return 0 if max(self.values) >= 100 else 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One kind of work: what is claimed about it, and the figures behind."""

    name: str
    """A word, as ``ONLY=`` takes it."""
    title: str
    """The work in one line."""
    claims: Sequence[Claim]
    figures: Sequence[Figure]


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Ours by theirs, round by round: what slows a machine for a while then slows both."""
    return [mine / other for mine, other in zip(ours, theirs, strict=True)]
