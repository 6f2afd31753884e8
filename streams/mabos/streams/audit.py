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
    """Terminal responses after the first of their task."""
    unanswered: tuple[Position, ...]
    """Requests whose task has no outcome."""
    unasked: tuple[Position, ...]
    """Responses to tasks that nobody asked."""
    disordered: tuple[Position, ...]
    """Requests whose outcome came before that of an earlier request to the same agent."""

    @property
    def holds(self) -> bool:
        """Whether every task has its outcome, and each agent's came in order."""
        return not (self.unanswered or self.unasked or self.disordered)


class Audit:
    """Takes requests and responses, each partition in its log order; which topic comes first does not matter."""

    def __init__(self) -> None:
        self._asked: dict[_Key, Position] = {}
        self._duplicates = 0
        self._outcomes: dict[_Key, tuple[Position, Status]] = {}
        self._superseded = 0

    def add_request(self, request: TaskRequest, position: Position) -> None:
        """A request in the log."""
        key = request.agent_id, request.task_id
        if key in self._asked:
            self._duplicates += 1
        else:
            self._asked[key] = position

    def add_response(self, response: TaskResponse, position: Position) -> None:
        """A response in the log; progress is passed over."""
        if not response.status.is_terminal:
            return
        key = response.agent_id, response.task_id
        if key in self._outcomes:
            self._superseded += 1
        else:
            self._outcomes[key] = position, response.status

    def report(self) -> AuditReport:
        """What was found so far."""
        return AuditReport(
            requests=len(self._asked),
            duplicates=self._duplicates,
            outcomes=Counter(status for key, (_, status) in self._outcomes.items() if key in self._asked),
            superseded=self._superseded,
            unanswered=tuple(place for key, place in self._asked.items() if key not in self._outcomes),
            unasked=tuple(place for key, (place, _) in self._outcomes.items() if key not in self._asked),
            disordered=tuple(self._find_disordered()),
        )

    def _find_disordered(self) -> list[Position]:
        """Walk each agent's outcomes in log order: their requests' offsets must ascend."""
        last: dict[str, int] = {}
        found = []
        for key, (place, _) in sorted(self._outcomes.items(), key=lambda item: item[1][0]):
            asked = self._asked.get(key)
            if asked is None or asked.partition != place.partition:
                continue
            if asked.offset < last.get(key[0], -1):
                found.append(asked)
            last[key[0]] = max(last.get(key[0], -1), asked.offset)
        return found
