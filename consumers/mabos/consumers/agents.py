"""AgentGroup: which function does which kind of task."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TypeVar

from mabos.consumers.errors import InvalidHandler
from mabos.consumers.handlers import Handler, HandlerFunction, make_handler
from mabos.consumers.retry import GiveUp, Retry, RetryPolicy
from mabos.consumers.task import Task

ErrorFunction = Callable[[Task, Exception, Retry | GiveUp], object]
F = TypeVar("F", bound=HandlerFunction)


class AgentGroup:
    """The handlers of a consumer group of agents.

    Args:
        name: The consumer group; every worker that runs this group shares its tasks.
        retry: When a failed task is tried again, unless its handler says otherwise.
        unknown_action_grace_s: How long a task that no handler takes waits, and its agent with it, before it is
            answered ``rejected``. While a new release is rolled out, old workers meet tasks that only new ones know:
            give this the time that takes.
    """

    def __init__(self, name: str, *, retry: RetryPolicy | None = None, unknown_action_grace_s: float = 0.0) -> None:
        if not name:
            raise InvalidHandler("an AgentGroup needs a name: it is the Kafka consumer group")
        if not unknown_action_grace_s >= 0:  # also refuses NaN
            raise InvalidHandler(f"unknown_action_grace_s must be 0 or more, not {unknown_action_grace_s}")
        self.name = name
        self.unknown_action_grace_s = unknown_action_grace_s
        self._on_error: ErrorFunction | None = None
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

    def on_error(self, function: ErrorFunction) -> ErrorFunction:
        """Have a plain function called with each failed attempt, and what was decided: once per group.

        It runs where the handler ran, so it must not take long; what it raises is logged.

        Raises:
            InvalidHandler: It is async, or the group has one already.
        """
        if inspect.iscoroutinefunction(function):
            raise InvalidHandler("on_error takes a plain function")
        if self._on_error is not None:
            raise InvalidHandler(f"group {self.name} has an on_error function already")
        self._on_error = function
        return function

    def tell_error(self, task: Task, error: Exception, decision: Retry | GiveUp) -> None:
        """Call the ``on_error`` function, if there is one."""
        if self._on_error is not None:
            self._on_error(task, error, decision)

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
