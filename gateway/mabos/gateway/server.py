"""Run the gateway: one process, one event loop; open on loopback, elsewhere for known callers only.

What bounds a client, and where:

- a head that does not come, or by the byte, or is too large: :mod:`mabos.gateway.connections` (408, 431, or closed);
- a body that is too large or too slow: :mod:`mabos.gateway.bodies` (413, 408);
- a request for another host name, to an open gateway: :mod:`mabos.gateway.hosts` (421);
- a caller that is not known, or asks too often: :mod:`mabos.gateway.access` (401, 429);
- an idle connection between requests: uvicorn's ``timeout_keep_alive``; too many connections: 503;
- a slow reader: a stream drops what waits for it (:mod:`mabos.gateway.channel`), and a connection that takes nothing is
  cut off (:mod:`mabos.gateway.connections`).

Not here: TLS. A gateway that listens elsewhere than on loopback wants something before it that has it.
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
from dataclasses import replace
from urllib.parse import urlsplit

import uvicorn
from starlette.types import ASGIApp

from mabos.gateway.access import Access
from mabos.gateway.app import Parts, create_app
from mabos.gateway.connections import ConnectionLimits, guard
from mabos.gateway.errors import AddressRefused
from mabos.gateway.hosts import LoopbackHosts
from mabos.gateway.keybook import KeyBook
from mabos.gateway.keystore import KeyStore
from mabos.gateway.tokens import Tokens, provider_keys
from mabos.kafka.errors import PortTaken
from mabos.kafka.ports import LOOPBACK, find_listener
from mabos.kafka.settings import Settings

KEEP_ALIVE_S = 5
"""How long a connection may rest between two requests."""
_FILES = 65_536
_OTHER_FILES = 200
"""Open files that are no client's: connections to Kafka and the database, logs, spools of batches."""

log = logging.getLogger("mabos.gateway")


def run_gateway(settings: Settings, host: str | None = None, port: int | None = None) -> None:
    """Serve until SIGTERM or Ctrl-C, then answer the requests in hand, and return. Call it on the main thread.

    Args:
        settings: Where Kafka and the registry are, and by its ``gateway_url`` where the gateway is.
        host: An address of this machine, or ``localhost``; None takes that of ``gateway_url``.
        port: 0 takes a free one and logs it; None takes that of ``gateway_url``.

    Raises:
        AddressRefused: The host is not this machine's loopback and callers need not say who they are, or the address
            does not exist.
        PortTaken: Another process listens there, or this user may not.
    """
    url = urlsplit(settings.gateway_url)
    if host is None:
        host = url.hostname or LOOPBACK
    if port is None:
        port = url.port or (443 if url.scheme == "https" else 80)
    access = make_access(settings)
    with open_listener(host, port, is_open=access is None) as listener:
        # a request in hand waits for the broker at most this long, so none is cut off
        app = create_app(settings, Parts(access=access))
        limits = fit_connections(raise_file_limit())
        stop_timeout_s = settings.publish_timeout_s + 2
        door = LoopbackHosts(app) if access is None else app
        server = make_server(door, on_stop=app.begin_stop, limits=limits, stop_timeout_s=stop_timeout_s)
        server.run(sockets=[listener])


def make_access(settings: Settings) -> Access | None:
    """What says who asks; None where the settings let everybody on this machine ask."""
    if settings.gateway_auth != "required":
        return None
    tokens = None
    if settings.oidc_issuer and settings.oidc_audience and settings.oidc_jwks_url:
        tokens = Tokens(settings.oidc_issuer, settings.oidc_audience, provider_keys(settings.oidc_jwks_url))
    return Access(KeyBook(KeyStore(settings).list), tokens)


def open_listener(host: str, port: int, *, is_open: bool = True) -> socket.socket:
    """A socket bound to an address of this machine.

    Args:
        host: An address, or ``localhost``.
        port: 0 takes a free one.
        is_open: Whether everybody may ask there: then it must be a loopback address.

    Raises:
        AddressRefused: It must be this machine's loopback and is not, or the address does not exist.
        PortTaken: Another process listens there, or this user may not.
    """
    address = _find_address(host, is_open=is_open)
    listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections in TIME_WAIT do not hold the port
        listener.bind((address, port))
        listener.listen()  # now, not when the loop starts: two gateways may both bind, but only one listens
    except (OSError, OverflowError) as error:
        listener.close()
        raise _explain(error, host, port) from None
    return listener


def raise_file_limit() -> int:
    """Let this process have as many connections as the system allows it: each is an open file.

    Returns:
        How many files it may have open.
    """
    if sys.platform == "win32":
        return _FILES
    import resource  # noqa: PLC0415 - there is none on Windows

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(hard, _FILES)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return _FILES if soft == resource.RLIM_INFINITY else soft
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted


def fit_connections(files: int) -> ConnectionLimits:
    """As many connections as there may be with so many open files; says so where that is fewer than usual.

    Those above are answered with 503: without a file left, they could only be cut off, and Kafka and the database with
    them.

    Args:
        files: How many files this process may have open.
    """
    usual = ConnectionLimits()
    fitting = max(files - _OTHER_FILES, files // 2)
    if fitting >= usual.connections:
        return usual
    log.warning(
        "the gateway may have %d open files, so it takes %d connections at a time, not %d: raise the limit of this"
        " process (ulimit -Hn, or LimitNOFILE of systemd) to %d",
        files,
        fitting,
        usual.connections,
        usual.connections + _OTHER_FILES,
    )
    return replace(usual, connections=fitting)


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


def _find_address(host: str, *, is_open: bool) -> str:
    if host.lower() == "localhost":
        return LOOPBACK
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        raise AddressRefused(f'"{host}" is no address of this machine: use one such as {LOOPBACK} or 0.0.0.0') from None
    if not address.is_loopback and is_open:
        raise AddressRefused(
            f'the gateway is open to everybody and listens on loopback only, not on "{host}": make keys with '
            "`mabos keys create` and set MABOS_GATEWAY_AUTH=required"
        )
    if not address.is_loopback:
        log.warning("the gateway speaks plain HTTP on %s: keys are safe only behind something that has TLS", host)
    return str(address)


def _explain(error: OSError | OverflowError, host: str, port: int) -> AddressRefused | PortTaken:
    if isinstance(error, PermissionError):
        return PortTaken(f"gateway: port {port} is reserved for root: give one above 1023 with --port")
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        holder = find_listener(port) or "another process"
        return PortTaken(f"gateway: port {port} is taken by {holder}: stop it, or give another with --port")
    return AddressRefused(f"the gateway cannot listen on {host}, port {port}: {error}")
