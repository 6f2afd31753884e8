"""A loopback port where nobody answers, for clients that shall find no broker."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def closed_port() -> Iterator[str]:
    """``host:port`` that refuses connections, and that nobody else takes meanwhile: it is bound and does not listen."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{holder.getsockname()[1]}"
