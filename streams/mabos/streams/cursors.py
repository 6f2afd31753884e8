"""Cursors: where a list goes on, as a text that callers hand back and do not read. Pure."""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Self

import orjson

from mabos.streams.errors import InvalidQuery
from mabos.streams.filters import check_storable

_VERSION = 1
_MAX_CHARS = 4096
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Cursor(NamedTuple):
    """A task's place in the order of lists: what comes after it is next."""

    requested_at: datetime
    """When it was requested; aware."""
    task_id: str
    """Its name."""
    agent_id: str
    """Its agent."""

    def __str__(self) -> str:
        """The text form, which :meth:`parse` reads: letters, digits, ``-`` and ``_``."""
        at_us = (self.requested_at - _EPOCH) // _MICROSECOND
        data = orjson.dumps([_VERSION, at_us, self.task_id, self.agent_id])
        return urlsafe_b64encode(data).rstrip(b"=").decode()

    @classmethod
    def parse(cls, text: str) -> Self:
        """The cursor that a text means.

        Raises:
            InvalidQuery: It is none that a list of this program gave.
        """
        refused = InvalidQuery("cursor", "is none that a list gave: leave it out to begin at the newest task")
        try:
            if len(text) > _MAX_CHARS or not text.isascii():
                raise refused
            data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
            version, *values = orjson.loads(data)
        except (binascii.Error, ValueError, TypeError):
            raise refused from None
        if version != _VERSION:
            if type(version) is int:
                raise InvalidQuery("cursor", f"is of version {version}, this program knows {_VERSION}: leave it out")
            raise refused
        if [type(value) for value in values] != [int, str, str]:
            raise refused
        at_us, task_id, agent_id = values
        check_storable("cursor", task_id)
        check_storable("cursor", agent_id)
        try:
            cursor = cls(_EPOCH + at_us * _MICROSECOND, task_id, agent_id)
        except OverflowError:
            raise refused from None
        if str(cursor) != text:  # what decodes in some other way as well, was not made here
            raise refused
        return cursor
