"""The access guard: nobody gets past it unknown, or more often than allowed; routes say what else they require.

It stands before everything that reads a body or looks for a route. A gateway that is open, as only one on loopback is,
takes everybody for :data:`mabos.gateway.principals.LOCAL`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from fastapi import Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as Connection

from mabos.gateway.apikeys import ApiKey, read_key
from mabos.gateway.errors import Refused
from mabos.gateway.principals import LOCAL, Principal, Scope
from mabos.gateway.problems import ProblemResponse
from mabos.gateway.rates import Rates
from mabos.gateway.tokens import Tokens, unknown

_GUARDED = ("/api/", "/metrics")
_BEARER = HTTPBearer(
    auto_error=False,
    description="An API key of `mabos keys create`, or a token of the OpenID provider. Not wanted by an open gateway.",
)


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
        if scope["type"] == "http" and scope["path"].startswith(_GUARDED):
            try:
                scope.setdefault("state", {})["principal"] = await self._admit(Headers(scope=scope))
            except Refused as refused:
                await ProblemResponse(refused)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _admit(self, headers: Headers) -> Principal:
        if self._access is None:
            return LOCAL
        principal = await self._access.recognise(headers)
        wait_s = self._rates.take(principal.name, self._clock_s(), principal.rate_per_s)
        if wait_s:
            raise Refused(
                429,
                f"{principal.name} asks too often: try again in {math.ceil(wait_s)} s",
                headers={"Retry-After": str(math.ceil(wait_s))},
            )
        return principal


def needs(*scopes: Scope) -> Callable[..., Principal]:
    """What a route requires of its caller, as a dependency that gives the caller."""

    def check(request: Request, _: HTTPAuthorizationCredentials | None = Security(_BEARER)) -> Principal:  # noqa: B008 - FastAPI's way
        principal: Principal = request.state.principal
        for scope in scopes:
            principal.require(scope)
        return principal

    return check
