"""The streams that are open: of one task each, or of everything. Lives on one event loop."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import partial

from mabos.consumers.errors import FeedStopped
from mabos.consumers.responses import Listener
from mabos.gateway.channel import Channel
from mabos.gateway.errors import Refused
from mabos.gateway.responses import Responses, Tail
from mabos.gateway.sse import EventStream, StreamLimits, show_event
from mabos.kafka.position import Position
from mabos.schemas.events import Status, TaskResponse

_SOON = {"Retry-After": "2"}
_READING = b": reading the log\n\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which responses a stream of everything shows; an empty set is no filter."""

    agent_ids: frozenset[str] = field(default_factory=frozenset)
    statuses: frozenset[Status] = field(default_factory=frozenset)
    may_reach: Callable[[str], bool] | None = None
    """Whether the reader may see an agent's; None if there is no agent that it may not."""

    def has(self, response: TaskResponse) -> bool:
        """Whether a response is among them."""
        return (
            (not self.agent_ids or response.agent_id in self.agent_ids)
            and (not self.statuses or response.status in self.statuses)
            and (self.may_reach is None or self.may_reach(response.agent_id))
        )


class Streams:
    """Opens streams, and ends them all when the gateway stops.

    Args:
        responses: The gateway's tail.
        limits: How many there may be.
    """

    def __init__(self, responses: Responses, limits: StreamLimits) -> None:
        self._responses, self.limits = responses, limits
        self._of_tasks: set[Channel] = set()
        self._live: dict[Channel, Wanted] = {}
        self._listened: Tail | None = None
        self._listener: Listener | None = None
        self._is_stopping = False

    @property
    def task_streams(self) -> int:
        """How many streams of one task are open."""
        return len(self._of_tasks)

    @property
    def live_streams(self) -> int:
        """How many streams of everything are open."""
        return len(self._live)

    def end_all(self) -> None:
        """The gateway stops: tell each reader, and open no more."""
        self._is_stopping = True
        for channel in (*self._of_tasks, *self._live):
            channel.end("stopping")

    async def open_task(self, agent_id: str, task_id: str, since: Position | None) -> EventStream | None:
        """A stream of the responses of one task, up to its outcome.

        Args:
            agent_id: The task's agent.
            task_id: The task.
            since: That of its request, for all of them; that of a response, for those after it; None for those to come.

        Returns:
            The stream; None if the outcome is the response that was had already.

        Raises:
            Refused: There are too many streams.
            InvalidTask: An id is refused, or the position is none of this task's.
            BeyondRetention: The log does not go back to the position.
            MabosError: The responses cannot be read now.
        """
        self._check_room(self.task_streams, self.limits.task_streams)
        tail = await self._responses.get()
        stream = _TaskStream(self._responses, tail, agent_id, task_id)
        try:
            if since is not None and await stream.begin(since):
                stream.close()
                return None
            if self._is_stopping:
                stream.channel.end("stopping")
        except BaseException:
            stream.close()
            raise
        self._of_tasks.add(stream.channel)
        return EventStream(
            stream.channel,
            self.limits,
            past=stream.past() if since is not None else None,
            on_close=partial(self._close_task, stream),
        )

    async def open_live(self, wanted: Wanted) -> EventStream:
        """A stream of every response there is from now on, or of those wanted.

        Raises:
            Refused: There are too many streams.
            MabosError: The responses cannot be read now.
        """
        self._check_room(self.live_streams, self.limits.live_streams)
        tail = await self._responses.get()
        channel = Channel()
        self._live[channel] = wanted
        if self._listened is not tail:
            self._listened, bridge = tail, self._responses.bridge
            self._listener = partial(bridge.carry, self._show)
            tail.feed.listen(self._listener, lambda _: bridge.call(self._end_live))
        if self._is_stopping:
            channel.end("stopping")
        return EventStream(channel, self.limits, on_close=partial(self._close_live, channel))

    def _check_room(self, count: int, limit: int) -> None:
        if count >= limit:
            raise Refused(503, f"{count} streams are open, which is all there may be: try again", headers=_SOON)

    def _show(self, response: TaskResponse, position: Position) -> None:
        event: bytes | None = None
        for channel, wanted in self._live.items():
            if wanted.has(response):
                event = event or show_event(response, position)  # once for all who want it
                channel.put(event)

    def _end_live(self) -> None:
        self._listened = None
        for channel in self._live:
            channel.end("feed_ended")

    def _close_task(self, stream: _TaskStream) -> None:
        self._of_tasks.discard(stream.channel)
        stream.close()

    def _close_live(self, channel: Channel) -> None:
        self._live.pop(channel, None)
        if not self._live and self._listened is not None and self._listener is not None:
            self._listened.feed.unlisten(self._listener)  # others' responses are not even decoded then
            self._listened = None


class _TaskStream:
    """One stream of one task: what stands in the log already, then what comes, nothing twice."""

    def __init__(self, responses: Responses, tail: Tail, agent_id: str, task_id: str) -> None:
        self.channel = Channel()
        self._responses, self._tail, self._agent_id, self._task_id = responses, tail, agent_id, task_id
        self._begin: Position | None = None
        self._end = 0
        self._had: Position | None = None
        self._first: list[tuple[TaskResponse, Position]] = []
        bridge = responses.bridge
        self._follower = tail.feed.follow(agent_id, task_id, partial(bridge.carry, self._take), self._stop(bridge.call))

    def _stop(self, call: Callable[[Callable[[], None]], None]) -> Callable[[FeedStopped], None]:
        return lambda _: call(partial(self.channel.end, "feed_ended"))

    async def begin(self, since: Position) -> bool:
        """Find where the past begins; True if the response at that position is the outcome, so that nothing follows."""
        topic = self._tail.feed.topic
        # what comes from here on comes through the channel: the past ends here
        self._end = self._tail.feed.reached.get(since.partition, 0)
        if since.topic == topic:
            self._had = since
            self._end = max(self._end, since.offset + 1)  # the gateway that told of it may have been faster than this
        begin = await self._responses.recall(lambda: self._tail.recall.find_begin(since, self._agent_id))
        self._begin = Position(topic, since.partition, begin)
        await self._read()
        return any(position == self._had and response.status.is_terminal for response, position in self._first)

    async def past(self) -> AsyncIterator[bytes]:
        """What stands in the log already; ends the channel after the outcome."""
        while True:
            for response, position in self._first:
                if position != self._had:
                    yield show_event(response, position)
                    if response.status.is_terminal:
                        self.channel.drop()
                        return
            if self._begin is None or self.channel.reason is not None:
                return
            yield _READING
            await self._read()

    async def _read(self) -> None:
        """The next stretch of the past; nothing is left once ``_begin`` is None."""
        begin = self._begin
        assert begin is not None  # noqa: S101 - callers look
        past = await self._responses.recall(
            lambda: self._tail.recall.read(self._agent_id, self._task_id, begin, self._end)
        )
        self._first = past.responses
        self._begin = None if past.next_offset >= self._end else begin._replace(offset=past.next_offset)

    def _take(self, response: TaskResponse, position: Position) -> None:
        """A response has come."""
        if position.offset < self._end:
            return  # it is read from the log
        self.channel.put(show_event(response, position))
        if response.status.is_terminal:
            self.channel.finish()

    def close(self) -> None:
        """Nobody reads any more."""
        self.channel.end("left")
        self._tail.feed.forget(self._follower)
