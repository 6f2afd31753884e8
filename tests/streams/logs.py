"""Topics as lists of entries, for tests of the audit without a broker."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import inf

from mabos.schemas.events import Status
from mabos.streams.audit import (
    ASKED,
    NO_DEADLINE,
    Entry,
    Finding,
    Found,
    Scope,
    Tally,
    Turn,
    find_disorder,
    join,
    kind_of,
)

PARTITIONS = 3
TERMINAL = sorted(status for status in Status if status.is_terminal)
ALL_KNOWN = Scope(now_ms=1_000_000, complete=range(PARTITIONS))
"""Everything was read from its beginning, and is old."""


@dataclass(frozen=True)
class Ask:
    """A request."""

    agent: str
    task: str
    at_ms: int = 0
    deadline_ms: int = NO_DEADLINE


@dataclass(frozen=True)
class Answer:
    """A response."""

    agent: str
    task: str
    status: Status = Status.COMPLETED
    has_run: bool = True
    at_ms: int = 1


@dataclass(frozen=True)
class Result:
    """What the audit says."""

    tally: Tally
    found: Counter[Found]

    @property
    def kinds(self) -> set[Finding]:
        """The kinds of what is found."""
        return {kind for kind, _, _ in self.found}

    def places(self, kind: Finding) -> list[tuple[int, int]]:
        """Partition and offset of each finding of a kind."""
        return sorted((partition, offset) for found, partition, offset in self.found if found is kind)


@dataclass
class Log:
    """Requests and responses by partition; an offset is an index."""

    requests: list[list[Ask]] = field(default_factory=lambda: [[] for _ in range(PARTITIONS)])
    responses: list[list[Answer]] = field(default_factory=lambda: [[] for _ in range(PARTITIONS)])

    def entries(self, parts: Iterable[int] = range(PARTITIONS)) -> list[Entry]:
        """Requests, then responses; the partitions one after another, as they are named."""
        parts = list(parts)
        asked = [
            (key(ask), ask.deadline_ms, ask.at_ms, offset, part, ASKED)
            for part in parts
            for offset, ask in enumerate(self.requests[part])
        ]
        answered = [
            (key(a), lane(a.agent), a.at_ms, offset, part, kind_of(a.status, has_run=a.has_run))
            for part in parts
            for offset, a in enumerate(self.responses[part])
        ]
        return asked + answered

    def audit(self, scope: Scope = ALL_KNOWN, parts: Iterable[int] = range(PARTITIONS), buckets: int = 1) -> Result:
        """Audit it, its tasks spread over buckets."""
        tally, turns, found = Tally(), list[Turn](), Counter[Found]()
        entries = self.entries(parts)
        for number in range(buckets):
            found.update(join((e for e in entries if hash(e[0]) % buckets == number), scope, tally, turns))
        found.update(find_disorder(sorted(turns)))
        return Result(tally, found)

    def places(self) -> list[tuple[int, int]]:
        """Where the responses stand."""
        return [(part, offset) for part, records in enumerate(self.responses) for offset in range(len(records))]


def key(event: Ask | Answer) -> bytes:
    """The key of a task: 16 bytes."""
    return f"{event.agent}/{event.task}".encode().ljust(16)


def lane(agent: str) -> int:
    """The lane of an agent."""
    return int.from_bytes(agent.encode()[-7:])


def judge_naively(log: Log, scope: Scope) -> Result:
    """The same verdict, found by looking at everything again for each task."""
    asks = [(ask.at_ms, p, o, ask) for p, part in enumerate(log.requests) for o, ask in enumerate(part)]
    answers = [(a.at_ms, p, o, a) for p, part in enumerate(log.responses) for o, a in enumerate(part)]
    tally, found = Tally(), Counter[Found]()
    turns: list[tuple[str, int, int, int]] = []
    for task in {(ask.agent, ask.task) for *_, ask in asks}:
        own = sorted((place for place in asks if (place[3].agent, place[3].task) == task), key=_place)
        at_ms, partition, offset, first = own[0]
        homes = {p for _, p, _, _ in own}
        told = sorted((place for place in answers if (place[3].agent, place[3].task) == task), key=_place)
        strays = [place for place in told if place[1] not in homes]
        ends = [place for place in told if place[1] in homes and place[3].status.is_terminal]
        tally.requests += 1
        tally.duplicates += len(own) - 1
        found.update((Finding.MISPLACED, p, o) for _, p, o, _ in strays)
        found.update((Finding.SUPERSEDED, p, o) for _, p, o, _ in ends[1:])
        outcome = next(iter(ends + [place for place in strays if place[3].status.is_terminal]), None)
        if outcome is not None:
            tally.outcomes[outcome[3].status] += 1
            if outcome[3].has_run and outcome[1] == partition and outcome[0] >= at_ms:
                turns.append((task[0], partition, outcome[2], offset))
        elif (
            at_ms > scope.now_ms - scope.grace_ms
            or first.deadline_ms > scope.now_ms - scope.grace_ms
            or offset >= scope.waiting_from.get(partition, inf)
        ):
            tally.open += 1
        elif at_ms < scope.answers_since_ms.get(partition, -inf):
            tally.unjudged += 1
        else:
            found[Finding.UNANSWERED, partition, offset] += 1
    asked = {(ask.agent, ask.task) for *_, ask in asks}
    for at_ms, p, o, answer in answers:
        if (answer.agent, answer.task) in asked:
            continue
        if p in scope.complete and at_ms < scope.until_ms:
            found[Finding.UNASKED, p, o] += 1
        elif at_ms >= scope.since_ms:
            tally.unjudged += 1
    for agent, p, response, request in turns:
        if any((agent, p) == other[:2] and other[2] < response and other[3] > request for other in turns):
            found[Finding.DISORDERED, p, request] += 1
    return Result(tally, found)


def _place(place: Sequence[object]) -> Sequence[object]:
    return place[:3]
