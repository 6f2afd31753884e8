"""The console's built files, served from memory at ``/``, under a strict content security policy.

What the policy needs of the build: no inline script or style, nothing from elsewhere. A file below ``/assets/`` carries
a hash of its content in its name, so it may be kept for ever; the rest is asked for again each time, by its ETag.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

_HERE = Path(__file__).parent
CONSOLE_FOLDER = _HERE / "static" if (_HERE / "static").is_dir() else _HERE.parents[2] / "web" / "dist"
"""Where the build is: inside the package in a wheel, beside the room in a checkout."""
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "font-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "vary": "accept, accept-encoding",
}
_KEEP, _ASK = "public, max-age=31536000, immutable", "no-cache"
_MEDIA_TYPES = {  # not the machine's own table: a browser runs no script that is told to be text/plain
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
}
_NOT_BUILT = (
    b'<!doctype html><html lang="en"><meta charset="utf-8"><title>MABOS</title>'
    b"<p>The console is not built: run <code>make web</code>, then start the gateway again. "
    b'The API is described at <a href="/docs">/docs</a>.</p></html>'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    body: bytes
    gzipped: bytes | None
    """None where it would not be smaller."""
    etag: str
    media_type: str
    cache: str


class Console:
    """The application that answers where no route of the gateway does: a file of the console, its page, or 404.

    The console names its pages by paths of its own, which are no files: whoever navigates there (and so asks for HTML)
    gets the start page, which finds the page. Below ``/api`` nothing is a page, so a wrong path stays a 404.

    Args:
        folder: Of the build; without one, ``/`` says in a line how to get it.
    """

    def __init__(self, folder: Path) -> None:
        self._files = dict(_read_files(folder)) if folder.is_dir() else {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer.

        Raises:
            HTTPException: 404, there is nothing at this path.
        """
        await self._find(scope)(scope, receive, send)

    def _find(self, scope: Scope) -> Response:
        path, headers = scope["path"], Headers(scope=scope)
        if scope["method"] not in ("GET", "HEAD"):
            raise HTTPException(404)
        file = self._files.get(path)
        if file is None and (path == "/" or _is_page(path, headers)):
            file = self._files.get("/index.html")
            if file is None and path == "/":
                return Response(_NOT_BUILT, 404, {**_HEADERS, "cache-control": _ASK}, "text/html; charset=utf-8")
        if file is None:
            raise HTTPException(404)
        return _serve(file, headers)


def _is_page(path: str, headers: Headers) -> bool:
    return "text/html" in headers.get("accept", "") and path != "/api" and not path.startswith("/api/")


def _serve(file: _File, asked: Headers) -> Response:
    headers = {**_HEADERS, "cache-control": file.cache, "etag": file.etag}
    if file.etag in asked.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if file.gzipped is not None and "gzip" in asked.get("accept-encoding", ""):
        return Response(file.gzipped, headers={**headers, "content-encoding": "gzip"}, media_type=file.media_type)
    return Response(file.body, headers=headers, media_type=file.media_type)


def _read_files(folder: Path) -> Iterator[tuple[str, _File]]:
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        name, body = "/" + path.relative_to(folder).as_posix(), path.read_bytes()
        gzipped = gzip.compress(body, mtime=0)
        yield (
            name,
            _File(
                body=body,
                gzipped=gzipped if len(gzipped) < len(body) else None,
                etag=f'W/"{hashlib.sha256(body).hexdigest()[:20]}"',  # weak: the same for both encodings
                media_type=_MEDIA_TYPES.get(path.suffix, "application/octet-stream"),
                cache=_KEEP if name.startswith("/assets/") else _ASK,
            ),
        )
