"""Server-sent events: how a stream looks on the wire, and the answer that sends one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass

import orjson
from fastapi import Response
from starlette.types import Receive, Scope, Send

from mabos.gateway.channel import Channel, Reason
from mabos.gateway.observing import note
from mabos.kafka.position import Position
from mabos.schemas.errors import InvalidTask, MabosError
from mabos.schemas.events import TaskResponse
from mabos.schemas.fields import read_object, show_ms

MEDIA_TYPE = "text/event-stream"
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # no proxy keeps an event back
_OPENING = b": you hear of everything from here on\nretry: 2000\n\n"
_HEARTBEAT = b": still here\n\n"
_ONE_LINE = str.maketrans("\r\n", "  ")  # outside of strings, where JSON has no line breaks, they are only space

_DETAILS: Mapping[Reason, str] = {
    "slow_reader": "you read more slowly than events come: come back with the id of the last event that you had",
    "stopping": "the gateway is stopping: come back in a moment, or to another one",
    "feed_ended": "the gateway cannot read the responses now: come back in a moment",
    "log_unreadable": "the log cannot be read now: come back in a moment",
    "too_old": "this stream has lasted as long as one may: come back",
    "left": "you left",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamLimits:
    """How many streams there may be, and how long each lasts."""

    task_streams: int = 6000
    """Streams of one task each."""
    live_streams: int = 100
    """Streams of everything: each costs something for every response there is."""
    heartbeat_s: float = 15.0
    """How long a stream is silent at most: proxies close what looks dead."""
    max_age_s: float = 3600.0
    """How long a stream lasts."""


def show_response(response: TaskResponse, position: Position) -> bytes:
    """A response in its JSON shape, with its position in the log, in one line.

    The result's text goes out as it stands in the log: no number is changed on the way.
    """
    error = response.error
    shown = None if error is None else error.to_record()
    try:
        read_object("result", response.result_json)
        result = response.result_json.translate(_ONE_LINE)
    except InvalidTask as refused:  # a foreign agent's: what became of the task must be told all the same
        result, shown = "{}", shown or {"code": "invalid_result", "message": str(refused), "retryable": False}
    return orjson.dumps(
        {
            "type": "TaskResponse",
            "task_id": response.task_id,
            "agent_id": response.agent_id,
            "status": response.status.value,
            "result": orjson.Fragment(result),
            "error": shown,
            "attempt": response.attempt,
            "started_at": show_ms(response.started_at_ms),
            "position": str(position),
        }
    )


def show_event(response: TaskResponse, position: Position) -> bytes:
    """A response as an event: ``progress`` or ``outcome``, its id the position in the log."""
    name = b"outcome" if response.status.is_terminal else b"progress"
    return b"id: %s\nevent: %s\ndata: %s\n\n" % (str(position).encode(), name, show_response(response, position))


def show_end(reason: Reason) -> bytes:
    """The last event of a stream that ends before its time."""
    return b"event: end\ndata: %s\n\n" % orjson.dumps({"reason": reason, "detail": _DETAILS[reason]})


class EventStream(Response):
    """Sends what comes through a channel, until the channel ends or the client leaves.

    Args:
        channel: Where events come from.
        limits: How long it is silent at most, and how long it lasts.
        past: Events to send before those of the channel; may end the channel.
        on_close: Called once when it is over, however.
    """

    media_type = MEDIA_TYPE

    def __init__(
        self,
        channel: Channel,
        limits: StreamLimits,
        *,
        past: AsyncIterator[bytes] | None = None,
        on_close: Callable[[], None],
    ) -> None:
        super().__init__(status_code=200, headers=_HEADERS)
        del self.headers["content-length"]  # nobody knows it
        self._channel, self._limits, self._past, self._on_close = channel, limits, past, on_close

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it; how it ended stands in the request's log line."""
        loop = asyncio.get_running_loop()
        leaving = loop.create_task(_watch(receive, self._channel))
        age = loop.call_later(self._limits.max_age_s, self._channel.end, "too_old")
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await self._send_all(send)
            if self._channel.reason != "left":
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            age.cancel()
            leaving.cancel()
            note(scope, ended=self._channel.reason or "told")
            self._on_close()

    async def _send_all(self, send: Send) -> None:
        channel = self._channel

        async def write(data: bytes) -> None:
            await send({"type": "http.response.body", "body": data, "more_body": True})

        await write(_OPENING)
        if self._past is not None:
            try:
                async for events in self._past:
                    await write(events)
                    if channel.reason is not None:
                        break
            except MabosError:
                channel.end("log_unreadable")
        while events := await self._take():
            await write(events)
        if channel.reason is not None and channel.reason != "left":
            await write(show_end(channel.reason))

    async def _take(self) -> bytes:
        """The next bytes; empty at the end."""
        events = await self._channel.take(self._limits.heartbeat_s)
        return events if events or self._channel.is_done else _HEARTBEAT


async def _watch(receive: Receive, channel: Channel) -> None:
    """End the channel when the client leaves."""
    while (await receive())["type"] != "http.disconnect":
        pass
    channel.end("left")
