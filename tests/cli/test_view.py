"""``mabos view``: how far it is, and what it says where something is away."""

from __future__ import annotations

import json

import pytest

from mabos.streams.local_database import LocalDatabase
from tests.cli.command import Mabos
from tests.support.waiting import eventually


@pytest.fixture
def with_database(mabos: Mabos, database: LocalDatabase) -> Mabos:
    """The command with a database that has no view yet."""
    return mabos.with_env(MABOS_DATABASE_URL=database.url)


def test_a_view_is_kept_and_tells_how_far_it_is(with_database: Mabos) -> None:
    """Missing, then kept until SIGTERM; what was sent is in it, and a partition a row says so."""
    missing = with_database("view", "status")
    assert (missing.code, missing.error) == (1, "this queue has no view yet: run `mabos view run`, or `mabos up`")
    with_database("send", "-a", "a", "--task-id", "t")
    with with_database.start("view", "run") as running:
        eventually(lambda: with_database("view", "status").err.startswith("1 queued; 0 records"), timeout_s=90)
        told = with_database("view", "status", "-o", "json")
        assert running.stop() == 0
    assert told.code == 0
    rows = json.loads(told.out)
    assert len(rows) == 4 * 12
    assert {row["lag"] for row in rows} == {0}
    assert sum(row["next_offset"] for row in rows) == 1


def test_without_a_database_it_is_one_line(mabos: Mabos) -> None:
    """Exit code 3, the address without its password, and what to do."""
    away = mabos.with_env(MABOS_DATABASE_URL="postgresql://me:secret@127.0.0.1:1/x")
    for verb in ("status", "run"):
        done = away("view", verb)
        assert done.code == 3
        last = done.err.splitlines()[-1]
        assert last == (
            "error: no PostgreSQL answers at postgresql://127.0.0.1:1/x: start one with `mabos up`, "
            "or set MABOS_DATABASE_URL"
        )
        assert "secret" not in done.err


def test_without_kafka_it_is_one_line(lone_mabos: Mabos) -> None:
    """Exit code 3."""
    done = lone_mabos("view", "status")
    assert done.code == 3
    assert "no Kafka answers" in done.error
