"""A user's function as the runtime calls it: what it takes, what it gives, and what its answers mean."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from mabos.consumers.errors import InvalidHandler, Reject
from mabos.consumers.retry import RetryPolicy
from mabos.consumers.task import Task
from mabos.schemas.jsontext import encode_object

Result = Mapping[str, Any] | BaseModel | None
HandlerFunction = Callable[[Any], Result] | Callable[[Any], Awaitable[Result]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Handler:
    """What is known of a user's function."""

    function: HandlerFunction
    """The function itself."""
    action: str | None
    """The ``payload["action"]`` it takes; None for all that no other handler takes."""
    model: type[BaseModel] | None
    """The payload model it wants, or None when it wants the Task."""
    is_async: bool
    """Whether it runs on the event loop."""
    retry: RetryPolicy
    """When a failed task is tried again."""

    def argument(self, task: Task) -> Task | BaseModel:
        """What the function takes for a task.

        Raises:
            Reject: The payload does not fit the model; names the field.
        """
        if self.model is None:
            return task
        try:
            return self.model.model_validate(task.payload)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            path = ".".join(["payload", *(str(part) for part in first["loc"])])
            raise Reject(first["msg"].removeprefix("Value error, "), field=path) from error


def make_handler(function: HandlerFunction, action: str | None, retry: RetryPolicy) -> Handler:
    """Look at a function once, so that what cannot work is refused before the first task.

    Raises:
        InvalidHandler: It does not take exactly one parameter that is a Task or a pydantic model; says what it has.
    """
    name = getattr(function, "__qualname__", repr(function))
    try:
        parameters = list(inspect.signature(function).parameters.values())
        hints = typing.get_type_hints(function)
    except (TypeError, ValueError, NameError) as error:
        raise InvalidHandler(f"handler {name}: its signature cannot be read: {error}") from error
    required = [p for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if not parameters or len(required) > 1 or parameters[0].kind is inspect.Parameter.KEYWORD_ONLY:
        raise InvalidHandler(f"handler {name}: must take one parameter, a Task or a pydantic model of the payload")
    kind = hints.get(parameters[0].name, Task)
    model = kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None
    if model is None and kind is not Task:
        raise InvalidHandler(f"handler {name}: parameter {parameters[0].name} is {kind}, not Task or a pydantic model")
    if action is not None and (not isinstance(action, str) or not action):
        raise InvalidHandler(f"handler {name}: the action must be a string that is not empty, not {action!r}")
    return Handler(
        function=function,
        action=action,
        model=model,
        is_async=inspect.iscoroutinefunction(function),
        retry=retry,
    )


def encode_result(result: object, *, max_bytes: int) -> str:
    """The JSON text of what a handler returned; None is an empty object.

    Raises:
        InvalidTask: It is no mapping and no model, or holds what JSON cannot, or is too large.
    """
    if result is None:
        return "{}"
    value = result.model_dump(mode="json") if isinstance(result, BaseModel) else result
    return encode_object("result", typing.cast(Mapping[str, Any], value), max_bytes=max_bytes)
