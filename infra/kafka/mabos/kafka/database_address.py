"""The address of the database: a PostgreSQL URL, checked, and shown without its password. Pure."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlsplit

DATABASE, USER = "mabos", "mabos"
"""The names of the local database, and of who owns it."""

_MAX_SOCKET_BYTES = 100  # the kernel allows 107 on Linux and 103 on macOS, with the socket's own name
_SOCKET = ".s.PGSQL.5432"
_SHOWN_PARAMETERS = ("host", "port")


def socket_folder(home: Path) -> Path:
    """Where the local database of a home has its socket: in its home, or, where that path is too long, in ``/tmp``."""
    absolute = home.expanduser().absolute()
    inside = absolute / "database" / "socket"
    if len(os.fsencode(inside / _SOCKET)) <= _MAX_SOCKET_BYTES:
        return inside
    digest = hashlib.sha256(os.fsencode(absolute)).hexdigest()[:16]
    return Path(f"/tmp/mabos-{os.getuid()}-{digest}")  # noqa: S108 - made private, and refused where it is another's


def socket_file(home: Path) -> Path:
    """The socket of the local database of a home; it is there while that database runs, or was killed."""
    return socket_folder(home) / _SOCKET


def local_database_url(home: Path) -> str:
    """The URL of the local database of a home."""
    return f"postgresql://{USER}@/{DATABASE}?host={quote(str(socket_folder(home)), safe='/')}"


def check_database_url(url: str) -> str:
    """Refuse what is no URL of a PostgreSQL database.

    Raises:
        ValueError: Says what is wrong; without user and password.
    """
    shown = f'"{show_database(url)}"'
    try:
        parts = urlsplit(url)
        port = None if "," in parts.netloc else parts.port  # several hosts, of which one can be written to
        parameters = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
    except ValueError:
        parts, port, parameters = urlsplit(""), None, {}
    if parts.scheme not in ("postgresql", "postgres"):
        raise ValueError(f"{shown} is not a postgresql://USER@HOST:PORT/DATABASE URL")
    if port == 0 or not (parts.hostname or parameters.get("host")):
        raise ValueError(f"{shown} names no host: postgresql://USER@HOST:PORT/DATABASE")
    if not parts.path.strip("/") and "dbname" not in parameters:
        raise ValueError(f"{shown} names no database: postgresql://USER@HOST:PORT/DATABASE")
    return url


def show_database(url: str) -> str:
    """The URL as it may be shown and logged: without user and password, and of its parameters only where it is."""
    try:
        parts = urlsplit(url)
        found = [(name, value) for name, value in parse_qsl(parts.query) if name in _SHOWN_PARAMETERS]
    except ValueError:
        return "***"
    if not parts.scheme or "@" in parts.path:  # what looks like no URL may still be a password
        return "***"
    query = "&".join(f"{name}={value}" for name, value in found)
    place = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{place}{parts.path}{'?' if query else ''}{query}"
