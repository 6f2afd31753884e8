"""Asks an HTTP address whether it answers."""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit


def http_status(url: str, *, timeout_s: float = 2.0) -> int | None:
    """The status that a GET is answered with, or None if it is not."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=timeout_s)
    try:
        connection.request("GET", parts.path or "/")
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
