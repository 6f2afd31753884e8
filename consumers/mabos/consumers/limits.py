"""How much a worker takes on, and how its answers are delivered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

DeliveryMode = Literal["at-least-once", "exactly-once"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerLimits:
    """How much a worker takes on, and how its answers are delivered."""

    concurrency: int = 64
    """The most tasks in hand at a time. With 1, plain handlers run one after another, the fastest way there is."""
    max_unfinished: int = 120_000
    """The most records read and not finished; above it, the partitions that hold too much are paused."""
    max_unfinished_bytes: int = 64 * 1024 * 1024
    """The most bytes of keys and values among them; as above."""
    max_ahead: int = 150_000
    """How many records of one partition are read past its lowest unfinished one; then that partition is paused."""
    commit_interval_s: float = 0.5
    """How often offsets are committed while tasks finish."""
    grace_s: float = 25.0
    """How long tasks in hand may go on when the worker stops or loses their partition."""
    ledger_window: int = 10_000
    """How many of a partition's newest outcomes are kept in mind: a task sent again among them is answered once."""
    delivery: DeliveryMode = "at-least-once"
    """Whether responses and offsets go to the broker one by one, or in transactions."""
    transaction_interval_s: float = 0.1
    """The longest that a transaction stays open under load; one that nothing is added to is committed at once."""

    def __post_init__(self) -> None:
        """Refuse what could never work."""
        for name in ("concurrency", "max_unfinished", "max_unfinished_bytes", "max_ahead", "ledger_window"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
