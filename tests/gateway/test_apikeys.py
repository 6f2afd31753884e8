"""API keys: only the right secret opens, and nothing that is kept tells it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from mabos.gateway.apikeys import ApiKey, Secret, hash_secret, make_secret, read_key
from mabos.gateway.principals import Scope

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def make(secret: Secret) -> ApiKey:
    return ApiKey(
        id=secret.id,
        name="billing",
        secret_sha256=hash_secret(secret.text),
        scopes=frozenset({Scope.TASKS_READ}),
        agents=("billing-*",),
        rate_per_s=5.0,
    )


def test_a_key_that_is_made_is_recognised() -> None:
    """As it was shown, once."""
    secret, text = make_secret()
    assert read_key(text) == secret
    assert make(secret).opens(secret.text, NOW)
    assert make(secret).principal.name == f"key:{secret.id}"
    assert make(secret).principal.rate_per_s == 5.0


def test_no_two_keys_are_the_same() -> None:
    """Neither ids nor secrets."""
    made = [make_secret()[0] for _ in range(100)]
    assert len({secret.id for secret in made}) == len({secret.text for secret in made}) == 100


def test_another_secret_does_not_open() -> None:
    """Not even one that differs in its last character."""
    secret, _ = make_secret()
    key = make(secret)
    last = "A" if secret.text[-1] != "A" else "B"
    for wrong in ("", secret.text[:-1], secret.text[:-1] + last, make_secret()[0].text):
        assert not key.opens(wrong, NOW)


def test_a_key_that_expired_or_was_revoked_does_not_open() -> None:
    """From that moment on."""
    secret, _ = make_secret()
    key = replace(make(secret), expires_at=NOW)
    assert key.opens(secret.text, NOW - timedelta(seconds=1))
    assert not key.opens(secret.text, NOW)
    assert not replace(make(secret), revoked_at=NOW).opens(secret.text, NOW)


def test_what_is_kept_and_shown_does_not_hold_the_secret() -> None:
    """Neither a key's nor a secret's repr: both may stand in a log."""
    secret, _ = make_secret()
    assert secret.text not in repr(make(secret)) + repr(secret)


@pytest.mark.parametrize(
    "text", ["", "mabos_", "mabos_0123456789ab_short", "Mabos_" + "0" * 12 + "_" + "x" * 43, "x.y.z"]
)
def test_what_is_no_key_is_not_taken_for_one(text: str) -> None:
    """A token, for example."""
    assert read_key(text) is None
    assert read_key(make_secret()[1] + "\n") is None
