"""A user's function as the runtime calls it."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Annotated, Any, cast

import pytest
from pydantic import BaseModel, Field, RootModel, field_validator

from mabos.consumers.errors import InvalidHandler, Reject
from mabos.consumers.handlers import Handler, encode_result, make_handler
from mabos.consumers.retry import RetryPolicy
from mabos.consumers.task import Task
from mabos.schemas.errors import InvalidTask
from tests.support.jobs import NoSurroundings, make_job


class Address(BaseModel):
    """A nested model."""

    city: str


class Order(BaseModel):
    """A payload model."""

    count: int = Field(gt=0)
    address: Address
    tags: list[str] = []

    @field_validator("tags")
    @classmethod
    def _check(cls, value: list[str]) -> list[str]:
        if "bad" in value:
            raise ValueError("bad is no tag")
        return value


async def on_task(task: Task) -> dict[str, Any]:
    return {}


def on_model(order: Order) -> Order:
    return order


def on_annotated_model(order: Annotated[Order, "noted"]) -> None: ...


def unannotated(task):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201 - as users write them
    return {}


def with_default(task: Task, retries: int = 3) -> None: ...


def with_rest(*tasks: Task) -> None: ...


def unknown_return(task: Task) -> NotThere:  # type: ignore[name-defined]  # noqa: F821 - only the parameter matters
    ...


class Agents:
    """Handlers as methods and as an object."""

    async def method(self, task: Task) -> dict[str, Any]:
        return {}

    @staticmethod
    def static(order: Order) -> None: ...

    async def __call__(self, order: Order) -> dict[str, Any]:
        return {}


def log_calls(function: Callable[[Any], Awaitable[Any]]) -> Callable[[Any], Awaitable[Any]]:
    """A plain decorator round an async function, as people write them."""

    @functools.wraps(function)
    def wrapper(argument: Any) -> Awaitable[Any]:
        return function(argument)

    return wrapper


async def two(unit: str, task: Task) -> dict[str, Any]:
    return {}


def make(function: Any, action: Any = "act") -> Handler:
    return make_handler(function, action, RetryPolicy())


@pytest.mark.parametrize(
    ("function", "model", "is_async"),
    [
        (on_task, None, True),
        (on_model, Order, False),
        (on_annotated_model, Order, False),
        (unannotated, None, False),
        (with_default, None, False),
        (with_rest, None, False),
        (unknown_return, None, False),
        (Agents().method, None, True),
        (Agents.static, Order, False),
        (Agents(), Order, True),
        (functools.partial(two, "km"), None, True),
        (functools.partial(functools.partial(on_model)), Order, False),
        (functools.partial(Agents()), Order, True),
        (log_calls(on_task), None, False),
        (lambda task: {}, None, False),
    ],
    ids=lambda value: getattr(value, "__qualname__", None) or type(value).__name__,
)
def test_all_kinds_of_functions_are_handlers(function: Any, model: type | None, is_async: bool) -> None:
    """Methods, partials, callable objects and decorated functions say what they take as plain functions do."""
    handler = make(function)
    assert (handler.model, handler.is_async) == (model, is_async)


def no_parameter() -> None: ...
def two_parameters(task: Task, other: int) -> None: ...
def keyword_only(*, task: Task) -> None: ...
def required_keyword(task: Task, *, other: int) -> None: ...
def only_keywords(**options: Task) -> None: ...
def wrong_type(payload: dict[str, Any]) -> None: ...
def a_union(task: Task | Order) -> None: ...
def unknown_name(task: NotThere) -> None: ...  # type: ignore[name-defined]  # noqa: F821 - that is the test
def generator(task: Task) -> Iterator[int]:
    yield 1


async def async_generator(task: Task) -> AsyncIterator[int]:
    yield 1


@pytest.mark.parametrize(
    ("function", "hint"),
    [
        (no_parameter, "too many positional arguments"),
        (two_parameters, "missing a required argument: 'other'"),
        (keyword_only, "too many positional arguments"),
        (required_keyword, "missing a required"),
        (only_keywords, "too many positional arguments"),
        (wrong_type, "its parameter is dict"),
        (a_union, "its parameter is"),
        (unknown_name, "name 'NotThere' is not defined"),
        (generator, "must return its result, not yield it"),
        (async_generator, "must return its result, not yield it"),
        (functools.partial(on_task, None), "too many positional arguments"),
        (functools.partial(generator), "not yield it"),
        (42, "is not a callable object"),
    ],
    ids=lambda value: getattr(value, "__name__", None) or str(value)[:30],
)
def test_what_cannot_work_is_refused_before_the_first_task(function: Any, hint: str) -> None:
    """The error names the handler, what it must take, and what is wrong."""
    with pytest.raises(InvalidHandler) as caught:
        make(function)
    message = str(caught.value)
    assert message.startswith("handler ")
    assert hint in message
    assert "\n" not in message


@pytest.mark.parametrize("action", ["", 5, ["summarize"], b"act"], ids=repr)
def test_an_action_must_be_a_word(action: object) -> None:
    """Only a non-empty string can ever stand in payload.action."""
    with pytest.raises(InvalidHandler, match="the action must be a string that is not empty"):
        make(on_task, action)


def argument(handler: Handler, payload: dict[str, Any]) -> Any:
    job = make_job(payload=payload)
    return handler.argument(Task(job, payload, NoSurroundings()))


def test_a_payload_becomes_the_model() -> None:
    """The handler gets its model, validated."""
    order = argument(make(on_model), {"count": 2, "address": {"city": "Bern"}})
    assert order == Order(count=2, address=Address(city="Bern"))


def test_a_task_is_given_as_it_is() -> None:
    """A handler that wants the task gets its payload untouched."""
    assert argument(make(on_task), {"any": "thing"}).payload == {"any": "thing"}


@pytest.mark.parametrize(
    ("payload", "field", "reason"),
    [
        ({"address": {"city": "Bern"}}, "payload.count", "Field required"),
        ({"count": 0, "address": {"city": "Bern"}}, "payload.count", "Input should be greater than 0"),
        ({"count": 1, "address": {"city": 5}}, "payload.address.city", "Input should be a valid string"),
        ({"count": 1, "address": {"city": "B"}, "tags": ["a", 1]}, "payload.tags.1", "Input should be a valid string"),
        ({"count": 1, "address": {"city": "B"}, "tags": ["bad"]}, "payload.tags", "bad is no tag"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_payload_that_does_not_fit_is_rejected_by_field(payload: dict[str, Any], field: str, reason: str) -> None:
    """The caller hears which field of the payload is wrong, and why."""
    with pytest.raises(Reject) as caught:
        argument(make(on_model), payload)
    assert (caught.value.field, caught.value.reason) == (field, reason)
    assert str(caught.value) == f"{field}: {reason}"


class Reply(BaseModel):
    """A result model."""

    score: float
    tags: set[str] = set()


class Unwritable(BaseModel):
    """A result that pydantic cannot write."""

    model_config = {"arbitrary_types_allowed": True}
    thing: object


@pytest.mark.parametrize(
    ("result", "text"),
    [(None, "{}"), ({"a": [1, None]}, '{"a":[1,null]}'), (Reply(score=0.5, tags={"x"}), '{"score":0.5,"tags":["x"]}')],
    ids=str,
)
def test_a_result_is_written_as_json(result: object, text: str) -> None:
    """Mappings and models are results; None is an empty one."""
    assert encode_result(result, max_bytes=1000) == text


@pytest.mark.parametrize(
    ("result", "hint"),
    [
        ({"x": float("nan")}, "result.x: nan is not a JSON number"),
        (Reply(score=float("inf")), "result.score: inf is not a JSON number"),
        ({"x": {1, 2}}, "cannot be written as JSON"),
        ({"x": "a" * 2000}, "at most 1000 are allowed"),
        ([1, 2], "must be a JSON object, not list"),
        ("text", "must be a JSON object, not str"),
        (RootModel[list[int]]([1]), "must be a JSON object, not list"),
        ({"x": "\ud800"}, "cannot be written as JSON"),
        (Unwritable(thing=object()), "cannot be written as JSON"),
    ],
    ids=lambda value: str(value)[:20].encode("ascii", "replace").decode(),
)
def test_a_result_that_json_cannot_hold_is_refused(result: object, hint: str) -> None:
    """The error says what is wrong with the result, and where."""
    with pytest.raises(InvalidTask) as caught:
        encode_result(cast(Any, result), max_bytes=1000)
    assert str(caught.value).startswith("result")
    assert hint in str(caught.value)
