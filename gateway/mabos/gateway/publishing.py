"""Many tasks published one after the other, and what became of each, in their order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import orjson
from pydantic import ValidationError

from mabos.gateway.batchkeys import KeyedBatch
from mabos.gateway.errors import Refused
from mabos.gateway.metrics import Metrics
from mabos.gateway.models import NewTask
from mabos.gateway.observing import note
from mabos.gateway.problems import make_problem, refuse
from mabos.gateway.producer import SentTask, TaskSender
from mabos.gateway.tasks import explain_failure
from mabos.producers import PublishFailed
from mabos.schemas.errors import InvalidTask, MabosError

WINDOW = 10_000
"""How many tasks of one batch wait for the broker at a time."""


class Publishing:
    """Publishes the tasks of one batch, and says of each what became of it. Lives on one event loop.

    Args:
        sender: Publishes them.
        headers: Kafka headers of each.
        scope: The request's, for its log line.
        metrics: Where it is counted.
        admit: Awaited with the agent of each task before it is published; raises where the caller may not reach it.
        keyed: The batch, where it has an ``Idempotency-Key``.
    """

    def __init__(
        self,
        sender: TaskSender,
        headers: dict[str, str] | None,
        scope: MutableMapping[str, Any],
        metrics: Metrics,
        admit: Callable[[str], Awaitable[None]],
        *,
        keyed: KeyedBatch | None = None,
    ) -> None:
        self._sender, self._headers, self._scope, self._metrics = sender, headers, scope, metrics
        self._admit, self._keyed = admit, keyed
        self._window: deque[tuple[int, SentTask | None, bytes]] = deque()
        self._changed = asyncio.Event()
        self._is_finished = False
        self._accepted = self._refused = self._failed = 0

    async def add(self, number: int, parse: Callable[[], object]) -> None:
        """Publish a task, or note why not. Waits while too many are on their way.

        Args:
            number: Which of the batch it is.
            parse: Gives the task as JSON has it; raises a MabosError where it is none.
        """
        while len(self._window) >= WINDOW:
            await self._wait()
        task_id: str | None = None
        try:
            task = NewTask.model_validate(parse())
            task_id = task.task_id
            if task_id is None and self._keyed is not None:
                task_id = self._keyed.name(number)
            await self._admit(task.agent_id)
            if self._keyed is not None and (stored := self._keyed.find(number)) is not None:
                self._append(number, None, _show_accepted(number, str(task_id), stored))
                return
            sent = await self._sender.send_task_request(
                agent_id=task.agent_id,
                payload=task.payload,
                task_id=task_id,
                deadline=task.deadline,
                headers=self._headers,
            )
        except PublishFailed as error:
            self.refuse(number, explain_failure(error, task_id))
        except (MabosError, ValidationError) as error:
            self.refuse(number, refuse(error))
        else:
            self._append(number, sent, b"")

    @property
    def is_whole(self) -> bool:
        """Whether each item so far has an answer that holds: none failed in a way that may pass."""
        return not self._failed

    def refuse(self, number: int, refused: Refused) -> None:
        """Note why an item of the batch is not published."""
        self._append(number, None, self._show_refusal(number, refused))

    def finish(self) -> None:
        """There are no more."""
        self._is_finished = True
        self._changed.set()

    async def take(self) -> list[bytes]:
        """The outcomes of the next tasks, a JSON object each, once the broker has the first; empty at the end."""
        while not self._window and not self._is_finished:
            await self._wait()
        found: list[bytes] = []
        window = self._window
        while window and (not found or window[0][1] is None or window[0][1].is_done):
            number, sent, shown = window[0]
            found.append(shown if sent is None else await self._show_outcome(number, sent))
            window.popleft()
        self._changed.set()
        return found

    def tell(self) -> None:
        """The batch is over: count it, and note for the log what became of its items."""
        self._metrics.count_items(self._accepted, self._refused)
        note(self._scope, accepted=self._accepted, refused=self._refused)

    def _append(self, number: int, sent: SentTask | None, shown: bytes) -> None:
        self._window.append((number, sent, shown))
        self._changed.set()

    async def _wait(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    async def _show_outcome(self, number: int, sent: SentTask) -> bytes:
        try:
            position = await sent
        except PublishFailed as error:
            return self._show_refusal(number, explain_failure(error, sent.task_id))
        self._accepted += 1
        if self._keyed is not None:
            self._keyed.note(number, str(position))
        return _show_accepted(number, sent.task_id, str(position))

    def _show_refusal(self, number: int, refused: Refused) -> bytes:
        self._refused += 1
        self._failed += refused.status >= 500
        problem = make_problem(refused)
        shown = {"number": number, "task_id": problem.task_id, "problem": problem.model_dump(exclude_none=True)}
        return orjson.dumps({name: value for name, value in shown.items() if value is not None})


def _show_accepted(number: int, task_id: str, position: str) -> bytes:
    return orjson.dumps({"number": number, "task_id": task_id, "position": position})


def as_object(item: object) -> dict[str, object]:
    """An item as a task has to be.

    Raises:
        InvalidTask: It is no object.
    """
    if not isinstance(item, dict):
        raise InvalidTask("body", "each item must be a JSON object, a task")
    return item
