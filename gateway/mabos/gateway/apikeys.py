"""API keys: made, written down as hashes, recognised. Pure.

A key is ``mabos_<id>_<secret>``. The id finds its row; of the secret, 256 random bits, only the SHA-256 is kept: a slow
hash is for what people choose themselves, and can be guessed.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime

from mabos.gateway.principals import Principal, Scope

_KEY = re.compile(r"mabos_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key as it is kept: everything but its secret."""

    id: str
    """Twelve hexadecimal digits; also in logs."""
    name: str
    """What it is for, a line for people."""
    secret_sha256: bytes
    """The hash of its secret."""
    scopes: frozenset[Scope]
    """What its bearer may do."""
    agents: tuple[str, ...]
    """For which agents, as :class:`Principal` has it."""
    rate_per_s: float | None = None
    """How many requests a second its bearer may make; None for the gateway's own bound."""
    created_at: datetime | None = None
    """When it was made."""
    expires_at: datetime | None = None
    """From when on it is refused; None for never."""
    revoked_at: datetime | None = None
    """From when on it was refused; None while it holds."""

    def opens(self, secret: str, now: datetime) -> bool:
        """Whether a secret is this key's, and the key holds; takes as long for a wrong secret as for a right one."""
        is_right = hmac.compare_digest(self.secret_sha256, hash_secret(secret))
        is_open = self.revoked_at is None and (self.expires_at is None or now < self.expires_at)
        return is_right and is_open

    @property
    def principal(self) -> Principal:
        """Its bearer."""
        return Principal(name=f"key:{self.id}", scopes=self.scopes, agents=self.agents, rate_per_s=self.rate_per_s)


@dataclass(frozen=True, slots=True)
class Secret:
    """A key as its bearer sends it; the text never shows in a ``repr``."""

    id: str
    text: str

    def __repr__(self) -> str:
        return f"Secret({self.id})"


def make_secret() -> tuple[Secret, str]:
    """A new secret, and the whole key, which is shown once."""
    made = Secret(secrets.token_hex(6), secrets.token_urlsafe(_SECRET_BYTES))
    return made, f"mabos_{made.id}_{made.text}"


def read_key(text: str) -> Secret | None:
    """Id and secret of a key; None for what is no key."""
    found = _KEY.fullmatch(text)
    return None if found is None else Secret(found[1], found[2])


def hash_secret(secret: str) -> bytes:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode()).digest()
