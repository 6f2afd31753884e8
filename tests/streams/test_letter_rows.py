"""What a dead letter makes of a row: whatever it is, there is one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mabos.schemas.codec import REQUEST, Codec
from mabos.schemas.events import TaskRequest
from mabos.streams.letter_rows import Letter, LetterRow, name_cause, split_headers, to_row
from mabos.streams.places import Place


class NoSchemas:
    """A registry without a schema."""

    def schema_text(self, schema_id: int) -> str | None:
        return None


CODEC = Codec(REQUEST, 7, NoSchemas())
PLACE = Place("mabos.tasks.dead-letters", 3)
OWN = ("mabos-error-code", "mabos-error", "mabos-origin", "mabos-attempts", "mabos-task-id", "mabos-left-out")
VALUE = CODEC.encode(TaskRequest(task_id="t", agent_id="a", payload_json='{"action":"sum"}'))


def row_of(*headers: tuple[str, bytes | None], key: bytes | None = b"a", value: bytes | None = VALUE) -> LetterRow:
    return to_row(Letter(place=PLACE, offset=5, at_ms=9, key=key, value=value, headers=headers), CODEC.decode)


def test_a_letter_of_a_failed_task_tells_all_of_it() -> None:
    """The task, its agent and its kind; what failed, how often, and where it was asked."""
    row = row_of(
        ("mine", b"1"),
        ("mabos-error-code", b"handler_failed"),
        ("mabos-error", "no customer ü".encode()),
        ("mabos-origin", b"mabos.tasks.requests:3:17"),
        ("mabos-attempts", b"3"),
        ("mabos-task-id", b"t"),
    )
    assert (row.task_id, row.agent_id, row.action, row.attempts, row.is_whole) == ("t", "a", "sum", 3, True)
    assert (row.code, row.message, row.origin) == ("handler_failed", "no customer ü", "mabos.tasks.requests:3:17")


def test_what_was_not_decodable_has_no_task() -> None:
    """Its agent is its key, where that is an id and not what is wrong with it; its own headers do not pretend one."""
    pretended = ("mabos-task-id", b"forged")
    row = row_of(pretended, ("mabos-error-code", b"bad_magic"), key=b"billing-1", value=b"junk")
    assert (row.task_id, row.agent_id, row.action) == (None, "billing-1", None)
    assert row_of(("mabos-error-code", b"bad_key"), key=b"else").agent_id is None
    assert row_of(("mabos-error-code", b"bad_magic"), key=b"\xff\x00").agent_id is None


def test_headers_are_the_records_own_up_to_the_workers() -> None:
    """Also where the record has some of the worker's names."""
    theirs, ours = [("mabos-error", b"x"), ("a", None)], [("mabos-error-code", b"c"), ("mabos-error", b"y")]
    assert split_headers([*theirs, *ours]) == (theirs, ours)
    assert split_headers(theirs) == (theirs, [])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("customer 17 is gone", "customer 4 is gone"),
        ("no row 0x7f3a for 1.5 s", "no row 0xbeef for 20.25 s"),
        ("can't find 'A'", "can't find 'B'"),
        ('KeyError: "left"', 'KeyError: "right hand"'),
        ("task 0191f0c2-aaaa-7000-8000-000000000001 broke", "task dddddddd-aaaa-7000-8000-00000000000f broke"),
    ],
)
def test_causes_are_alike_but_for_numbers_ids_and_quoted_parts(one: str, other: str) -> None:
    """Code, action and all other words tell them apart."""
    assert name_cause("handler_failed", "sum", one) == name_cause("handler_failed", "sum", other)
    assert name_cause("handler_failed", "sum", one) != name_cause("handler_failed", "count", one)
    assert name_cause("handler_failed", "sum", one) != name_cause("bad_result", "sum", one)
    assert name_cause("handler_failed", "sum", f"{one} again") != name_cause("handler_failed", "sum", one)


@given(
    st.lists(st.tuples(st.one_of(st.sampled_from(OWN), st.text(max_size=9)), st.none() | st.binary(max_size=99))),
    st.none() | st.binary(max_size=300),
    st.none() | st.just(VALUE) | st.binary(max_size=60).map(lambda tail: VALUE[:9] + tail),
)
def test_anything_whatsoever_is_a_letter(
    headers: list[tuple[str, bytes | None]], key: bytes | None, value: bytes | None
) -> None:
    """Its texts are such as PostgreSQL takes, and no longer than their columns' promise."""
    row = row_of(*headers, key=key, value=value)
    for text in (row.code, row.message, row.agent_id, row.task_id, row.action, row.origin):
        assert text is None or "\x00" not in text
        assert text is None or len(text.encode()) <= 8000
    assert row.attempts is None or 0 <= row.attempts < 2**31
