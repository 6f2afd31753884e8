"""Do the promises hold? Folds requests and responses, and says what is missing, double or out of order. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from mabos.kafka.position import Position
from mabos.schemas.events import Status, TaskRequest, TaskResponse

_Key = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """What was found."""

    requests: int
    """Distinct tasks asked."""
    duplicates: int
    """Requests that ask a task of their agent again."""
    outcomes: Mapping[Status, int]
    """Tasks by outcome: the first terminal response in the log."""
    superseded: int
    """Terminal responses after the first of their task: they count for nothing, and break no promise."""
    unanswered: tuple[Position, ...]
    """Requests whose task has no outcome."""
    unasked: tuple[Position, ...]
    """Responses to tasks that nobody asked."""
    misplaced: tuple[Position, ...]
    """Outcomes in another partition than their request, where whoever takes the partition over would not see them."""
    disordered: tuple[Position, ...]
    """Requests of tasks that ran, and whose outcome came after that of a later request to the same agent that ran."""

    @property
    def holds(self) -> bool:
        """Whether every task has its outcome, in its place, and each agent's came in order."""
        return not (self.unanswered or self.unasked or self.misplaced or self.disordered)


@dataclass(frozen=True, slots=True)
class _Outcome:
    place: Position
    status: Status
    has_run: bool


class Audit:
    """Takes requests and responses, each partition in its log order; which topic comes first does not matter."""

    def __init__(self) -> None:
        self._asked: dict[_Key, Position] = {}
        self._duplicates = 0
        self._outcomes: dict[_Key, _Outcome] = {}
        self._superseded = 0
        self._progress: dict[_Key, Position] = {}

    def add_request(self, request: TaskRequest, position: Position) -> None:
        """A request in the log."""
        key = request.agent_id, request.task_id
        if key in self._asked:
            self._duplicates += 1
        else:
            self._asked[key] = position

    def add_response(self, response: TaskResponse, position: Position) -> None:
        """A response in the log; of progress, only whose it is counts."""
        key = response.agent_id, response.task_id
        if not response.status.is_terminal:
            self._progress.setdefault(key, position)
        elif key in self._outcomes:
            self._superseded += 1
        else:
            self._outcomes[key] = _Outcome(position, response.status, response.started_at_ms is not None)

    def report(self) -> AuditReport:
        """What was found so far."""
        answered = self._progress | {key: outcome.place for key, outcome in self._outcomes.items()}
        return AuditReport(
            requests=len(self._asked),
            duplicates=self._duplicates,
            outcomes=Counter(outcome.status for key, outcome in self._outcomes.items() if key in self._asked),
            superseded=self._superseded,
            unanswered=tuple(place for key, place in self._asked.items() if key not in self._outcomes),
            unasked=tuple(place for key, place in answered.items() if key not in self._asked),
            misplaced=tuple(
                outcome.place
                for key, outcome in self._outcomes.items()
                if key in self._asked and self._asked[key].partition != outcome.place.partition
            ),
            disordered=tuple(self._find_disordered()),
        )

    def _find_disordered(self) -> list[Position]:
        """Walk each agent's outcomes in log order: the offsets of their requests must ascend.

        Only tasks that ran count. One that was cancelled in the queue, or whose deadline the watcher saw pass, is
        answered at once, and should be.
        """
        last: dict[tuple[str, int], int] = {}
        found = []
        for key, outcome in sorted(self._outcomes.items(), key=lambda item: item[1].place):
            asked = self._asked.get(key)
            if asked is None or not outcome.has_run or asked.partition != outcome.place.partition:
                continue
            lane = key[0], asked.partition
            if asked.offset < last.get(lane, -1):
                found.append(asked)
            last[lane] = max(last.get(lane, -1), asked.offset)
        return found
