"""Which other tasks the headers of a request name: its parent, and the one that it does again. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from mabos.schemas.errors import InvalidTask
from mabos.schemas.fields import check_id
from mabos.schemas.jsontext import parse_json

PARENT, REPLAY_OF, REDRIVE_OF = "mabos-parent", "mabos-replay-of", "mabos-redrive-of"
NAMES = frozenset({PARENT, REPLAY_OF, REDRIVE_OF})
"""The headers that name a task: JSON objects with ``agent_id`` and ``task_id``, and maybe more."""

_MAX_BYTES = 4096  # two ids of 255 bytes, each of them escaped, and a position

HeadersRead = Sequence[tuple[str, bytes | None]]


class Reference(NamedTuple):
    """A task that another one names."""

    task_id: str
    agent_id: str


def read_references(headers: HeadersRead) -> dict[str, Reference]:
    """The tasks that headers name, by header; what is not of their form counts as absent, of two the last counts."""
    found = {}
    for name, data in dict(headers).items():
        if name in NAMES and data and len(data) <= _MAX_BYTES:
            reference = _read(name, data)
            if reference is not None:
                found[name] = reference
    return found


def _read(name: str, data: bytes) -> Reference | None:
    try:
        value = parse_json(name, data)
        reference = Reference(value["task_id"], value["agent_id"])
        for part in reference:
            check_id(name, part)
    except (InvalidTask, LookupError, TypeError):
        return None
    return reference
