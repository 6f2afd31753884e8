"""Streams of responses: nothing is missed or told twice, and a slow or vanished reader harms nobody."""

from __future__ import annotations

import itertools
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest

from mabos.consumers import BeyondRetention
from mabos.gateway import channel as channel_module
from mabos.gateway.connections import ConnectionLimits
from mabos.gateway.sse import StreamLimits
from mabos.kafka.errors import BrokerUnavailable
from mabos.kafka.position import Position
from mabos.schemas.events import Status
from tests.gateway.fakes import TOPIC, Door
from tests.gateway.shape import fields_of, read_problem
from tests.gateway.sockets import serve
from tests.gateway.streams import Reader
from tests.support.waiting import eventually

PATH = "/api/tasks/t/events?agent_id=a"
ASKED = "&position=mabos.tasks.requests:7:0"
PROGRESS = Status.IN_PROGRESS

Follow = Callable[..., Reader]


@pytest.fixture
def follow() -> Iterator[Follow]:
    """Opens streams, and closes them at the end."""
    with ExitStack() as stack:
        yield lambda port, path, **headers: stack.enter_context(closing(Reader(port, path, **headers)))


def test_a_task_is_followed_up_to_its_outcome(follow: Follow) -> None:
    """Progress, then the outcome, each under its position; then the stream ends, and nobody follows any more."""
    door = Door()
    with serve(door.app) as served:
        reader = follow(served.port, PATH).open()
        assert door.app.streams.task_streams == 1
        first = door.log.respond(status=PROGRESS, result_json='{"part": 1}')
        door.log.respond("other")
        door.log.respond("t", "b")
        last = door.log.respond(result_json='{"n": 1}')
        door.log.respond(status=Status.FAILED)
        events = reader.rest()
        assert [(event.name, event.id) for event in events] == [("progress", first), ("outcome", last)]
        assert [event.data["result"] for event in events] == [{"part": 1}, {"n": 1}]
        assert [event.data["position"] for event in events] == [first, last]
        eventually(lambda: door.app.streams.task_streams == 0)
        assert door.log.feed._waiters == {}


def test_who_comes_late_misses_nothing(follow: Follow) -> None:
    """With the position of the task, all that was told before is read from the log."""
    door = Door()
    positions = [door.log.respond(status=PROGRESS), door.log.respond()]
    with serve(door.app) as served:
        assert [event.id for event in follow(served.port, PATH + ASKED).open().rest()] == positions


@pytest.mark.parametrize("stretch", [1, 3, 1000])
def test_the_log_and_the_tail_meet(follow: Follow, stretch: int) -> None:
    """What comes while the log is read is told once, after it, wherever the two meet."""
    door = Door()
    door.log.stretch = stretch
    before = [door.log.respond(status=PROGRESS) for _ in range(5)]
    during: list[str] = []
    door.log.reading = lambda: during.append(door.log.respond(status=PROGRESS)) if len(during) < 4 else None
    with serve(door.app) as served:
        reader = follow(served.port, PATH + ASKED).open()
        seen = [reader.next() for _ in range(5)]
        after = [door.log.respond(status=PROGRESS), door.log.respond()]
        ids = [event.id for event in seen if event is not None] + [event.id for event in reader.rest()]
    assert ids == [*before, *during, *after]


def test_a_reader_comes_back_where_it_was(follow: Follow) -> None:
    """Last-Event-ID wins over the position in the path, and what was had is not told again."""
    door = Door()
    positions = [door.log.respond(status=PROGRESS) for _ in range(3)]
    with serve(door.app) as served:
        reader = follow(served.port, PATH + ASKED, Last_Event_ID=positions[1]).open()
        last = door.log.respond()
        assert [event.id for event in reader.rest()] == [positions[2], last]


def test_a_reader_that_had_the_outcome_is_told_to_stay_away(follow: Follow) -> None:
    """204, which is what keeps a browser from coming back for ever."""
    door = Door()
    last = door.log.respond()
    with serve(door.app) as served:
        assert follow(served.port, PATH, Last_Event_ID=last).head.status == 204
    assert door.log.feed._waiters == {}


def test_a_gateway_that_is_behind_tells_nothing_twice(follow: Follow) -> None:
    """An event had from another gateway, which this one has not read yet, is not told again."""
    door = Door()
    had = door.log.store(status=PROGRESS)
    with serve(door.app) as served:
        reader = follow(served.port, PATH, Last_Event_ID=had).open()
        last = door.log.respond()
        assert [event.id for event in reader.rest()] == [last]


def test_of_two_outcomes_in_the_log_the_first_is_told(follow: Follow) -> None:
    """A later one is superseded, also one that the tail brings while the log is read."""
    door = Door()
    first = door.log.respond()
    door.log.reading = lambda: door.log.tell() if door.log.respond(status=Status.FAILED) else None
    with serve(door.app) as served:
        assert [event.id for event in follow(served.port, PATH + ASKED).open().rest()] == [first]


@pytest.mark.parametrize(
    ("path", "headers", "field"),
    [
        ("/api/tasks/t/events", {}, "agent_id"),
        ("/api/tasks/t/events?agent_id=", {}, "agent_id"),
        ("/api/tasks/t/events?agent_id=%00", {}, "agent_id"),
        ("/api/tasks/%7F/events?agent_id=a", {}, "task_id"),
        ("/api/tasks/" + "x" * 256 + "/events?agent_id=a", {}, "task_id"),
        (PATH + "&position=7", {}, "position"),
        (PATH + "&position=a:1:-1", {}, "position"),
        (PATH + "&position=a:1:" + "9" * 30, {}, "position"),
        (PATH + "&position=a:" + "9" * 30 + ":1", {}, "position"),
        (PATH + "&position=mabos.tasks.requests:1:1", {}, "position"),
        (PATH + "&position=" + "x" * 300, {}, "position"),
        (PATH, {"last-event-id": "x"}, "Last-Event-ID"),
        (PATH, {"last-event-id": "mabos.tasks.requests:1:1"}, "Last-Event-ID"),
        ("/api/events?agent_id=%00", {}, "agent_id"),
        ("/api/events?status=done", {}, "status.0"),
        ("/api/events?" + "&".join(["agent_id=a"] * 51), {}, "agent_id"),
    ],
)
def test_a_parameter_that_cannot_be_is_named(path: str, headers: dict[str, str], field: str) -> None:
    """422, before the stream begins."""
    door = Door()
    assert fields_of(read_problem(door.ask("GET", path, headers=headers), 422)) == [field]
    assert door.log.feed._waiters == {}


def test_a_position_beyond_retention_is_gone() -> None:
    """410, with what there still is."""
    door = Door()
    door.log.error = BeyondRetention(Position(TOPIC, 7, 3), 10)
    problem = read_problem(door.ask("GET", PATH + ASKED), 410)
    assert "begins at offset 10" in problem["detail"]


def test_without_kafka_a_stream_is_refused() -> None:
    """503 with a time to come back, whether the tail or the log cannot be read."""
    door = Door()
    door.log.error = BrokerUnavailable("no Kafka answers")
    read_problem(door.ask("GET", PATH + ASKED), 503)
    door.log.tail_error = BrokerUnavailable("no Kafka answers")
    for path in (PATH, "/api/events"):
        answer = Door(log=door.log).ask("GET", path)
        read_problem(answer, 503)
        assert answer.headers["retry-after"] == "2"
    assert door.log.feed._waiters == {}


def test_a_log_that_cannot_be_read_any_more_ends_the_stream_with_a_reason(follow: Follow) -> None:
    """The reader comes back with the id of what it had."""
    door = Door()
    door.log.stretch = 1
    positions = [door.log.respond(status=PROGRESS) for _ in range(3)]
    readings = itertools.count()

    def fail() -> None:
        if next(readings) == 2:
            door.log.error = BrokerUnavailable("gone")

    door.log.reading = fail
    with serve(door.app) as served:
        *events, end = follow(served.port, PATH + ASKED).open().rest()
    assert [event.id for event in events] == positions[:2]
    assert (end.name, end.data["reason"]) == ("end", "log_unreadable")


def test_everything_can_be_followed_or_some_of_it(follow: Follow) -> None:
    """By agent, by status, by both; each reader hears what it asked for."""
    door = Door()
    with serve(door.app) as served:
        readers = [
            follow(served.port, f"/api/events{query}").open()
            for query in ("", "?agent_id=a&agent_id=c", "?status=failed", "?agent_id=a&status=failed")
        ]
        assert door.app.streams.live_streams == 4
        for agent_id, status in itertools.product("abc", (PROGRESS, Status.FAILED)):
            door.log.respond("t", agent_id, status)
        counts = [6, 4, 3, 1]
        heard: list[list[Any]] = [
            [reader.next() for _ in range(count)] for reader, count in zip(readers, counts, strict=True)
        ]
        assert [event.data["agent_id"] for event in heard[0]] == ["a", "a", "b", "b", "c", "c"]
        assert [(event.data["agent_id"], event.data["status"]) for event in heard[3]] == [("a", "failed")]
        for reader in readers:
            reader.close()
        eventually(lambda: door.app.streams.live_streams == 0)
        assert door.log.feed._listeners == []


def test_a_reader_that_leaves_costs_nothing(follow: Follow) -> None:
    """It is forgotten at once, not at the next heartbeat."""
    door = Door()
    with serve(door.app) as served:
        readers = [follow(served.port, path).open() for path in (PATH, "/api/events", PATH + ASKED)]
        assert (door.app.streams.task_streams, door.app.streams.live_streams) == (2, 1)
        for reader in readers:
            reader.close()
        eventually(lambda: door.app.streams.task_streams + door.app.streams.live_streams == 0)
        assert (door.log.feed._waiters, door.log.feed._listeners) == ({}, [])


def test_a_silent_stream_is_kept_alive_and_ends_one_day(follow: Follow) -> None:
    """Comments come while nothing happens; after its time it is asked to come back."""
    door = Door(streams=StreamLimits(heartbeat_s=0.01, max_age_s=0.5))
    with serve(door.app) as served:
        for path in (PATH, "/api/events"):
            reader = follow(served.port, path).open()
            (end,) = reader.rest()
            assert (end.name, end.data["reason"]) == ("end", "too_old")
            assert reader.comments.count("still here") > 5


def test_a_stop_ends_streams_with_a_reason(follow: Follow) -> None:
    """Each gets a last event that says so, and the stop does not wait for more."""
    door = Door()
    with serve(door.app) as served:
        readers = [follow(served.port, path).open() for path in (PATH, "/api/events")]
        stopping = threading.Thread(target=served.stop)
        stopping.start()
        for reader in readers:
            (end,) = reader.rest()
            assert (end.name, end.data["reason"]) == ("end", "stopping")
        stopping.join()
    assert door.log.stops == 1


def test_a_feed_that_ends_is_told_and_made_anew(follow: Follow) -> None:
    """Readers are asked to come back; who comes back has a new feed."""
    door = Door()
    with serve(door.app) as served:
        readers = [follow(served.port, path).open() for path in (PATH, "/api/events")]
        broken, door.log.feed = door.log.feed, Door().log.feed
        broken._end(RuntimeError("broke"))
        for reader in readers:
            (end,) = reader.rest()
            assert end.data["reason"] == "feed_ended"
        again = follow(served.port, PATH).open()
        last = door.log.respond()
        assert [event.id for event in again.rest()] == [last]


def test_there_are_only_so_many_streams(follow: Follow) -> None:
    """One too many is refused, and the place of one that left is free again."""
    door = Door(streams=StreamLimits(task_streams=1, live_streams=1))
    with serve(door.app) as served:
        for path in (PATH, "/api/events"):
            first = follow(served.port, path).open()
            assert follow(served.port, path).head.status == 503
            first.close()
            eventually(lambda: door.app.streams.task_streams + door.app.streams.live_streams == 0)
            follow(served.port, path).open().close()


def test_a_slow_reader_is_dropped_and_slows_nobody(follow: Follow, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for it is bounded: it is told why, while another reader gets everything."""
    monkeypatch.setattr(channel_module, "MAX_EVENTS", 20)
    door = Door()
    with serve(door.app) as served:
        slow, quick = (follow(served.port, "/api/events").open() for _ in range(2))
        for number in range(200):
            door.log.respond(str(number), "a", result_json='{"x": "%s"}' % ("x" * 100_000))
            event = quick.next()
            assert event is not None
            assert event.data["task_id"] == str(number)
        *had, end = slow.rest()
        assert 0 < len(had) < 200
        assert (end.name, end.data["reason"]) == ("end", "slow_reader")
        assert [event.data["task_id"] for event in had] == [str(number) for number in range(len(had))]


def test_a_reader_that_takes_nothing_is_cut_off(follow: Follow, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its connection is closed after a while, whatever is still to be sent."""
    monkeypatch.setattr(channel_module, "MAX_EVENTS", 50)
    door = Door()
    with serve(door.app, ConnectionLimits(write_timeout_s=0.2)) as served:
        slow = follow(served.port, "/api/events").open()
        slow._client._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        number = itertools.count()

        def is_gone() -> bool:
            door.log.respond(str(next(number)), "a", result_json='{"x": "%s"}' % ("x" * 100_000))
            return door.app.streams.live_streams == 0

        eventually(is_gone, every_s=0.01)
