"""A schema registry in memory that speaks the Confluent routes we use over real HTTP, and misbehaves on request."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

Answer = tuple[int, Any]
NOT_FOUND: dict[str, Answer] = {
    "subject": (404, {"error_code": 40401, "message": "Subject not found."}),
    "version": (404, {"error_code": 40402, "message": "Version not found."}),
    "schema": (404, {"error_code": 40403, "message": "Schema not found."}),
}


class FakeRegistry:
    """What it holds, what it was asked, and how it behaves.

    Attributes:
        url: Base of the Confluent API.
        calls: Method and path of each call, oldest first.
        odd_answer: Status and body to give to every question instead of an answer; text is sent as a page.
        refuses: Whether it takes no schema, for reasons of its own.
        is_hanging: Whether it takes questions and says nothing.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.calls: list[str] = []
        self.odd_answer: Answer | None = None
        self.refuses: Answer | None = None
        self.is_hanging = False
        self.texts: dict[int, str] = {}
        self.subjects: dict[str, list[int]] = {}
        self.levels: dict[str, str] = {}
        self.may_end = threading.Event()

    def answer(self, call: str, body: Any) -> Answer:
        """Status and body for one call."""
        self.calls.append(call)
        if self.is_hanging:
            self.may_end.wait(30)
        if self.odd_answer is not None:
            return self.odd_answer
        routes = {
            r"GET /subjects": self._list_subjects,
            r"GET /schemas/ids/(-?\d+)": self._get_schema,
            r"GET /schemas/ids/(-?\d+)/versions": self._find_versions,
            r"GET /subjects/([^/]+)/versions": self._list_versions,
            r"GET /subjects/([^/]+)/versions/(\d+)": self._get_version,
            r"POST /subjects/([^/]+)": self._look_up,
            r"POST /subjects/([^/]+)/versions": self._register,
            r"PUT /config/([^/]+)": self._set_level,
        }
        for pattern, route in routes.items():
            match = re.fullmatch(pattern, call)
            if match:
                return route(body, *map(unquote, match.groups()))
        return 404, "<html>no such page</html>"

    def _list_subjects(self, _body: Any) -> Answer:
        return 200, list(self.subjects)

    def _get_schema(self, _body: Any, schema_id: str) -> Answer:
        text = self.texts.get(int(schema_id))
        return NOT_FOUND["schema"] if text is None else (200, {"schema": text})

    def _find_versions(self, _body: Any, schema_id: str) -> Answer:
        if int(schema_id) not in self.texts:
            return NOT_FOUND["schema"]
        found = [(name, ids.index(int(schema_id)) + 1) for name, ids in self.subjects.items() if int(schema_id) in ids]
        return 200, [{"subject": name, "version": version} for name, version in found]

    def _list_versions(self, _body: Any, subject: str) -> Answer:
        ids = self.subjects.get(subject)
        return NOT_FOUND["subject"] if ids is None else (200, list(range(1, len(ids) + 1)))

    def _get_version(self, _body: Any, subject: str, version: str) -> Answer:
        schema_id = self.subjects[subject][int(version) - 1]
        return 200, {"subject": subject, "id": schema_id, "version": int(version), "schema": self.texts[schema_id]}

    def _look_up(self, body: Any, subject: str) -> Answer:
        for schema_id in self.subjects.get(subject, []):
            if self.texts[schema_id] == body["schema"]:
                return 200, {"subject": subject, "id": schema_id, "version": 1, "schema": body["schema"]}
        return NOT_FOUND["schema"]

    def _register(self, body: Any, subject: str) -> Answer:
        if self.refuses is not None:
            return self.refuses
        known = {text: schema_id for schema_id, text in self.texts.items()}
        schema_id = known.get(body["schema"], len(self.texts) + 1)
        self.texts[schema_id] = body["schema"]
        ids = self.subjects.setdefault(subject, [])
        if schema_id not in ids:
            ids.append(schema_id)
        return 200, {"id": schema_id}

    def _set_level(self, body: Any, subject: str) -> Answer:
        self.levels[subject] = body["compatibility"]
        return 200, body


@contextmanager
def run_fake_registry() -> Iterator[FakeRegistry]:
    """A fake registry that listens on the loopback address until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            status, answer = fake.answer(f"{self.command} {urlsplit(self.path).path}", body)
            data = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/html" if isinstance(answer, str) else "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_PUT = do_GET  # noqa: N815 - the names that http.server looks for

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as the base class has it
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that went away is no news."""

    with Server(("127.0.0.1", 0), Handler) as server:
        fake = FakeRegistry(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield fake
        finally:
            fake.may_end.set()
            server.shutdown()
            thread.join()
