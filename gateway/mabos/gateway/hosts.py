"""Only what was meant for this machine: the guard against DNS rebinding.

A web page may have its own name resolve to 127.0.0.1, and then talk to an open loopback service as if that were its own
server. The name stands in the header ``Host``, which no page can change.
"""

from __future__ import annotations

import ipaddress

from starlette.types import ASGIApp, Receive, Scope, Send

from mabos.gateway.errors import Refused
from mabos.gateway.problems import ProblemResponse


class LoopbackHosts:
    """An application that answers 421 to whoever asks for a host that is not loopback."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or hand on."""
        hosts = [value for name, value in scope.get("headers", ()) if name == b"host"]
        if all(is_loopback(host.decode("latin-1")) for host in hosts):
            await self._app(scope, receive, send)
            return
        refused = Refused(421, "this gateway serves its own machine only: ask for 127.0.0.1, [::1] or localhost")
        await ProblemResponse(refused)(scope, receive, send)


def is_loopback(host: str) -> bool:
    """Whether a host, with or without a port, names this machine."""
    name = host.strip().lower()
    name = name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0]
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
