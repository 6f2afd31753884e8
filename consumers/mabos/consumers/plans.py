"""The plan of a reprocessing: all that must stay the same if it is stopped, or killed, and goes on later.

How far it is does not stand in the plan: that is read from the log, where each task it published names the old one.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Self
from uuid import UUID, uuid5

from mabos.consumers.errors import InvalidReplay
from mabos.consumers.selection import Reach, Selection, Stretch
from mabos.kafka.position import Position
from mabos.schemas.events import Status
from mabos.schemas.fields import new_task_id

Deadlines = Literal["drop", "keep", "shift"]
"""What becomes of old deadlines: none, the same moment, or as long after the new request as it was after the old."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayPlan:
    """What is published again, and how."""

    queue: str
    """The queue."""
    selection: Selection
    """Which tasks."""
    reach: Reach
    """What is read for them; settled once, so that it never meets its own output."""
    replay_id: str = field(default_factory=new_task_id)
    """A UUID; it is in each task that is published, and the names of these come from it."""
    deadlines: Deadlines = "drop"
    """What becomes of old deadlines."""
    takes_replays: bool = False
    """Whether tasks that some other replay published are taken, too."""

    def new_task_id(self, old: Position) -> str:
        """The name of the task that does an old one again: the same however often it is asked."""
        return str(uuid5(UUID(self.replay_id), str(old)))

    def to_json(self) -> dict[str, Any]:
        """A JSON object, which :meth:`from_json` reads."""
        found = asdict(self)
        found["selection"]["statuses"] = sorted(status or "unanswered" for status in self.selection.statuses)
        return found

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The plan in a JSON object.

        Raises:
            InvalidReplay: It is no plan.
        """
        try:
            selection, reach = dict(value["selection"]), dict(value["reach"])
            statuses = frozenset(None if name == "unanswered" else Status(name) for name in selection["statuses"])
            selection |= {name: _numbers(selection[name]) for name in ("begin", "end")} | {"statuses": statuses}
            reach |= {name: _numbers(reach[name]) for name in ("requests_end", "responses_end")}
            reach["stretches"] = {int(number): Stretch(*ends) for number, ends in reach["stretches"].items()}
            reach["remarks"] = tuple(reach["remarks"])
            UUID(value["replay_id"])
            return cls(**dict(value) | {"selection": Selection(**selection), "reach": Reach(**reach)})
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvalidReplay(f"this is no plan of a replay: {error!r}") from error


class Plans:
    """The plans that a folder keeps, one file each.

    Args:
        folder: Where; made when the first is kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, plan: ReplayPlan) -> None:
        """Keep a plan.

        Raises:
            OSError: The folder cannot be written.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        new = self._file(plan.replay_id).with_suffix(".new")
        new.write_text(json.dumps(plan.to_json()), encoding="utf-8")
        new.replace(self._file(plan.replay_id))

    def load(self, replay_id: str) -> ReplayPlan:
        """A plan that was kept.

        Raises:
            InvalidReplay: There is none of that id here, or it cannot be read.
        """
        file = self._file(replay_id)
        try:
            return ReplayPlan.from_json(json.loads(file.read_text(encoding="utf-8")))
        except FileNotFoundError:
            raise InvalidReplay(f"nothing is known of replay {replay_id} here: there is no {file}") from None
        except (OSError, ValueError) as error:
            raise InvalidReplay(f"{file} cannot be read: {error}") from error

    @contextmanager
    def claim(self, replay_id: str) -> Iterator[None]:
        """Run a replay alone while the block lasts; a process that is killed lets go.

        Raises:
            InvalidReplay: Another process runs it.
        """
        with self._file(replay_id).open("a", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise InvalidReplay(f"replay {replay_id} runs already, in another process") from None
            yield

    def _file(self, replay_id: str) -> Path:
        try:
            return self._folder / f"{UUID(replay_id)}.json"
        except ValueError:
            raise InvalidReplay(f'"{replay_id}" is no id of a replay, which is a UUID') from None


def _numbers(offsets: Mapping[str, int]) -> dict[int, int]:
    """Offsets by partition: in JSON, keys are text."""
    return {int(partition): int(offset) for partition, offset in offsets.items()}
