"""AgentGroup: which function does which kind of task."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from mabos.consumers.errors import InvalidHandler
from mabos.consumers.handlers import Handler, HandlerFunction, make_handler
from mabos.consumers.retry import RetryPolicy

F = TypeVar("F", bound=HandlerFunction)


class AgentGroup:
    """The handlers of a consumer group of agents.

    Args:
        name: The consumer group; every worker that runs this group shares its tasks.
        retry: When a failed task is tried again, unless its handler says otherwise.
    """

    def __init__(self, name: str, *, retry: RetryPolicy | None = None) -> None:
        if not name:
            raise InvalidHandler("an AgentGroup needs a name: it is the Kafka consumer group")
        self.name = name
        self._retry = retry or RetryPolicy()
        self._handlers: dict[str | None, Handler] = {}

    def on_task_request(self, action: str | None = None, *, retry: RetryPolicy | None = None) -> Callable[[F], F]:
        """Make a function the handler of tasks.

        The function is ``async`` or plain, takes one :class:`Task` or a pydantic model of the payload, and returns a
        mapping or a model: the ``result``. A payload that does not fit the model is answered ``rejected``.

        Args:
            action: The ``payload["action"]`` it takes; None for every task that no other handler takes.
            retry: When a failed task is tried again; None for the group's policy.

        Raises:
            InvalidHandler: The function cannot be a handler, or the action has one already.
        """
        if callable(action):
            raise InvalidHandler("write @agents.on_task_request(), with parentheses")

        def register(function: F) -> F:
            handler = make_handler(function, action, retry or self._retry)
            if action in self._handlers:
                what = "all other tasks" if action is None else f'action "{action}"'
                raise InvalidHandler(f"{what} of group {self.name} has a handler already")
            self._handlers[action] = handler
            return function

        return register

    @property
    def handlers(self) -> tuple[Handler, ...]:
        """The handlers, in the order they were registered."""
        return tuple(self._handlers.values())

    def find_handler(self, action: object) -> Handler | None:
        """The handler of an action, or the one for all others, or None."""
        handler = self._handlers.get(action) if isinstance(action, str) else None
        return handler or self._handlers.get(None)

    @property
    def actions(self) -> list[str]:
        """The actions that have a handler of their own, sorted."""
        return sorted(action for action in self._handlers if action is not None)
