"""``POST /api/tasks/batch``: many tasks in one request, an outcome for each."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request, Response
from starlette.types import Receive, Send
from starlette.types import Scope as Connection

from mabos.gateway.access import admit_item, needs
from mabos.gateway.bodies import BodyLimits, JsonRequest, parse_body, read_media_type
from mabos.gateway.errors import Refused
from mabos.gateway.idempotency import HEADER, Idempotency, read_key
from mabos.gateway.lines import Lines
from mabos.gateway.metrics import Metrics
from mabos.gateway.models import BatchItem, Problem
from mabos.gateway.principals import Principal, Scope
from mabos.gateway.producer import LazyProducer
from mabos.gateway.publishing import Publishing, as_object
from mabos.gateway.spool import Spool
from mabos.gateway.tasks import IdempotencyKey, trace_headers
from mabos.gateway.waiting import Waiting
from mabos.schemas.jsontext import parse_json

NDJSON = "application/x-ndjson"
MAX_ARRAY_BYTES = 4 * 1024 * 1024
MAX_ARRAY_ITEMS = 10_000
_NO_KEY = "is taken with an array only: give each line a task_id, and send it again as it is"
_TURN = 50  # how many items are published before other requests get their turn

_TASK = '{"task_id": "1", "agent_id": "agent_1", "payload": {"action": "test"}}'
_OUTCOME = '{"number":1,"task_id":"1","position":"mabos.tasks.requests:4:25"}'
_BODY = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "array",
                "items": {"$ref": "#/components/schemas/NewTask"},
                "maxItems": MAX_ARRAY_ITEMS,
            }
        },
        NDJSON: {
            "schema": {"type": "string", "description": "A task a line; as many as you like."},
            "example": f"{_TASK}\n",
        },
    },
}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "model": list[BatchItem],
        "description": "What became of each item, in their order: an array for an array, lines for lines.",
        "content": {NDJSON: {"schema": {"type": "string"}, "example": f"{_OUTCOME}\n"}},
    },
    400: {"model": Problem, "description": "The array is no JSON, or lines have an `Idempotency-Key`."},
    408: {"model": Problem, "description": "The array came too slowly."},
    409: {"model": Problem, "description": "The `Idempotency-Key` was sent with something else."},
    413: {"model": Problem, "description": "The array is too large: send NDJSON."},
    415: {"model": Problem, "description": f"The body is neither application/json nor {NDJSON}, in UTF-8."},
    422: {"model": Problem, "description": "The body is no array, or JSON that some parser would change."},
    500: {"model": Problem, "description": "Something unexpected."},
    503: {"model": Problem, "description": "The schema registry is away, or the gateway is busy: try again."},
}


def batch_routes(
    producer: LazyProducer, metrics: Metrics, waiting: Waiting, idempotency: Idempotency, limits: BodyLimits
) -> APIRouter:
    """``POST /api/tasks/batch``."""
    router = APIRouter(prefix="/api/tasks", tags=["tasks"])
    array_limits = BodyLimits(size_bytes=max(limits.size_bytes, MAX_ARRAY_BYTES), timeout_s=limits.timeout_s)

    @router.post(
        "/batch",
        response_model=None,
        responses=_ANSWERS,
        openapi_extra={"requestBody": _BODY},
        summary="Publish many tasks",
    )
    async def create_tasks(
        request: Request,
        idempotency_key: IdempotencyKey = None,
        traceparent: Annotated[str | None, Header(description="W3C trace context, handed on with each task.")] = None,
        caller: Principal = Depends(needs(Scope.TASKS_WRITE)),  # noqa: B008 - FastAPI's way
    ) -> Response:
        """Publish many tasks; tells of each what became of it.

        An item that is refused does not stop the others; its `problem` says why. Tasks of one agent are published in
        the order of the items. Lines are answered while they come: there may be any number of them.

        An array may have an `Idempotency-Key`: sent again, it is the same tasks, and only those that failed for a
        reason that may pass are published again. Lines may not: they are published before all of them are known, so
        give each a `task_id` instead, of which there is one outcome however often it is sent.
        """
        kind = read_media_type(request.headers, ("application/json", NDJSON))
        admit = partial(admit_item, request, caller)
        begin = partial(Publishing, await producer.get(), trace_headers(traceparent), request.scope, metrics, admit)
        if kind == NDJSON:
            if idempotency_key is not None:
                raise Refused(400, f"{HEADER}: {_NO_KEY}", fields=[(HEADER, _NO_KEY)])
            return _LinesAnswer(begin(), waiting, limits)
        items = _check_array(parse_body(await JsonRequest(request, array_limits).body(), "a JSON array", parse_json))
        if idempotency_key is None:
            return Response(await _publish_array(begin(), items), media_type="application/json")
        key = read_key(request.headers.getlist(HEADER))
        keyed = await idempotency.claim_batch(caller.name, key, items)
        publishing = begin(keyed=keyed)
        async with keyed.held():
            shown = await _publish_array(publishing, items)
            keyed.is_whole = publishing.is_whole
        headers = {"Idempotent-Replayed": "true"} if keyed.is_replayed else None
        return Response(shown, headers=headers, media_type="application/json")

    return router


def _check_array(value: object) -> list[object]:
    if not isinstance(value, list):
        raise Refused(422, "body: must be a JSON array of tasks", fields=[("body", "must be a JSON array of tasks")])
    if len(value) > MAX_ARRAY_ITEMS:
        raise Refused(413, f"the array has {len(value)} items, at most {MAX_ARRAY_ITEMS} are taken: send {NDJSON}")
    return value


async def _publish_array(publishing: Publishing, items: Iterable[object]) -> bytes:
    async def add_all() -> None:
        for number, item in enumerate(items, start=1):
            await publishing.add(number, partial(as_object, item))
            if number % _TURN == 0:
                await asyncio.sleep(0)
        publishing.finish()

    adding = asyncio.ensure_future(add_all())
    shown: list[bytes] = []
    try:
        while outcomes := await publishing.take():
            shown += outcomes
    finally:
        adding.cancel()
        publishing.tell()
    return b"[" + b",\n".join(shown) + b"]"


class _LinesAnswer(Response):
    """Reads lines, and answers them while they come."""

    media_type = NDJSON

    def __init__(self, publishing: Publishing, waiting: Waiting, limits: BodyLimits) -> None:
        super().__init__(status_code=200)
        del self.headers["content-length"]  # nobody knows it
        self._publishing, self._waiting, self._limits = publishing, waiting, limits
        self._spool = Spool()
        self._is_read = False

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:  # noqa: ARG002 - as ASGI has it
        """Publish, and answer."""
        working = [asyncio.ensure_future(self._read_all(receive)), asyncio.ensure_future(self._spool_all())]
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            while data := await self._spool.take():
                await send({"type": "http.response.body", "body": data, "more_body": True})
            await asyncio.gather(*working)  # they have ended, or one of them with an error
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            for work in working:
                work.cancel()
            self._spool.close()
            self._publishing.tell()

    async def _read_all(self, receive: Receive) -> None:
        lines = Lines(self._limits.size_bytes)
        try:
            try:
                while not self._is_read:
                    await self._publish(lines.feed(await self._receive(receive)))
            except Refused as refused:  # the status has been sent: the next line tells
                self._publishing.refuse(lines.number, refused)
            else:
                await self._publish(lines.finish())
        finally:
            self._publishing.finish()

    async def _publish(self, lines: Iterable[tuple[int, bytes | None]]) -> None:
        for number, line in lines:
            if line is None:
                too_long = f"the line is longer than {self._limits.size_bytes} bytes, which is the most it may be"
                self._publishing.refuse(number, Refused(413, too_long))
            else:
                await self._publishing.add(number, partial(_parse_line, line))
            if number % _TURN == 0:
                await asyncio.sleep(0)

    async def _receive(self, receive: Receive) -> bytes:
        """The next piece of the body."""
        await self._spool.wait_for_room()
        waits = [asyncio.ensure_future(receive()), asyncio.ensure_future(self._waiting.until_stopping())]
        try:
            await asyncio.wait(waits, timeout=self._limits.timeout_s, return_when=asyncio.FIRST_COMPLETED)
            if not waits[0].done():
                unread = "this line and those after it were not read"
                if waits[1].done():
                    raise Refused(503, f"the gateway is stopping: {unread}")
                raise Refused(408, f"nothing came for {self._limits.timeout_s:g} s: {unread}")
            message: Any = waits[0].result()
        finally:
            for wait in waits:
                wait.cancel()
        self._is_read = not message.get("more_body", False)  # or its sender left: what came whole is published
        piece: bytes = message.get("body", b"")
        return piece

    async def _spool_all(self) -> None:
        try:
            while outcomes := await self._publishing.take():
                self._spool.put(b"\n".join(outcomes) + b"\n")
        finally:
            self._spool.finish()


def _parse_line(line: bytes) -> object:
    return as_object(parse_json("body", line))
