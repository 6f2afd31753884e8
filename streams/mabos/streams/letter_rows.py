"""What a dead letter makes of a row of the view, and which headers on it are whose. Pure.

A letter may be anything: nothing about it can be wrong. What cannot be told of it is None.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mabos.consumers.answers import LETTER_CODE, LETTER_HEADERS
from mabos.kafka.position import Position
from mabos.schemas.errors import DecodeError, InvalidTask
from mabos.schemas.events import TaskRequest
from mabos.schemas.fields import check_id
from mabos.streams.places import Place
from mabos.streams.task_rows import as_text, read_action

UNKNOWN_CODE = "unknown"
"""The code of a letter that names none."""

MAX_CODE_CHARS = 100
_MAX_MESSAGE_CHARS = 2000
_MAX_ORIGIN_CHARS = 300
_MAX_NUMBER = 2**31 - 1
_MAX_OFFSET = 2**63 - 1
_QUOTED = re.compile(r"\"[^\"]*\"|(?<!\w)'[^']*'(?!\w)|`[^`]*`")
_IDS = re.compile(
    r"\b0x[0-9a-fA-F]+|\b(?=[0-9a-fA-F-]{0,40}[0-9])[0-9a-fA-F]{6,}(?:-[0-9a-fA-F]+)*\b|[0-9]+(?:[.,:_-][0-9]+)*"
)

Headers = Sequence[tuple[str, bytes | None]]
Decode = Callable[[bytes | None], TaskRequest]


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A dead letter as it is read from the log."""

    place: Place
    offset: int
    at_ms: int
    """When it was appended, in ms since the epoch."""
    key: bytes | None
    value: bytes | None
    headers: Headers


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterRow:
    """A row of ``dead_letters``; its fields are the columns, times in ms since the epoch."""

    place: Place
    offset: int
    at_ms: int
    attempts: int | None
    is_whole: bool
    code: str
    message: str
    cause_id: str
    agent_id: str | None
    task_id: str | None
    action: str | None
    origin: str | None


def to_row(letter: Letter, decode: Decode) -> LetterRow:
    """The row of a letter.

    Args:
        letter: The letter.
        decode: Decodes a request; used only where the letter says that its worker could.

    Raises:
        RegistryUnavailable: From ``decode``: later it may be known.
    """
    own = dict(split_headers(letter.headers)[1])
    code = _read_text(own, LETTER_CODE, MAX_CODE_CHARS) or UNKNOWN_CODE
    message = _read_text(own, "mabos-error", _MAX_MESSAGE_CHARS) or ""
    task_id, agent_id, action = _read_id(own.get("mabos-task-id")), _read_id(letter.key), None
    if task_id is not None:
        try:
            request = decode(letter.value)
        except DecodeError:
            pass
        else:
            task_id, agent_id, action = request.task_id, request.agent_id, read_action(request.payload_json)
    elif code == "bad_key":
        agent_id = None  # the key is what is wrong with it
    return LetterRow(
        place=letter.place,
        offset=letter.offset,
        at_ms=letter.at_ms,
        attempts=_read_number(own.get("mabos-attempts")),
        is_whole="mabos-left-out" not in own,
        code=code,
        message=message,
        cause_id=name_cause(code, action, message),
        agent_id=None if agent_id is None else as_text(agent_id),
        task_id=None if task_id is None else as_text(task_id),
        action=action,
        origin=_read_origin(_read_text(own, "mabos-origin", _MAX_ORIGIN_CHARS)),
    )


def split_headers(headers: Headers) -> tuple[Headers, Headers]:
    """The headers that the record had, and those that its worker added, which stand last."""
    begin = max((n for n, (name, _) in enumerate(headers) if name == LETTER_CODE), default=len(headers))
    return headers[:begin], [header for header in headers[begin:] if header[0] in LETTER_HEADERS]


def find_origin(headers: Headers) -> Position | None:
    """Where the request of a letter stands; None where that is not told."""
    own = dict(split_headers(headers)[1])
    text = _read_origin(_read_text(own, "mabos-origin", _MAX_ORIGIN_CHARS))
    return None if text is None else Position.parse(text)


def name_cause(code: str, action: str | None, message: str) -> str:
    """The name of what letters of one cause have in common: 16 hex digits.

    Messages are alike when they differ in numbers, ids and quoted parts only.
    """
    alike = _IDS.sub("#", _QUOTED.sub('"…"', message))
    return hashlib.sha256("\x00".join((code, action or "", alike)).encode()).hexdigest()[:16]


def _read_text(own: dict[str, bytes | None], name: str, max_chars: int) -> str | None:
    data = own.get(name)
    return None if data is None else as_text(data[: 4 * max_chars].decode("utf-8", "replace")[:max_chars])


def _read_id(data: bytes | None) -> str | None:
    try:
        text = (data or b"").decode()
        check_id("id", text)
    except (UnicodeDecodeError, InvalidTask):
        return None
    return text


def _read_number(data: bytes | None) -> int | None:
    if data is None or not data.isdigit() or len(data) > 10:
        return None
    return min(int(data), _MAX_NUMBER)


def _read_origin(text: str | None) -> str | None:
    try:
        position = Position.parse(text or "")
    except ValueError:
        return None
    return str(position) if position.partition <= _MAX_NUMBER and position.offset <= _MAX_OFFSET else None
