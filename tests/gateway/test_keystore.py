"""Keys in a real PostgreSQL, made, listed and revoked by command."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from mabos.cli.main import app
from mabos.gateway.apikeys import read_key
from mabos.gateway.errors import UnknownKey
from mabos.gateway.keystore import KeyStore
from mabos.gateway.principals import Scope
from mabos.kafka.settings import Settings
from mabos.streams.errors import DatabaseUnavailable
from mabos.streams.local_database import LocalDatabase

RUNNER = CliRunner()


@pytest.fixture(scope="module")
def database() -> Iterator[LocalDatabase]:
    with LocalDatabase() as started:
        yield started


@pytest.fixture
def url(database: LocalDatabase, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("MABOS_DATABASE_URL", database.url)
    return database.url


def make(*arguments: str) -> str:
    result = RUNNER.invoke(app, ["keys", "create", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout.strip()


def test_a_key_that_was_made_opens_and_its_secret_is_kept_nowhere(url: str) -> None:
    """It is shown once; the database holds a hash."""
    text = make(
        "--name", "billing", "--scope", "tasks:write", "--agent", "billing-*", "--expires", "30d", "--rate", "5"
    )
    secret = read_key(text)
    assert secret is not None
    [key] = [key for key in KeyStore(Settings(database_url=SecretStr(url))).list() if key.id == secret.id]
    assert key.opens(secret.text, datetime.now(UTC))
    assert (key.name, key.scopes, key.agents, key.rate_per_s) == ("billing", {Scope.TASKS_WRITE}, ("billing-*",), 5.0)
    assert key.expires_at is not None
    assert 29 <= (key.expires_at - datetime.now(UTC)).days <= 30
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT api_keys::text FROM mabos_gateway.api_keys").fetchall()
    assert secret.text not in str(rows)


def test_a_list_shows_all_but_the_secret(url: str) -> None:
    """For people and for programs."""
    text = make("--name", "ci", "--scope", "tasks:read", "--scope", "tasks:write")
    listed = RUNNER.invoke(app, ["keys", "list"]).stdout
    assert "ci" in listed
    assert text not in listed
    rows = json.loads(RUNNER.invoke(app, ["keys", "list", "-o", "json"]).stdout)
    assert next(row for row in rows if row["name"] == "ci")["scopes"] == "tasks:read tasks:write"
    assert read_key(text).text not in json.dumps(rows)  # type: ignore[union-attr]  # it is a key


def test_a_revoked_key_opens_no_more(url: str) -> None:
    """And that is final; the row stays, for the audit log names it."""
    store = KeyStore(Settings(database_url=SecretStr(url)))
    secret = read_key(make("--name", "old", "--scope", "ops:read"))
    assert secret is not None
    result = RUNNER.invoke(app, ["keys", "revoke", secret.id, "--yes"])
    assert (result.exit_code, result.stdout) == (0, f"key {secret.id} for old is revoked\n")
    first = store.revoke(secret.id)
    assert store.revoke(secret.id) == first
    assert not first.opens(secret.text, datetime.now(UTC))
    with pytest.raises(UnknownKey, match="mabos keys list"):
        store.revoke("000000000000")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--name", "x", "--scope", "all"], '"all" is no scope'),
        (["--name", "x", "--scope", "tasks:read", "--agent", "a[b]"], "only * stands for"),
        (["--name", "x", "--scope", "tasks:read", "--expires", "soon"], '"soon" is no duration such as 12h'),
        (["--name", "x"], "--scope"),
    ],
)
def test_what_makes_no_key_is_refused_by_name(url: str, arguments: list[str], says: str) -> None:
    """Before anything is written."""
    before = len(KeyStore(Settings(database_url=SecretStr(url))).list())
    result = RUNNER.invoke(app, ["keys", "create", *arguments])
    assert result.exit_code == 2
    assert says in result.output
    assert len(KeyStore(Settings(database_url=SecretStr(url))).list()) == before


def test_a_database_that_is_away_is_said(tmp_path: Path) -> None:
    """In one line that says what to do."""
    with pytest.raises(DatabaseUnavailable, match="mabos up"):
        KeyStore(Settings(database_url=SecretStr(f"postgresql:///mabos?host={tmp_path}"))).list()
