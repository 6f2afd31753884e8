"""Tokens of an OpenID provider: a JWT (RFC 7519) that it signed says who asks, and what that caller may do.

Only signatures of a key pair are taken, never ``none``, never a shared secret, whatever the token's head says
(RFC 8725, 3.1). The provider's keys are read when they are needed, and kept for some minutes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

import jwt
from jwt import PyJWK, PyJWKClient
from jwt.exceptions import PyJWKClientConnectionError, PyJWKClientError

from mabos.gateway.errors import Refused
from mabos.gateway.principals import Principal, Scope, check_pattern

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA")
"""Which signatures are taken."""
AGENTS_CLAIM: Final = "mabos_agents"
"""The claim with the agent patterns, a list or a text with blanks between; without it a token reaches all agents."""

_LEEWAY_S = 30
_KEYS_TIMEOUT_S = 2.0
_KEYS_LIFESPAN_S = 300.0
_MAX_TOKEN_CHARS = 16_384

FindKey = Callable[[str], PyJWK]


class Tokens:
    """Recognises tokens.

    Args:
        issuer: Whose tokens: their ``iss``.
        audience: For whom they must be: their ``aud``.
        find_key: The provider's key for a token; it may ask the provider, and is called in a thread.
    """

    def __init__(self, issuer: str, audience: str, find_key: FindKey) -> None:
        self._issuer, self._audience, self._find_key = issuer, audience, find_key

    async def recognise(self, token: str) -> Principal:
        """The caller whose token it is.

        Raises:
            Refused: 401, the token is not taken; 503, the provider's keys cannot be had.
        """
        if len(token) > _MAX_TOKEN_CHARS:
            raise unknown("the token is too long")
        try:
            key = await asyncio.to_thread(self._find_key, token)
            claims: Mapping[str, Any] = jwt.decode(
                token,
                key,
                algorithms=ALGORITHMS,
                audience=self._audience,
                issuer=self._issuer,
                leeway=_LEEWAY_S,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except PyJWKClientConnectionError as error:
            raise Refused(
                503, "the keys of the token's issuer cannot be read now: try again", headers={"Retry-After": "2"}
            ) from error
        except (jwt.InvalidTokenError, PyJWKClientError) as error:
            raise unknown(f"the token is not taken: {_say(error)}") from error
        return read_claims(claims)


def provider_keys(jwks_url: str) -> FindKey:
    """The keys that a provider publishes at a URL (RFC 7517), kept for five minutes."""
    client = PyJWKClient(jwks_url, timeout=_KEYS_TIMEOUT_S, lifespan=_KEYS_LIFESPAN_S)
    return client.get_signing_key_from_jwt


def read_claims(claims: Mapping[str, Any]) -> Principal:
    """The caller that verified claims tell of. Scopes of other services are passed over.

    Raises:
        Refused: 401, the claims are not of the form that they should have.
    """
    scopes = frozenset(Scope(name) for name in _words(claims, "scope", []) if name in set(Scope))
    try:
        agents = tuple(check_pattern(pattern) for pattern in _words(claims, AGENTS_CLAIM, ["*"]))
    except ValueError as error:
        raise unknown(str(error)) from error
    return Principal(name=f"jwt:{claims['sub']}", scopes=scopes, agents=agents)


def unknown(detail: str) -> Refused:
    """401: who asks is not known."""
    return Refused(401, detail, headers={"WWW-Authenticate": "Bearer"})


def _words(claims: Mapping[str, Any], name: str, default: list[str]) -> list[str]:
    found = claims.get(name, default)
    if isinstance(found, str):
        return found.split()
    if isinstance(found, list) and all(isinstance(item, str) for item in found):
        return found
    raise unknown(f"the token's {name} must be a text or a list of texts")


def _say(error: Exception) -> str:
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    return text[:200].lower()
