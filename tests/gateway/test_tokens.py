"""Tokens: only what the provider signed for us, and that holds now, is taken."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import threading
import time
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mabos.gateway.access import Access
from mabos.gateway.errors import Refused
from mabos.gateway.principals import Principal, Scope
from mabos.gateway.tokens import Tokens, provider_keys
from tests.gateway.fakes import Door
from tests.gateway.shape import read_problem
from tests.support.nowhere import closed_port

ISSUER, AUDIENCE = "https://provider.example", "mabos"
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
CURVE = ec.generate_private_key(ec.SECP256R1())
FOREIGN = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def jwk(name: str, algorithm: str, key: Any) -> dict[str, Any]:
    made = jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key(), as_dict=True)  # type: ignore[no-untyped-call]
    return {**made, "kid": name, "use": "sig", "alg": algorithm}


class Provider(BaseHTTPRequestHandler):
    """Publishes its keys."""

    def do_GET(self) -> None:
        body = json.dumps({"keys": [jwk("rsa", "RS256", RSA), jwk("curve", "ES256", CURVE)]}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def tokens() -> Iterator[Tokens]:
    server = HTTPServer(("127.0.0.1", 0), Provider)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Tokens(ISSUER, AUDIENCE, provider_keys(f"http://127.0.0.1:{server.server_port}/keys"))
    server.shutdown()
    thread.join()
    server.server_close()


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    made = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "exp": now + 300, "nbf": now - 5, "scope": "tasks:read"}
    return {name: value for name, value in (made | changes).items() if value is not None}


def sign(content: Mapping[str, Any], key: Any = RSA, algorithm: str = "RS256", kid: str | None = "rsa") -> str:
    return jwt.encode(dict(content), key, algorithm=algorithm, headers=None if kid is None else {"kid": kid})


def recognise(tokens: Tokens, token: str) -> Principal:
    return asyncio.run(tokens.recognise(token))


def refusal(tokens: Tokens, token: str) -> Refused:
    with pytest.raises(Refused) as caught:
        recognise(tokens, token)
    return caught.value


@pytest.mark.parametrize(("key", "algorithm", "kid"), [(RSA, "RS256", "rsa"), (CURVE, "ES256", "curve")])
def test_a_token_of_the_provider_says_who_asks(tokens: Tokens, key: Any, algorithm: str, kid: str) -> None:
    """And what that caller may do; scopes of other services are passed over."""
    content = claims(scope="openid tasks:read tasks:write", mabos_agents=["billing-*"])
    found = recognise(tokens, sign(content, key, algorithm, kid))
    assert found == Principal(
        name="jwt:ada", scopes=frozenset({Scope.TASKS_READ, Scope.TASKS_WRITE}), agents=("billing-*",)
    )


def test_a_token_without_agents_reaches_all(tokens: Tokens) -> None:
    """Its scopes bound what it may do there; one without scopes may do nothing."""
    assert recognise(tokens, sign(claims())).reaches_all
    assert recognise(tokens, sign(claims(scope=None))).scopes == frozenset()


def unsigned(content: Mapping[str, Any], algorithm: str, signature: str = "") -> str:
    head = {"alg": algorithm, "typ": "JWT", "kid": "rsa"}
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in (head, content)]
    return ".".join([*parts, signature])


def signed_with_the_public_key() -> str:
    """As attackers do where a verifier believes the token's head: the public key taken for a shared secret."""
    public = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    head = unsigned(claims(), "HS256").rstrip(".")
    made = base64.urlsafe_b64encode(hmac.digest(public, head.encode(), "sha256")).rstrip(b"=").decode()
    return f"{head}.{made}"


BAD = {
    "expired": lambda: sign(claims(exp=int(time.time()) - 60)),
    "not yet": lambda: sign(claims(nbf=int(time.time()) + 60)),
    "no expiry": lambda: sign(claims(exp=None)),
    "no subject": lambda: sign(claims(sub=None)),
    "other issuer": lambda: sign(claims(iss="https://other.example")),
    "other audience": lambda: sign(claims(aud="billing")),
    "no audience": lambda: sign(claims(aud=None)),
    "foreign key": lambda: sign(claims(), FOREIGN),
    "unknown key id": lambda: sign(claims(), FOREIGN, kid="other"),
    "no key id": lambda: sign(claims(), kid=None),
    "alg none": lambda: unsigned(claims(), "none"),
    "alg None": lambda: unsigned(claims(), "None"),
    "alg HS256 with the public key": signed_with_the_public_key,
    "changed": lambda: sign(claims())[:-4] + "AAAA",
    "other key's algorithm": lambda: sign(claims(), CURVE, "ES256", "rsa"),
    "no token": lambda: "junk",
    "too long": lambda: sign(claims(x="y" * 20_000)),
    "agents that are no list": lambda: sign(claims(mabos_agents={"a": 1})),
    "agents with a class": lambda: sign(claims(mabos_agents=["a[bc]"])),
    "scopes that are a number": lambda: sign(claims(scope=7)),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_not_the_providers_or_does_not_hold_is_refused(tokens: Tokens, name: str) -> None:
    """401, with the way to do it, whatever the head of the token says."""
    refused = refusal(tokens, BAD[name]())
    assert (refused.status, refused.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert "\n" not in refused.detail


@pytest.mark.parametrize("name", ["expired", "alg none", "not signed", "alg HS256 with the public key"])
def test_no_route_opens_for_a_token_that_does_not_hold(tokens: Tokens, name: str) -> None:
    """401 at the door itself, for what writes, what reads and what streams; nothing is published."""
    token = BAD[name]() if name in BAD else sign(claims()).rpartition(".")[0] + "."
    door = Door(access=Access(None, tokens))
    headers = {"authorization": f"Bearer {token}"}
    task = {"agent_id": "a", "payload": {}}
    for method, path, body in (
        ("POST", "/api/tasks", task),
        ("POST", "/api/tasks/batch", [task]),
        ("POST", "/api/tasks/t/cancel", {"agent_id": "a"}),
        ("GET", "/api/tasks/t/events?agent_id=a", None),
        ("GET", "/api/events", None),
        ("GET", "/metrics", None),
    ):
        answer = door.ask(method, path, json=body, headers=headers)
        read_problem(answer, 401)
        assert answer.headers["www-authenticate"] == "Bearer"
    assert door.producer.sent == []


def test_a_provider_that_is_away_is_no_fault_of_the_caller() -> None:
    """503, and when to try again."""
    with closed_port() as address:
        away = Tokens(ISSUER, AUDIENCE, provider_keys(f"http://{address}/keys"))
        refused = refusal(away, sign(claims()))
    assert (refused.status, refused.headers["Retry-After"]) == (503, "2")
