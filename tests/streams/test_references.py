"""References in headers: read as they are written, whoever writes them."""

from __future__ import annotations

import pytest

from mabos.streams.references import Reference, read_references

NAMED = b'{"agent_id": "a", "task_id": "t"}'


def test_each_header_names_a_task() -> None:
    """Parent, replay and redrive; what stands beside the ids does not matter, other headers are passed over."""
    more = b'{"agent_id": "a", "task_id": "t2", "position": "mabos.tasks.requests:1:2"}'
    headers = [("traceparent", b"00"), ("mabos-parent", NAMED), ("mabos-replay-of", more), ("mabos-redrive-of", NAMED)]
    assert read_references(headers) == {
        "mabos-parent": Reference("t", "a"),
        "mabos-replay-of": Reference("t2", "a"),
        "mabos-redrive-of": Reference("t", "a"),
    }


@pytest.mark.parametrize(
    "data",
    [
        None,
        b"",
        b"{",
        b"[]",
        b"1",
        b'"task_id"',
        b'{"task_id": "t"}',
        b'{"agent_id": "", "task_id": "t"}',
        b'{"agent_id": 1, "task_id": "t"}',
        b'{"agent_id": "a\\u0000", "task_id": "t"}',
        b"\xff",
        b'{"agent_id": "a", "task_id": "t", "x": "' + b"x" * 5000 + b'"}',
    ],
)
def test_what_is_not_of_the_form_counts_as_absent(data: bytes | None) -> None:
    """Anybody can write headers."""
    assert read_references([("mabos-parent", data)]) == {}


def test_of_two_the_last_counts() -> None:
    """As everywhere."""
    assert read_references([("mabos-parent", b"{"), ("mabos-parent", NAMED)]) == {"mabos-parent": Reference("t", "a")}
