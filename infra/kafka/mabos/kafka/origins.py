"""Origins of web pages, as browsers send them: a scheme, a host, and a port unless it is the scheme's own. Pure."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_HOST = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\]")
_PORTS = {"http": 80, "https": 443}


def read_origins(text: str) -> tuple[str, ...]:
    """The origins in a text, comma separated.

    Raises:
        ValueError: One is none, or is not written as browsers write it, so that it would match nothing.
    """
    found = [part.strip() for part in text.split(",")]
    return tuple(_check(origin) for origin in found if origin)


def _check(origin: str) -> str:
    if "*" in origin:
        raise ValueError(f'"{origin}" stands for many: name each origin that may ask')
    try:
        parts = urlsplit(origin)
        scheme, host, port = parts.scheme, (parts.hostname or "").lower(), parts.port
    except ValueError:
        scheme, host, port = "", "", None
    if ":" in host:
        host = f"[{host}]"
    if scheme not in _PORTS or not _HOST.fullmatch(host):
        raise ValueError(f'"{origin.rpartition("@")[2]}" is no origin such as https://console.example.com')
    written = f"{scheme}://{host}" + ("" if port in (None, _PORTS[scheme]) else f":{port}")
    if origin != written:
        raise ValueError(f'"{origin.rpartition("@")[2]}" is not as browsers send it: write {written}')
    return origin
