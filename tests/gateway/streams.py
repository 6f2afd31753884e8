"""Reading server-sent events from the gateway behind a real socket."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tests.gateway.sockets import Client


@dataclass(frozen=True, kw_only=True)
class Event:
    """One event."""

    name: str
    data: dict[str, Any]
    id: str | None


class Reader:
    """One stream, over a connection of its own."""

    def __init__(self, port: int, path: str, **headers: str) -> None:
        self._client = Client(port)
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        self._client.send(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n".encode())
        self._buffer = ""
        self._is_open = False
        self.comments: list[str] = []
        self.head = self._client.read_head()

    def open(self) -> Reader:
        """Wait until the stream is open: from here on nothing is missed."""
        assert self.head.status == 200, self._client.read_rest()
        assert self.head.headers["content-type"] == "text/event-stream; charset=utf-8"
        while not self.comments:
            self._read_block()
        return self

    def next(self) -> Event | None:
        """The next event; None at the end of the stream."""
        while True:
            event = self._read_block()
            if event is None or event.name:
                return event

    def rest(self) -> list[Event]:
        """All events up to the end."""
        found = []
        while (event := self.next()) is not None:
            found.append(event)
        return found

    def read_body(self) -> bytes:
        """What an answer that is no stream says."""
        return self._client.read_rest()

    def close(self) -> None:
        """Leave."""
        self._client.close()

    def _read_block(self) -> Event | None:
        while "\n\n" not in self._buffer:
            piece = self._client.read_chunk()
            if not piece:
                assert not self._buffer, self._buffer
                return None
            self._buffer += piece.decode()
        block, _, self._buffer = self._buffer.partition("\n\n")
        fields: dict[str, str] = {}
        for line in block.split("\n"):
            name, _, value = line.partition(":")
            if name:
                fields[name] = value.removeprefix(" ")
            else:
                self.comments.append(value.strip())
        return Event(name=fields.get("event", ""), data=json.loads(fields.get("data", "{}")), id=fields.get("id"))
