"""What an audit found: counts of everything, and the positions of what is wrong. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from mabos.kafka.position import Position
from mabos.schemas.events import Status
from mabos.streams.audit import Finding, Found, Tally

VIOLATIONS = (Finding.UNANSWERED, Finding.UNASKED, Finding.MISPLACED, Finding.DISORDERED, Finding.LOST)
"""What breaks a promise."""

_OF_REQUESTS = (Finding.UNANSWERED, Finding.DISORDERED, Finding.LOST)


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicCounts:
    """What was read of one topic."""

    records: int = 0
    """Records read."""
    unreadable: int = 0
    """Those among them that hold no event: workers bury such requests as dead letters."""
    expired: int = 0
    """Offsets before the oldest record that is still there, or was when it was read: retention has taken them."""
    aborted: int = 0
    """Offsets in between whose records were taken back with their transaction."""
    marks: int = 0
    """Those that are no records, but the ends of transactions."""
    compacted: int = 0
    """In a topic that is compacted, those of which nothing is to be seen: compaction took them, but for such marks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """What was found."""

    requests: int
    """Distinct tasks asked."""
    duplicates: int
    """Requests that ask a task of their agent again."""
    open: int
    """Tasks without an outcome that may still be on their way: young, within their deadline, or not committed."""
    unjudged: int
    """Tasks and responses whose other half may stand outside of what was read."""
    outcomes: Mapping[Status, int]
    """Tasks by outcome: the first terminal response in the log."""
    found: Mapping[Finding, int]
    """How often each finding was made."""
    places: Mapping[Finding, tuple[Position, ...]]
    """Where: the first of each in the log, as many as were to be kept."""
    topics: Mapping[str, TopicCounts] = field(default_factory=dict)
    """What was read, by topic."""

    @property
    def holds(self) -> bool:
        """Whether every task has its outcome, in its place, and each agent's came in order."""
        return not any(self.found.get(kind) for kind in VIOLATIONS)

    @property
    def superseded(self) -> int:
        """Terminal responses after the first of their task: they count for nothing, and break no promise."""
        return self.found.get(Finding.SUPERSEDED, 0)


class Findings:
    """Takes what is found, one at a time, and keeps the first of each in the log.

    Args:
        requests: The name of the requests topic.
        responses: That of the responses.
        keep: How many positions of each finding are kept; None for all.
        on_found: Called with each.
    """

    def __init__(
        self,
        requests: str,
        responses: str,
        *,
        keep: int | None = None,
        on_found: Callable[[Finding, Position], None] | None = None,
    ) -> None:
        self._requests, self._responses, self._keep, self._on_found = requests, responses, keep, on_found
        self._counts: Counter[Finding] = Counter()
        self._places: dict[Finding, list[tuple[int, int]]] = {kind: [] for kind in Finding}

    def take(self, found: Found) -> None:
        """One finding."""
        kind, partition, offset = found
        self._counts[kind] += 1
        places = self._places[kind]
        places.append((partition, offset))
        if self._keep is not None and len(places) > 2 * self._keep + 100:
            places.sort()
            del places[self._keep :]
        if self._on_found is not None:
            self._on_found(kind, Position(self._topic_of(kind), partition, offset))

    def report(self, tally: Tally, topics: Mapping[str, TopicCounts] | None = None) -> AuditReport:
        """All that was found."""
        return AuditReport(
            requests=tally.requests,
            duplicates=tally.duplicates,
            open=tally.open,
            unjudged=tally.unjudged,
            outcomes=Counter(tally.outcomes),
            found=Counter(self._counts),
            places={
                kind: tuple(Position(self._topic_of(kind), *place) for place in sorted(places)[: self._keep])
                for kind, places in self._places.items()
                if places
            },
            topics=topics or {},
        )

    def _topic_of(self, kind: Finding) -> str:
        return self._requests if kind in _OF_REQUESTS else self._responses
