"""Errors as ``application/problem+json`` (RFC 9457): what each error means to a caller, and how it is sent."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import singledispatch
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from mabos.consumers.errors import BeyondRetention, FeedStopped, InvalidSelection
from mabos.gateway.errors import PlanUnknown, RedriveRuns, Refused
from mabos.gateway.models import FieldError, NewTask, Problem
from mabos.kafka.errors import BrokerRefused, BrokerUnavailable, TopicsDiffer
from mabos.producers import PublishError, PublishQueueFull
from mabos.schemas.errors import InvalidTask, MabosError, RegistryError
from mabos.streams.errors import DatabaseRefused, DatabaseUnavailable, InvalidQuery, QueryTooLong, ViewMissing

MEDIA_TYPE = "application/problem+json"
MAX_ERRORS = 20
"""How many refused fields one problem lists: a hostile body may hold any number of them."""
LINGER_S = 1.0
"""How long the rest of a body that is not wanted is thrown away, so that its sender gets to read the answer."""
_LINGER_BYTES = 4 * 1024 * 1024

WITHOUT_DATABASE = "tasks are taken and waited for without it"
"""What a caller should know while the database is away."""

_TITLES = {
    413: "Content Too Large",
    422: "Unprocessable Content",
}  # as RFC 9110 has them; Python's age with its version
_DETAILS = {
    404: "there is nothing at this path: /openapi.json lists what there is",
    405: "this path does not take this method: the header Allow says which it takes",
}
_KINDS = {bool: "a boolean", int: "a number", float: "a number", str: "a string", list: "an array", dict: "an object"}
_TIME = "must be a time as RFC 3339 has it, with its zone, such as 2030-01-31T12:00:00Z"
_SAYINGS = {  # of what pydantic finds, in the words of the other messages
    "missing": "is required",
    "literal_error": "must be {expected}",
    "greater_than_equal": "must be at least {ge}",
    "greater_than": "must be more than {gt}",
    "less_than_equal": "must be at most {le}",
    "less_than": "must be less than {lt}",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "too_short": "must have at least {min_length} items",
    "too_long": "must have at most {max_length} items",
    "enum": "must be {expected}",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_parsing": "must be a number",
    "bool_parsing": "must be true or false",
    "uuid_parsing": "must be a UUID, such as 0191f0c2-6c3a-7b0e-9d63-6f2c0b1a9f11",
    "datetime_parsing": _TIME,
    "datetime_from_date_parsing": _TIME,
    "timezone_aware": _TIME,
}
_WANTED = {"string_type": "a string", "dict_type": "a JSON object", "datetime_type": "a string"}


class ProblemResponse(Response):
    """A problem as an answer.

    One that closes the connection, since a body is not wanted, first goes out whole, then throws away what the sender
    still sends, for a moment: bytes left unread would make the kernel reset the connection, and the answer be lost.
    """

    media_type = MEDIA_TYPE

    def __init__(self, refused: Refused) -> None:
        super().__init__(make_problem(refused).model_dump_json(exclude_none=True), refused.status, refused.headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        if self.headers.get("connection") != "close":
            await super().__call__(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        await _discard(receive)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def make_problem(refused: Refused) -> Problem:
    """What is wrong, as RFC 9457 has it."""
    return Problem.model_validate(
        {
            "title": _TITLES.get(refused.status) or HTTPStatus(refused.status).phrase,
            "status": refused.status,
            "detail": refused.detail,
            "errors": [FieldError(field=name, message=text) for name, text in refused.fields] or None,
            **refused.members,
        }
    )


async def _discard(receive: Receive) -> None:
    left = _LINGER_BYTES
    with suppress(TimeoutError):
        async with asyncio.timeout(LINGER_S):
            while left > 0:
                message = await receive()
                if not message.get("more_body", False):  # the end, or the sender is gone
                    return
                left -= len(message.get("body", b""))


def add_problem_handlers(app: FastAPI) -> None:
    """Have every error of an application answered with a problem; unexpected ones are logged by the server as well."""
    for kind in (MabosError, HTTPException, RequestValidationError, Exception):
        app.add_exception_handler(kind, _answer)


async def _answer(_: Request, error: Exception) -> Response:
    return ProblemResponse(refuse(error))


@singledispatch
def refuse(error: Exception) -> Refused:  # noqa: ARG001 - what nobody expected is told to the log only
    """What an error means to the caller."""
    return Refused(500, "something unexpected went wrong: the log of the gateway tells what")


@refuse.register
def _(error: Refused) -> Refused:
    return error


@refuse.register
def _(error: HTTPException) -> Refused:
    return Refused(error.status_code, _DETAILS.get(error.status_code) or str(error.detail), headers=error.headers)


@refuse.register
def _(error: InvalidTask) -> Refused:
    return Refused(422, str(error), fields=[(error.field, error.reason)])


@refuse.register
def _(error: RegistryError) -> Refused:
    return Refused(503, str(error), headers={"Retry-After": "2"})


@refuse.register
def _(error: BeyondRetention) -> Refused:
    return Refused(410, str(error), fields=[("position", "is no longer in the log")])


@refuse.register(FeedStopped)
@refuse.register(BrokerUnavailable)
@refuse.register(BrokerRefused)
@refuse.register(TopicsDiffer)
def _(error: MabosError) -> Refused:
    return Refused(503, str(error), headers={"Retry-After": "2"})


@refuse.register
def _(error: InvalidQuery) -> Refused:
    return Refused(422, str(error), fields=[(error.field, error.reason)])


@refuse.register(QueryTooLong)
@refuse.register(InvalidSelection)
def _(error: MabosError) -> Refused:
    return Refused(422, str(error))


@refuse.register
def _(error: DatabaseUnavailable) -> Refused:
    return Refused(503, f"{error} ({WITHOUT_DATABASE})", headers={"Retry-After": "2"})


@refuse.register(DatabaseRefused)
@refuse.register(ViewMissing)
def _(error: MabosError) -> Refused:
    return Refused(503, str(error), headers={"Retry-After": "2"})


@refuse.register
def _(error: PlanUnknown) -> Refused:
    return Refused(404, str(error))


@refuse.register
def _(error: RedriveRuns) -> Refused:
    return Refused(409, str(error), headers={"Retry-After": "1"})


@refuse.register
def _(error: PublishError) -> Refused:
    return Refused(503, str(error))


@refuse.register
def _(error: PublishQueueFull) -> Refused:
    return Refused(503, str(error), headers={"Retry-After": "1"}, members={"may_be_stored": False})


@refuse.register
def _(error: RequestValidationError) -> Refused:
    return _refuse_fields(error.errors())


@refuse.register
def _(error: ValidationError) -> Refused:
    return _refuse_fields([{**detail, "loc": ("body", *detail["loc"])} for detail in error.errors()])


def _refuse_fields(details: Sequence[Any]) -> Refused:
    fields = list(_say_all(details[: MAX_ERRORS + 1]))
    more = len(details) - 1
    name, text = fields[0]
    detail = f"{name}: {text}" + (f" (and {more} more)" if more else "")
    return Refused(422, detail, fields=fields[:MAX_ERRORS])


def _say_all(details: Sequence[Any]) -> Iterator[tuple[str, str]]:
    for detail in details:
        place = [str(part) for part in detail["loc"]]
        name = ".".join(place[1:]) or place[0]  # the first says body, query or header
        yield name if len(name) <= 100 else name[:97] + "...", _say(name, detail)


def _say(name: str, detail: Mapping[str, Any]) -> str:
    kind = detail["type"]
    if kind == "extra_forbidden":
        if detail["loc"][0] != "body":
            return "is nothing that this request takes"
        near = difflib.get_close_matches(name[:100], list(NewTask.model_fields), n=1)
        return f"is no field of this body, did you mean {near[0]}?" if near else "is no field of this body"
    if kind in _WANTED:
        return f"must be {_WANTED[kind]}, not {_KINDS.get(type(detail['input']), 'null')}"
    if kind == "value_error":
        cause = detail["ctx"]["error"]
        return cause.reason if isinstance(cause, InvalidTask) else str(cause)
    if kind in _SAYINGS:
        return _SAYINGS[kind].format_map(detail.get("ctx", {})).replace("'", '"')
    return str(detail["msg"])
