"""Keys in a real PostgreSQL, made, listed and revoked by command."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from mabos.gateway.apikeys import read_key
from mabos.gateway.errors import UnknownKey
from mabos.gateway.keystore import KeyStore
from mabos.gateway.principals import Scope
from mabos.kafka.settings import Settings
from mabos.streams.errors import DatabaseUnavailable
from mabos.streams.local_database import LocalDatabase
from tests.cli.command import Done, Mabos, environment
from tests.cli.conftest import InProcess

Keys = Callable[..., Done]


@pytest.fixture
def store(database: LocalDatabase) -> KeyStore:
    return KeyStore(Settings(database_url=SecretStr(database.url)))


@pytest.fixture
def keys(database: LocalDatabase, in_process: InProcess, tmp_path: Path, bytecode: Path) -> Keys:
    """Runs ``mabos keys``."""
    run = in_process(Mabos(environment(tmp_path, bytecode, database_url=database.url), tmp_path))
    return lambda *arguments: run("keys", *arguments)


def make(keys: Keys, *arguments: str) -> str:
    done = keys("create", *arguments)
    assert done.code == 0, done.err
    return done.out.strip()


def test_a_key_that_was_made_opens_and_its_secret_is_kept_nowhere(
    keys: Keys, store: KeyStore, database: LocalDatabase
) -> None:
    """It is shown once; the database holds a hash."""
    text = make(
        keys, "--name", "billing", "--scope", "tasks:write", "--agent", "billing-*", "--expires", "30d", "--rate", "5"
    )
    secret = read_key(text)
    assert secret is not None
    [key] = [key for key in store.list() if key.id == secret.id]
    assert key.opens(secret.text, datetime.now(UTC))
    assert (key.name, key.scopes, key.agents, key.rate_per_s) == ("billing", {Scope.TASKS_WRITE}, ("billing-*",), 5.0)
    assert key.expires_at is not None
    assert 29 <= (key.expires_at - datetime.now(UTC)).days <= 30
    with psycopg.connect(database.url) as connection:
        rows = connection.execute("SELECT api_keys::text FROM mabos_gateway.api_keys").fetchall()
    assert secret.text not in str(rows)


def test_a_list_shows_all_but_the_secret(keys: Keys, store: KeyStore) -> None:
    """For people and for programs."""
    text = make(keys, "--name", "ci", "--scope", "tasks:read", "--scope", "tasks:write")
    listed = keys("list").out
    assert "ci" in listed
    assert text not in listed
    rows = json.loads(keys("list", "-o", "json").out)
    assert next(row for row in rows if row["name"] == "ci")["scopes"] == "tasks:read tasks:write"
    assert read_key(text).text not in json.dumps(rows)  # type: ignore[union-attr]  # it is a key


def test_a_revoked_key_opens_no_more(keys: Keys, store: KeyStore) -> None:
    """And that is final; the row stays, for the audit log names it."""
    secret = read_key(make(keys, "--name", "old", "--scope", "ops:read"))
    assert secret is not None
    done = keys("revoke", secret.id, "--yes")
    assert (done.code, done.out) == (0, f"key {secret.id} for old is revoked\n")
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
        (["--name", "x", "--scope", "tasks:read", "--expires", "0h"], '"0h" is no duration such as 12h'),
        (["--name", "x"], "--scope"),
    ],
)
def test_what_makes_no_key_is_refused_by_name(keys: Keys, store: KeyStore, arguments: list[str], says: str) -> None:
    """Before anything is written."""
    before = len(store.list())
    done = keys("create", *arguments)
    assert done.code == 2
    assert says in done.err
    assert len(store.list()) == before


def test_a_database_that_is_away_is_said(tmp_path: Path) -> None:
    """In one line that says what to do."""
    with pytest.raises(DatabaseUnavailable, match="mabos up"):
        KeyStore(Settings(database_url=SecretStr(f"postgresql:///mabos?host={tmp_path}"))).list()
