"""The access guard: nobody gets past it unknown, or more often than allowed; routes say what else they require.

It stands before everything that reads a body or looks for a route. A gateway that is open, as only one on loopback is,
takes everybody for :data:`mabos.gateway.principals.LOCAL`.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol

from fastapi import Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as Connection

from mabos.gateway.apikeys import ApiKey, read_key
from mabos.gateway.errors import Refused
from mabos.gateway.observing import note
from mabos.gateway.principals import LOCAL, Principal, Scope
from mabos.gateway.problems import ProblemResponse
from mabos.gateway.rates import Rates
from mabos.gateway.tokens import Tokens, unknown

_GUARDED = ("/api/", "/metrics")
_SAFE = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
)

SECURITY = {
    "type": "http",
    "scheme": "bearer",
    "description": "An API key of `mabos keys create`, or a token of the OpenID provider. An open gateway wants none.",
}
"""How callers say who they are, as OpenAPI has it."""


def is_guarded(path: str) -> bool:
    """Whether a path is of no business to strangers."""
    return path.startswith(_GUARDED)


class Keys(Protocol):
    """Where API keys are kept."""

    async def find(self, key_id: str) -> ApiKey | None:
        """The key with an id.

        Raises:
            Refused: 503; it cannot be said now.
        """
        ...


class Access:
    """Says who asks.

    Args:
        keys: Where API keys are kept; None if there are none.
        tokens: Recognises tokens; None if there is no provider.
    """

    def __init__(self, keys: Keys | None, tokens: Tokens | None) -> None:
        self._keys, self._tokens = keys, tokens

    async def recognise(self, headers: Headers) -> Principal:
        """The caller of a request with these headers.

        Raises:
            Refused: 401, nobody who is known; 503, it cannot be said now.
        """
        sent = headers.getlist("authorization")
        scheme, _, credential = (sent[0] if len(sent) == 1 else "").partition(" ")
        if scheme.lower() != "bearer" or not credential.strip():
            raise unknown("say who you are: send the header Authorization: Bearer KEY, once")
        secret = read_key(credential.strip())
        if secret is None:
            if self._tokens is None:
                raise unknown("this is no API key")
            return await self._tokens.recognise(credential.strip())
        key = None if self._keys is None else await self._keys.find(secret.id)
        if key is None or not key.opens(secret.text, datetime.now(UTC)):
            raise unknown("the API key is not known, or holds no more")
        return key.principal


class AccessGuard:
    """An application behind which every caller is known: ``request.state.principal``.

    Args:
        app: The application.
        access: Says who asks; None for a gateway that is open.
        rates: Bounds how often each may ask.
        clock_s: The monotonic clock.
    """

    def __init__(
        self, app: ASGIApp, access: Access | None, rates: Rates, *, clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._app, self._access, self._rates, self._clock_s = app, access, rates, clock_s

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        """Hand on, or answer 401 or 429."""
        if scope["type"] != "http" or not is_guarded(scope["path"]):
            await self._app(scope, receive, send)
            return

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *_SAFE]
            await send(message)

        try:
            await self._admit(scope)
        except Refused as refused:
            await ProblemResponse(refused)(scope, receive, send_safely)
        else:
            await self._app(scope, receive, send_safely)

    async def _admit(self, scope: Connection) -> None:
        """Note in the request's state who asks, and what charges that caller for more than one request."""
        state = scope.setdefault("state", {})
        if self._access is None:
            state.update(principal=LOCAL, charge=_charge_nobody)
            return
        principal = await self._access.recognise(Headers(scope=scope))
        state.update(principal=principal, charge=partial(self._charge, principal))
        note(scope, caller=principal.name)
        wait_s = self._charge(principal, 1.0)
        if wait_s:
            raise Refused(
                429,
                f"{principal.name} asks too often: try again in {math.ceil(wait_s)} s",
                headers={"Retry-After": str(math.ceil(wait_s))},
            )

    def _charge(self, principal: Principal, cost: float) -> float:
        return self._rates.take(principal.name, self._clock_s(), principal.rate_per_s, cost)


def _charge_nobody(_: float) -> float:
    return 0.0


def needs(*scopes: Scope) -> Callable[[Request], Coroutine[Any, Any, Principal]]:
    """What a route requires of its caller, as a dependency that gives the caller."""

    async def check(request: Request) -> Principal:
        principal: Principal = request.state.principal
        for scope in scopes:
            principal.require(scope)
        return principal

    return check


async def admit_item(request: Request, principal: Principal, agent_id: str) -> None:
    """One of many tasks in a request: it counts as one more, and waits until its caller may send it.

    Raises:
        Refused: 403, the agent is none of the caller's.
    """
    principal.require_agent(agent_id)
    while wait_s := request.state.charge(1.0):  # noqa: ASYNC110 - the wait is known: no event would tell
        await asyncio.sleep(wait_s)
