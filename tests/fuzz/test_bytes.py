"""Hostile bytes: each is a valid event or a DecodeError, soon and in little memory, and never a wrong value."""

from __future__ import annotations

import gc
import random
import time
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mabos.schemas import (
    CONTROL,
    REQUEST,
    RESPONSE,
    Codec,
    DecodeError,
    Status,
    TaskControl,
    TaskError,
    TaskRequest,
    TaskResponse,
    Verb,
)
from mabos.schemas.codec import MAX_RECORD_BYTES
from tests.schemas.strategies import requests, responses

CODES = {
    *("empty", "too_large", "bad_magic", "unknown_schema", "foreign_schema", "refused_schema"),
    *("truncated", "trailing_bytes", "not_canonical", "bad_text", "bad_value"),
}
SCHEMAS = {1: REQUEST.schema_text, 2: RESPONSE.schema_text, 3: CONTROL.schema_text}


class Source:
    """The registry of a platform that has just been set up."""

    def schema_text(self, schema_id: int) -> str | None:
        """As the registry does."""
        return SCHEMAS.get(schema_id)


REQUESTS, RESPONSES, CONTROLS = Codec(REQUEST, 1, Source()), Codec(RESPONSE, 2, Source()), Codec(CONTROL, 3, Source())
HEAD = b"\0\0\0\0"
TYPE, TASK, AGENT = b"\x16TaskRequest", b"\x02t", b"\x02a"
IDS = b"\x18TaskResponse" + TASK + AGENT
PLAIN = REQUESTS.encode(TaskRequest(task_id="t", agent_id="a", payload_json="{}", deadline_ms=1_790_000_000_000))
FAILED = RESPONSES.encode(
    TaskResponse(
        task_id="t",
        agent_id="a",
        status=Status.FAILED,
        error=TaskError(code="oops", message="naïve ✓", retryable=True),
        attempt=300,
        started_at_ms=1_790_000_000_000,
    )
)
CANCEL = CONTROLS.encode(TaskControl(task_id="t", agent_id="a", verb=Verb.CANCEL, reason="asked twice"))


def judge(codec: Codec[Any], value: bytes | None) -> str:
    """Decode, hold the codec to its promise, and tell what became of it."""
    try:
        event = codec.decode(value)
    except DecodeError as error:
        refusal = error
    else:
        assert codec.encode(event) == value
        return "event"
    assert refusal.code in CODES
    assert refusal.reason
    assert len(str(refusal)) < 500
    return refusal.code


def is_quick(codec: Codec[Any], value: bytes | None) -> bool:
    """Whether a record takes at most 50 ms; a second try, for a collection of garbage may fall into the first."""
    for _ in range(2):
        start_s = time.process_time()
        judge(codec, value)
        if time.process_time() - start_s < 0.05:
            return True
    return False


REQUEST_ROWS: dict[str, tuple[bytes | None, str]] = {
    "tombstone": (None, "empty"),
    "no byte": (b"", "empty"),
    "1 byte": (b"\0", "truncated"),
    "2 bytes": (b"\0\0", "truncated"),
    "3 bytes": (b"\0\0\0", "truncated"),
    "4 bytes": (b"\0\0\0\0", "truncated"),
    "header only": (HEAD + b"\x01", "truncated"),
    "wrong magic": (b"\x01" + PLAIN[1:], "bad_magic"),
    "JSON": (b'{"task_id":"t"}', "bad_magic"),
    "container file": (b"Obj\x01" + PLAIN, "bad_magic"),
    "id 0": (HEAD + b"\0" + PLAIN[5:], "unknown_schema"),
    "id -1": (b"\0\xff\xff\xff\xff" + PLAIN[5:], "unknown_schema"),
    "id -2^31": (b"\0\x80\0\0\0" + PLAIN[5:], "unknown_schema"),
    "id 2^31-1": (b"\0\x7f\xff\xff\xff" + PLAIN[5:], "unknown_schema"),
    "id of nobody": (HEAD + b"\x07" + PLAIN[5:], "unknown_schema"),
    "id of the other subject": (FAILED, "foreign_schema"),
    "the other event under our id": (HEAD + b"\x01" + FAILED[5:], "bad_value"),
    "trailing byte": (PLAIN + b"\0", "trailing_bytes"),
    "trailing record": (PLAIN + PLAIN, "trailing_bytes"),
    "length -1": (HEAD + b"\x01\x01" + PLAIN[6:], "bad_value"),
    "length 2^62": (HEAD + b"\x01" + TYPE + b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01abc", "truncated"),
    "length 1 GiB": (HEAD + b"\x01" + TYPE + b"\x80\x80\x80\x80\x08abc", "truncated"),
    "20-byte number": (HEAD + b"\x01" + TYPE + b"\x80" * 20 + b"\x01", "bad_value"),
    "number of 65 bits": (HEAD + b"\x01" + TYPE + b"\x80" * 9 + b"\x02", "bad_value"),
    "overlong length": (HEAD + b"\x01" + TYPE + b"\x82\x00t" + AGENT + b"\x04{}\0", "not_canonical"),
    "overlong index": (HEAD + b"\x01" + TYPE + TASK + AGENT + b"\x04{}\x80\x00", "not_canonical"),
    "bad UTF-8": (HEAD + b"\x01" + TYPE + b"\x02\xff" + AGENT + b"\x04{}\0", "bad_text"),
    "overlong UTF-8": (HEAD + b"\x01" + TYPE + b"\x04\xc0\xaf" + AGENT + b"\x04{}\0", "bad_text"),
    "UTF-8 surrogate": (HEAD + b"\x01" + TYPE + b"\x06\xed\xa0\x80" + AGENT + b"\x04{}\0", "bad_text"),
    "union -1": (HEAD + b"\x01" + TYPE + TASK + AGENT + b"\x04{}\x01\x02", "bad_value"),
    "union -2": (HEAD + b"\x01" + TYPE + TASK + AGENT + b"\x04{}\x03", "bad_value"),
    "union 2": (HEAD + b"\x01" + TYPE + TASK + AGENT + b"\x04{}\x04", "bad_value"),
    "union 9": (HEAD + b"\x01" + TYPE + TASK + AGENT + b"\x04{}\x12", "bad_value"),
    "union 2^62": (HEAD + b"\x01" + TYPE + TASK + AGENT + b"\x04{}" + b"\x80" * 9 + b"\x01", "bad_value"),
    "negative deadline": (HEAD + b"\x01" + TYPE + TASK + AGENT + b"\x04{}\x02\x01", "bad_value"),
    "deadline -2^63": (HEAD + b"\x01" + TYPE + TASK + AGENT + b"\x04{}\x02" + b"\xff" * 9 + b"\x01", "bad_value"),
    "empty id": (HEAD + b"\x01" + TYPE + b"\0" + AGENT + b"\x04{}\0", "bad_value"),
    "NUL id": (HEAD + b"\x01" + TYPE + b"\x02\0" + AGENT + b"\x04{}\0", "bad_value"),
    "id of 256 bytes": (HEAD + b"\x01" + TYPE + b"\x80\x04" + b"x" * 256 + AGENT + b"\x04{}\0", "bad_value"),
    "another type": (HEAD + b"\x01\x02x" + TASK + AGENT + b"\x04{}\0", "bad_value"),
    "too large": (PLAIN + b"\0" * MAX_RECORD_BYTES, "too_large"),
    "plain": (PLAIN, "event"),
}

RESPONSE_ROWS = {
    "enum -1": (b"\x01\x04{}\0\x02\0", "bad_value"),
    "enum -2": (b"\x03\x04{}\0\x02\0", "bad_value"),
    "enum 7": (b"\x0e\x04{}\0\x02\0", "bad_value"),
    "enum 9": (b"\x12\x04{}\0\x02\0", "bad_value"),
    "boolean 2": (b"\x04\x04{}\x02\x02c\x02m\x02\x02\0", "not_canonical"),
    "boolean 255": (b"\x04\x04{}\x02\x02c\x02m\xff\x02\0", "not_canonical"),
    "attempt 2^31": (b"\x02\x04{}\0\x80\x80\x80\x80\x10\0", "bad_value"),
    "attempt 2^40": (b"\x02\x04{}\0\x80\x80\x80\x80\x80\x40\0", "bad_value"),
    "attempt -1": (b"\x02\x04{}\0\x01\0", "bad_value"),
    "plain": (b"\x02\x04{}\0\x02\0", "event"),
}


CONTROL_ROWS = {
    "verb -1": (b"\x01\0", "bad_value"),
    "verb 2": (b"\x04\0", "bad_value"),
    "reason of 1001 bytes": (b"\x02\xd2\x0f" + b"x" * 1001, "bad_value"),
    "cancel": (b"\x02\0", "event"),
}


@pytest.mark.parametrize(("value", "code"), REQUEST_ROWS.values(), ids=REQUEST_ROWS)
def test_hostile_requests(value: bytes | None, code: str) -> None:
    """Each kind of broken record is told by its code, in at most 50 ms."""
    assert judge(REQUESTS, value) == code
    assert is_quick(REQUESTS, value)


@pytest.mark.parametrize(("tail", "code"), RESPONSE_ROWS.values(), ids=RESPONSE_ROWS)
def test_hostile_responses(tail: bytes, code: str) -> None:
    """No index counts from the end, no boolean is 2, and no attempt needs more than 32 bits."""
    assert judge(RESPONSES, HEAD + b"\x02" + IDS + tail) == code


@pytest.mark.parametrize(("tail", "code"), CONTROL_ROWS.values(), ids=CONTROL_ROWS)
def test_hostile_controls(tail: bytes, code: str) -> None:
    """Only what says cancel is a cancel."""
    assert judge(CONTROLS, HEAD + b"\x03\x16TaskControl" + TASK + AGENT + tail) == code


@given(requests, responses)
@settings(max_examples=30)
def test_each_beginning_of_a_record_is_refused(request: TaskRequest, response: TaskResponse) -> None:
    """A record cut at any byte is no event."""
    for codec, value in ((REQUESTS, REQUESTS.encode(request)), (RESPONSES, RESPONSES.encode(response))):
        step = max(1, len(value) // 300)
        for size in [*range(0, len(value), step), len(value) - 1]:
            assert judge(codec, value[:size]) in {"empty", "truncated", "bad_text"}


@given(st.binary(max_size=200), st.sampled_from([b"", HEAD + b"\x01", HEAD + b"\x01" + TYPE, HEAD + b"\x02" + IDS]))
@settings(max_examples=500)
def test_random_bytes(data: bytes, start: bytes) -> None:
    """Nothing comes of random bytes but an event or a DecodeError."""
    judge(REQUESTS, start + data)
    judge(RESPONSES, start + data)


EDGES = [0, 1, 2, 3, 0x7F, 0x80, 0x81, 0xC0, 0xED, 0xFE, 0xFF]


def mutate(chance: random.Random, value: bytes) -> bytes:
    """One to four small changes, as a bad disk or a bad mind makes them."""
    data = bytearray(value)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(6):
            case 0:
                data[at : at + 1] = bytes([chance.choice(EDGES)])
            case 1:
                data[at:at] = bytes([chance.choice(EDGES)] * chance.choice([1, 2, 9, 20]))
            case 2:
                del data[at : at + chance.choice([1, 2, 8])]
            case 3 if at < len(data):
                data[at] ^= 1 << chance.randrange(8)
            case 4:
                data[at:at] = data[chance.randrange(len(data) + 1) :][:9]
            case _:
                data[at : at + 1] = chance.randbytes(1)
    return bytes(data)


def test_mutated_records_in_bulk() -> None:
    """Forty thousand broken records make an event or a DecodeError each, each soon, and leave no memory behind."""
    chance = random.Random(20)  # noqa: S311 - for repetition, not for secrets
    seen: dict[str, int] = {}
    tracemalloc.start()
    try:
        before_bytes = 0
        for number in range(40_000):
            if number == 10_000:
                before_bytes = tracemalloc.get_traced_memory()[0]
            codec, value = chance.choice([(REQUESTS, PLAIN), (RESPONSES, FAILED), (CONTROLS, CANCEL)])
            value = mutate(chance, value)
            code = judge(codec, value)
            assert number % 10 or is_quick(codec, value)
            seen[code] = seen.get(code, 0) + 1
        gc.collect()
        after_bytes, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert seen.keys() >= {"event", "truncated", "trailing_bytes", "not_canonical", "bad_text", "bad_value"}
    assert after_bytes - before_bytes < 100_000
    assert peak_bytes < 10_000_000
