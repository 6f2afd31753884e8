"""Applying a batch: whole, or record by record where the database refuses one of them."""

from __future__ import annotations

import structlog

from mabos.streams.batch import Batch, Poison
from mabos.streams.places import Claim, Place
from mabos.streams.store import RecordRefused, Store
from mabos.streams.task_rows import as_text

log = structlog.stdlib.get_logger("mabos.view")


def apply_batch(store: Store, batch: Batch, claims: dict[Place, Claim]) -> int:
    """Apply a batch to partitions that were taken, and note in the claims where that leaves each of them.

    Returns:
        How many records could not be taken; they are noted in the view, and passed.

    Raises:
        Fenced: One of the partitions was taken by another, or is not where it was left.
        psycopg.OperationalError: The database went away.
    """
    try:
        store.apply(batch, claims)
    except RecordRefused:
        return len(batch.poison) + _apply_one_by_one(store, batch, claims)
    _move(claims, batch)
    return len(batch.poison)


def _apply_one_by_one(store: Store, batch: Batch, claims: dict[Place, Claim]) -> int:
    """Find the record that PostgreSQL refuses, note it and pass it."""
    refused = 0
    for alone in batch.records_of_its_own():
        try:
            store.apply(alone, claims)
        except RecordRefused as error:
            entry = alone.entries[0] if alone.entries else alone.letters[0]
            position = f"{entry.place.topic}:{entry.place.partition}:{entry.offset}"
            log.warning("record refused by the database", position=position, cause=str(error))
            cause = as_text(str(error))
            alone.entries, alone.letters = [], []
            alone.poison = [
                Poison(place=entry.place, offset=entry.offset, at_ms=entry.at_ms, code="database", cause=cause)
            ]
            store.apply(alone, claims)
            refused += 1
        _move(claims, alone)
    return refused


def _move(claims: dict[Place, Claim], batch: Batch) -> None:
    for place, end in batch.ends.items():
        claims[place] = Claim(epoch=claims[place].epoch, next_offset=end)
