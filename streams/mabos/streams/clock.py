"""How far the clock of the database is from this machine's."""

from __future__ import annotations

import time

import psycopg

from mabos.kafka.settings import Settings
from mabos.streams.database import connect, explain, live_schema


def measure_clocks_apart_s(settings: Settings) -> float:
    """Seconds that the clock of the database is ahead of this machine's; as exact as the way to it is short.

    Raises:
        DatabaseUnavailable: Nothing answers, or it does not let us in.
        DatabaseRefused: It is older than PostgreSQL 15.
    """
    with connect(settings, live_schema(settings.queue), autocommit=True) as connection:
        asked_s = time.time()
        try:
            row = connection.execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchone()
        except psycopg.Error as error:
            raise explain(settings, error) from error
        here_s = (asked_s + time.time()) / 2
    return float(row[0]) - here_s if row else 0.0
