"""Partitions, and in whose hands they are. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Place(NamedTuple):
    """A partition of a topic."""

    topic: str
    partition: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A partition in the hands of a projector."""

    epoch: int
    """How many times it was taken until now; whoever takes it next has a higher one."""
    next_offset: int
    """Every record before it is in the view."""
