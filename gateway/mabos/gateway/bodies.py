"""The body guard: a JSON body is read within a size and a time, and strictly, before anything else looks at it.

FastAPI and uvicorn bound neither size nor time, and Python's JSON parser takes ``NaN``, keys that stand twice and lone
surrogates, which become a crash when they are echoed, or another value on the way.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from email.message import Message
from typing import Any, TypeVar

from fastapi import Request, Response
from fastapi.routing import APIRoute

from mabos.gateway.errors import Refused
from mabos.schemas.errors import InvalidTask
from mabos.schemas.jsontext import parse_object

_CLOSE = {"Connection": "close"}  # what is left of the body would be read as the next request
_UTF_8 = ("utf-8", "utf8")
_MAX_DIGITS = 18  # of a Content-Length; Python refuses to read thousands of digits

T = TypeVar("T")
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyLimits:
    """How large a body may be, and how slow."""

    size_bytes: int
    """The most bytes it may have."""
    timeout_s: float = 15.0
    """By when all of it must be here."""


class JsonRequest(Request):
    """A request whose body is a JSON object, read under limits."""

    def __init__(self, request: Request, limits: BodyLimits) -> None:
        super().__init__(request.scope, request.receive)
        self._limits = limits
        self._read: bytes | None = None
        self._parsed: dict[str, Any] | None = None

    async def body(self) -> bytes:
        """The body.

        Raises:
            Refused: It is too large (413), too slow (408), or its sender left (400).
        """
        if self._read is None:
            _check_length(self.headers.get("content-length"), self._limits.size_bytes)
            self._read = await self._receive_body()
        return self._read

    async def json(self) -> dict[str, Any]:
        """The object that the body holds.

        Raises:
            Refused: It is not sent as JSON in UTF-8 (415), or is no JSON (400), or as :meth:`body`.
            InvalidTask: It is JSON that some parser on the way would change, or no object.
        """
        if self._parsed is None:
            read_media_type(self.headers)
            self._parsed = parse_body(await self.body(), "a JSON object", parse_object)
        return self._parsed

    async def _receive_body(self) -> bytes:
        limits, body = self._limits, bytearray()
        try:
            async with asyncio.timeout(limits.timeout_s):
                more = True
                while more:
                    message = await self.receive()
                    if message["type"] == "http.disconnect":
                        raise Refused(400, "the connection closed before the end of the body", headers=_CLOSE)
                    body += message.get("body", b"")
                    more = message.get("more_body", False)
                    if len(body) > limits.size_bytes:
                        raise _too_large(limits.size_bytes)
        except TimeoutError:
            raise Refused(
                408, f"the body was not here after {limits.timeout_s:g} s: send it faster, or less", headers=_CLOSE
            ) from None
        return bytes(body)


def json_route(limits: BodyLimits) -> type[APIRoute]:
    """The kind of route whose requests, where they have a body, are :class:`JsonRequest`."""

    class JsonRoute(APIRoute):
        def get_route_handler(self) -> Handler:
            handle = super().get_route_handler()
            if self.body_field is None:
                return handle

            async def read_first(request: Request) -> Response:
                guarded = JsonRequest(request, limits)
                await guarded.json()  # here, since FastAPI would make a 400 of whatever goes wrong
                return await handle(guarded)

            return read_first

    return JsonRoute


def _check_length(declared: str | None, size_bytes: int) -> None:
    if declared is None:
        return
    if not (declared.isascii() and declared.isdecimal()):
        raise Refused(400, "Content-Length is not a number of bytes", headers=_CLOSE)
    if len(declared) > _MAX_DIGITS or int(declared) > size_bytes:
        raise _too_large(size_bytes)


def read_media_type(headers: Mapping[str, str], taken: Sequence[str] = ("application/json",)) -> str:
    """Which of the media types that are taken a body is sent as.

    Raises:
        Refused: It is sent as another, or encoded, or in another charset than UTF-8 (415).
    """
    if headers.get("content-encoding", "").strip().lower() not in ("", "identity"):
        raise Refused(415, "Content-Encoding is not taken: send the JSON as it is")
    header = Message()
    header["content-type"] = headers.get("content-type", "")
    kind = header.get_content_type()
    if kind not in taken:
        raise Refused(
            415,
            f"the body must be sent with Content-Type: {' or '.join(taken)}",
            headers={"Accept-Post": ", ".join(taken)},
        )
    if header.get_content_charset("utf-8") not in _UTF_8:
        raise Refused(415, "the charset must be utf-8, which is what JSON is written in")
    return kind


def parse_body(body: bytes, wanted: str, parse: Callable[[str, bytes], T]) -> T:
    """The JSON value that a body holds.

    Args:
        body: The body.
        wanted: What it should hold, for people, such as ``a JSON object``.
        parse: Reads it, given the name ``body``.

    Raises:
        Refused: It is no JSON (400).
        InvalidTask: It is JSON that some parser on the way would change.
    """
    if not body.strip():
        raise Refused(400, f"body: is empty: send {wanted}", fields=[("body", f"is empty: send {wanted}")])
    try:
        return parse("body", body)
    except InvalidTask as error:
        if isinstance(error.__cause__, json.JSONDecodeError | UnicodeDecodeError):  # no JSON at all
            raise Refused(400, str(error), fields=[(error.field, error.reason)]) from error
        raise


def _too_large(size_bytes: int) -> Refused:
    return Refused(
        413, f"the body is larger than {size_bytes} bytes, which is the most this path takes", headers=_CLOSE
    )
