"""The key store: API keys in PostgreSQL, for those who make and revoke them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import psycopg

from mabos.gateway.apikeys import ApiKey, hash_secret, make_secret
from mabos.gateway.errors import UnknownKey
from mabos.gateway.principals import Scope
from mabos.gateway.tables import SCHEMA, make_tables
from mabos.kafka.settings import Settings
from mabos.streams.database import Connection, connect, explain

_COLUMNS = "id, name, secret_sha256, scopes, agents, rate_per_s, created_at, expires_at, revoked_at"


class KeyStore:
    """Makes, lists and revokes keys. Each call is a connection of its own: they are rare.

    Args:
        settings: Where the database is.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._has_tables = False

    def create(self, wanted: ApiKey) -> tuple[ApiKey, str]:
        """Make a key.

        Args:
            wanted: What it shall be; id, secret and time of creation are made here.

        Returns:
            The key as it is kept, and the text that its bearer sends, which nobody can ever see again.

        Raises:
            DatabaseUnavailable: Nothing answers, or it does not let us in.
            DatabaseRefused: A right is missing.
        """
        secret, text = make_secret()
        key = replace(wanted, id=secret.id, secret_sha256=hash_secret(secret.text), created_at=datetime.now(UTC))
        with self._tables() as connection:
            connection.execute(
                f"INSERT INTO api_keys ({_COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",  # noqa: S608 - constants
                (
                    *(key.id, key.name, key.secret_sha256, sorted(key.scopes), list(key.agents)),
                    *(key.rate_per_s, key.created_at, key.expires_at, key.revoked_at),
                ),
            )
        return key, text

    def list(self) -> list[ApiKey]:
        """All keys, the oldest first.

        Raises:
            DatabaseUnavailable: Nothing answers, or it does not let us in.
            DatabaseRefused: A right is missing.
        """
        with self._tables() as connection:
            rows = connection.execute(f"SELECT {_COLUMNS} FROM api_keys ORDER BY created_at, id").fetchall()  # noqa: S608
        return [_read(row) for row in rows]

    def revoke(self, key_id: str) -> ApiKey:
        """Have a key refused from now on; of one that is revoked, nothing changes.

        Raises:
            UnknownKey: There is no such key.
            DatabaseUnavailable: Nothing answers, or it does not let us in.
            DatabaseRefused: A right is missing.
        """
        with self._tables() as connection:
            row = connection.execute(
                f"UPDATE api_keys SET revoked_at = coalesce(revoked_at, now()) WHERE id = %s RETURNING {_COLUMNS}",  # noqa: S608
                (key_id,),
            ).fetchone()
        if row is None:
            raise UnknownKey(f"there is no key {key_id}: `mabos keys list` shows those that there are")
        return _read(row)

    @contextmanager
    def _tables(self) -> Iterator[Connection]:
        """A transaction in which the tables are there."""
        try:
            with connect(self._settings, SCHEMA) as connection:
                connection.execute("SET LOCAL synchronous_commit = on")  # a key that was shown must not be forgotten
                if not self._has_tables:  # once: a gateway reads the keys every few seconds
                    make_tables(connection)
                yield connection
            self._has_tables = True
        except psycopg.Error as error:
            self._has_tables = False  # it may be another database by now
            raise explain(self._settings, error) from error


def _read(row: tuple[Any, ...]) -> ApiKey:
    scopes = frozenset(Scope(name) for name in row[3] if name in set(Scope))  # one of a newer release is passed over
    return ApiKey(
        id=row[0],
        name=row[1],
        secret_sha256=row[2],
        scopes=scopes,
        agents=tuple(row[4]),
        rate_per_s=row[5],
        created_at=row[6],
        expires_at=row[7],
        revoked_at=row[8],
    )
