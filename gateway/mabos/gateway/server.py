"""Run the gateway: one process, one event loop, on this machine's loopback address.

What bounds a client, and where:

- a head that does not come, or by the byte, or is too large: :mod:`mabos.gateway.connections` (408, 431, or closed);
- a body that is too large or too slow: :mod:`mabos.gateway.bodies` (413, 408);
- a request for another host name: :mod:`mabos.gateway.hosts` (421);
- an idle connection between requests: uvicorn's ``timeout_keep_alive``; too many connections: 503;
- a slow reader: a stream drops what waits for it (:mod:`mabos.gateway.channel`), and a connection that takes nothing is
  cut off (:mod:`mabos.gateway.connections`).

Not here yet: authentication, and with it any address but loopback; TLS; limits per caller.
"""

from __future__ import annotations

import errno
import ipaddress
import logging
import math
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import uvicorn
from starlette.types import ASGIApp

from mabos.gateway.app import create_app
from mabos.gateway.connections import ConnectionLimits, guard
from mabos.gateway.errors import AddressRefused
from mabos.gateway.hosts import LoopbackHosts
from mabos.kafka.errors import PortTaken
from mabos.kafka.ports import LOOPBACK, find_listener
from mabos.kafka.settings import Settings

KEEP_ALIVE_S = 5
"""How long a connection may rest between two requests."""
_FILES = 65_536

log = logging.getLogger("mabos.gateway")


def run_gateway(settings: Settings, host: str | None = None, port: int | None = None) -> None:
    """Serve until SIGTERM or Ctrl-C, then answer the requests in hand, and return. Call it on the main thread.

    Args:
        settings: Where Kafka and the registry are, and by its ``gateway_url`` where the gateway is.
        host: A loopback address, or ``localhost``; None takes that of ``gateway_url``.
        port: 0 takes a free one and logs it; None takes that of ``gateway_url``.

    Raises:
        AddressRefused: The host is not this machine's loopback, or the address does not exist.
        PortTaken: Another process listens there, or this user may not.
    """
    url = urlsplit(settings.gateway_url)
    if host is None:
        host = url.hostname or LOOPBACK
    if port is None:
        port = url.port or (443 if url.scheme == "https" else 80)
    with open_listener(host, port) as listener:
        # a request in hand waits for the broker at most this long, so none is cut off
        app = create_app(settings)
        raise_file_limit()
        stop_timeout_s = settings.publish_timeout_s + 2
        make_server(LoopbackHosts(app), on_stop=app.begin_stop, stop_timeout_s=stop_timeout_s).run(sockets=[listener])


def open_listener(host: str, port: int) -> socket.socket:
    """A socket bound to a loopback address.

    Raises:
        AddressRefused: The host is not this machine's loopback, or the address does not exist.
        PortTaken: Another process listens there, or this user may not.
    """
    address = _loopback_address(host)
    listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections in TIME_WAIT do not hold the port
        listener.bind((address, port))
        listener.listen()  # now, not when the loop starts: two gateways may both bind, but only one listens
    except (OSError, OverflowError) as error:
        listener.close()
        raise _explain(error, host, port) from None
    return listener


def raise_file_limit() -> None:
    """Let this process have as many connections as the system allows it: each is an open file."""
    if sys.platform != "win32":
        import resource  # noqa: PLC0415 - there is none on Windows

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = _FILES if hard == resource.RLIM_INFINITY else min(hard, _FILES)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def make_server(
    app: ASGIApp,
    *,
    on_stop: Callable[[], None] | None = None,
    limits: ConnectionLimits | None = None,
    stop_timeout_s: float = 30.0,
) -> uvicorn.Server:
    """A uvicorn server for the gateway.

    Args:
        app: The application.
        on_stop: Called when it begins to stop, before it waits for the requests in hand.
        limits: Of connections.
        stop_timeout_s: How long requests in hand may take once it stops.
    """
    server = _Server(
        uvicorn.Config(
            app,
            http=guard(limits or ConnectionLimits()),
            loop="auto",  # uvloop, where it is installed
            ws="none",
            lifespan="on",
            log_config=None,  # the process decides how log lines look
            access_log=False,
            server_header=False,
            date_header=True,
            proxy_headers=False,  # nobody is in front of a loopback address: X-Forwarded-For would be a caller's word
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=math.ceil(stop_timeout_s),
        )
    )
    server.on_stop = on_stop
    return server


class _Server(uvicorn.Server):
    on_stop: Callable[[], None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or ():
            host, port = listener.getsockname()[:2]
            log.info("the gateway listens on http://%s:%d", f"[{host}]" if ":" in host else host, port)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self.on_stop is not None:
            self.on_stop()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As uvicorn does, but without raising the signal again at the end: having stopped as asked is success."""
        with super().capture_signals():
            yield
            self._captured_signals.clear()


def _loopback_address(host: str) -> str:
    if host.lower() == "localhost":
        return LOOPBACK
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        address = None
    if address is None or not address.is_loopback:
        raise AddressRefused(
            f'the gateway has no authentication yet and listens on loopback only, not on "{host}": '
            f"use {LOOPBACK}, ::1 or localhost"
        )
    return str(address)


def _explain(error: OSError | OverflowError, host: str, port: int) -> AddressRefused | PortTaken:
    if isinstance(error, PermissionError):
        return PortTaken(f"gateway: port {port} is reserved for root: give one above 1023 with --port")
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        holder = find_listener(port) or "another process"
        return PortTaken(f"gateway: port {port} is taken by {holder}: stop it, or give another with --port")
    return AddressRefused(f"the gateway cannot listen on {host}, port {port}: {error}")
