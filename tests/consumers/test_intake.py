"""Records in, jobs out; what is no task goes to the dead letters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import pytest
from confluent_kafka import Message

from mabos.consumers.errors import WorkerFailed
from mabos.consumers.intake import Intake
from mabos.consumers.jobs import Job
from mabos.consumers.outbox import Outbox
from mabos.kafka.position import Position
from mabos.schemas.codec import REQUEST, Codec
from mabos.schemas.errors import RegistryUnavailable
from tests.support.jobs import QUEUE, REQUESTS, FakePublisher, make_answers, make_job
from tests.support.registries import FakeRegistry

PLACE = Position(QUEUE.requests, 3, 17)


@dataclass
class Read:
    """A record as the reader gets it."""

    raw_key: bytes | None
    raw_value: bytes | None
    raw_headers: list[tuple[str, bytes | None]] | None = None

    def key(self) -> bytes | None:
        return self.raw_key

    def value(self) -> bytes | None:
        return self.raw_value

    def headers(self) -> list[tuple[str, bytes | None]] | None:
        return self.raw_headers


class Desk:
    """An intake, its registry and its publisher."""

    def __init__(self) -> None:
        self.publisher, self.registry = FakePublisher(hold=True), FakeRegistry()
        self.done: list[tuple[int, int]] = []
        self.failures: list[WorkerFailed] = []
        self.outbox = Outbox(self.publisher.as_publisher, on_failure=self.failures.append)
        codec = Codec(REQUEST, 1, self.registry.as_registry)
        self.intake = Intake(
            codec, make_answers(), self.outbox, on_done=lambda partition, offset: self.done.append((partition, offset))
        )

    def read(
        self, key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes | None]] | None = None
    ) -> Job | None:
        return self.intake.read(cast(Message, Read(key, value, headers)), PLACE)


def good() -> bytes:
    return REQUESTS.encode(make_job("agent").request)


def test_a_good_record_becomes_a_job() -> None:
    """With its place, its raw parts and its event."""
    desk = Desk()
    job = desk.read(b"agent", good(), [("traceparent", b"00"), ("empty", None)])
    assert job is not None
    assert (job.request.agent_id, job.partition, job.offset) == ("agent", 3, 17)
    assert (job.key, job.value, job.headers) == (b"agent", good(), (("traceparent", b"00"), ("empty", b"")))
    assert (job.misplaced, job.attempt) == ("", 0)
    assert desk.publisher.sent == []


@pytest.mark.parametrize("key", [None, b"", b"other", b"\xff\xfe"], ids=repr)
def test_a_record_under_a_foreign_key_is_marked(key: bytes | None) -> None:
    """It is decoded, so it can be answered; it must not run."""
    job = Desk().read(key, good())
    assert job is not None
    assert job.misplaced == f"the record key is {key!a}, not the agent_id"


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, b"empty"),
        (b"", b"empty"),
        (b"\x00", b"truncated"),
        (b"{}", b"bad_magic"),
        (b"\x00\x00\x00\x00\x63abc", b"unknown_schema"),
        (good()[:-1], b"truncated"),
        (good() + b"\x00", b"trailing_bytes"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_record_that_is_no_task_goes_to_the_dead_letters(value: bytes | None, code: bytes) -> None:
    """Raw, with the cause, and done only when the letter is stored."""
    desk = Desk()
    assert desk.read(b"agent", value, [("h", b"1")]) is None
    [letter] = desk.publisher.letters()
    assert (letter.key, letter.value, letter.partition) == (b"agent", value, 3)
    assert letter.headers is not None
    assert letter.headers[0] == ("h", b"1")
    assert dict(letter.headers)["mabos-error-code"] == code
    assert dict(letter.headers)["mabos-origin"] == f"{QUEUE.requests}:3:17".encode()
    assert desk.done == []
    desk.publisher.report()
    assert desk.done == [(3, 17)]


def test_an_unknown_schema_with_the_registry_away_is_no_dead_letter() -> None:
    """The record may be good: it must be read again."""
    desk = Desk()
    desk.registry.is_away = True
    with pytest.raises(RegistryUnavailable):
        desk.read(b"agent", b"\x00\x00\x00\x00\x63abc")
    assert desk.publisher.sent == []
