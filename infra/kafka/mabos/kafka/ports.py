"""TCP ports of this machine's loopback address: free ones, and who has a taken one."""

from __future__ import annotations

import socket
from contextlib import ExitStack, suppress

from mabos.kafka.errors import PortTaken

LOOPBACK = "127.0.0.1"


def free_ports(count: int) -> list[int]:
    """Choose ports that nobody listens on right now.

    Args:
        count: How many, all different.

    Returns:
        The ports. They are not held: whoever uses them must be ready to lose a race and choose again.
    """
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for sock in sockets:
            sock.bind((LOOPBACK, 0))
        return [int(sock.getsockname()[1]) for sock in sockets]


def require_free(port: int, *, name: str, setting: str) -> None:
    """Refuse a port that another process listens on.

    Args:
        port: The port that was asked for.
        name: What would listen on it, such as ``broker``.
        setting: Where the reader can give another one, such as ``--port``.

    Raises:
        PortTaken: It is taken, or this user may not listen on it.
    """
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the JVM does: connections in TIME_WAIT pass
        try:
            sock.bind((LOOPBACK, port))
        except PermissionError:
            raise PortTaken(f"{name}: port {port} is reserved for root: give one above 1023 with {setting}") from None
        except OSError:
            holder = find_listener(port) or "another process"
            raise PortTaken(
                f"{name}: port {port} is taken by {holder}: stop it, or give another with {setting}"
            ) from None


def find_listener(port: int) -> str | None:
    """Find the process that listens on a port.

    Returns:
        Its name and process id, or ``None`` if it is another user's or not to be found.
    """
    try:
        import psutil  # noqa: PLC0415 - 20 ms, and only for the text of an error
    except ImportError:
        return None
    with suppress(psutil.Error, OSError):
        for connection in psutil.net_connections(kind="tcp"):
            taken = connection.laddr.port if connection.laddr else None
            if taken == port and connection.pid and connection.status == psutil.CONN_LISTEN:
                return f"{psutil.Process(connection.pid).name()} (process {connection.pid})"
    return None


def is_listening(port: int) -> bool:
    """Whether something accepts connections on a loopback port."""
    with socket.socket() as sock:
        sock.settimeout(0.5)
        return sock.connect_ex((LOOPBACK, port)) == 0
