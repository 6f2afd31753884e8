"""Which web pages of other origins may ask, and see the answers (CORS): those that the settings name, none by default.

It stands before the access guard, so that a browser's preflight, which carries no key, is answered, and a page can read
why it was refused. Credentials that browsers add by themselves are not allowed: callers send their key.
"""

from __future__ import annotations

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from mabos.kafka.origins import read_origins

METHODS = ("GET", "POST")
SENT_HEADERS = (
    *("Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID", "Prefer", "Traceparent", "X-Request-ID"),
)
"""What a page may send."""
SHOWN_HEADERS = ("Location", "Retry-After", "Idempotent-Replayed", "Preference-Applied", "X-Request-ID")
"""What a page may read of an answer."""
_PREFLIGHT_S = 600


def let_in(app: ASGIApp, origins: str) -> ASGIApp:
    """An application that pages of some origins may ask.

    Args:
        app: The application.
        origins: As the setting has them; without any, it is the application itself.
    """
    found = read_origins(origins)
    if not found:
        return app
    return CORSMiddleware(
        app,
        allow_origins=found,
        allow_methods=METHODS,
        allow_headers=SENT_HEADERS,
        expose_headers=SHOWN_HEADERS,
        allow_credentials=False,
        max_age=_PREFLIGHT_S,
    )
