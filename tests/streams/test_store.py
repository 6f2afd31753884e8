"""The store on a real database: rows as the pure fold has them, fenced, and a record that PostgreSQL refuses."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import SecretStr

from mabos.kafka.settings import Settings
from mabos.schemas.events import Status, TaskRequest, TaskResponse
from mabos.streams.batch import Batch, Poison
from mabos.streams.database import (
    connect,
    ensure_view,
    live_schema,
    next_schema,
    require_view,
    swap_generations,
)
from mabos.streams.errors import DatabaseUnavailable, ViewMissing
from mabos.streams.local_database import LocalDatabase
from mabos.streams.places import Claim, Place
from mabos.streams.store import Fenced, RecordRefused, Store
from mabos.streams.task_rows import Entry, Key, TaskRow
from tests.streams.test_task_rows import Log, logs, readings
from tests.support.view import TABLES, read_drift, read_one, read_rows

T0 = 1_700_000_000_000
PLACE = Place("requests", 0)


@pytest.fixture(scope="module")
def settings(database: LocalDatabase) -> Settings:
    """Settings of a queue of this module's own."""
    return Settings(database_url=SecretStr(database.url), queue="my-tasks")


def open_store(settings: Settings, schema: str) -> Store:
    return Store(connect(settings, schema))


def ask(offset: int, task_id: str = "t", payload: str = "{}") -> Entry:
    return Entry(TaskRequest(task_id=task_id, agent_id="a", payload_json=payload), PLACE, offset, T0 + offset, None)


def batch_of(*entries: Entry) -> Batch:
    return Batch(entries=list(entries), ends={e.place: e.offset + 1 for e in entries}, records=len(entries))


def ends_of(batch: Batch, claims: dict[Place, Claim]) -> dict[Place, Claim]:
    """The claims once the batch is applied."""
    return {place: Claim(epoch=claims[place].epoch, next_offset=end) for place, end in batch.ends.items()}


def apply_all(store: Store, batches: list[list[Entry]]) -> None:
    claims = store.take({entry.place for batch in batches for entry in batch})
    for batch in filter(None, batches):
        made = batch_of(*batch)
        store.apply(made, claims)
        claims |= ends_of(made, claims)


@hypothesis_settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), log=logs())
def test_any_batching_gives_the_same_tables(settings: Settings, data: st.DataObject, log: Log) -> None:
    """Row for row and column for column, minutes and histograms too."""
    found = []
    for batches in (data.draw(readings(log)), [[entry] for entry in log.all()]):
        schema = live_schema(settings.queue)
        ensure_view(settings, schema)
        with connect(settings, schema) as connection:
            connection.execute(f"TRUNCATE {', '.join(TABLES)}, agent_states, partitions")  # type: ignore[arg-type]  # our own names
        store = open_store(settings, schema)
        apply_all(store, batches)
        store.close()
        found.append(read_rows(settings))
    assert found[0] == found[1]


def test_a_batch_applied_again_changes_nothing(settings: Settings, schema: str) -> None:
    """Whoever does not know whether it was applied finds that its partition has moved on."""
    store = open_store(settings, schema)
    claims = store.take([PLACE])
    store.apply(batch_of(ask(0), ask(1)), claims)
    before = read_rows(settings)
    with pytest.raises(Fenced):
        store.apply(batch_of(ask(0), ask(1)), claims)
    assert read_rows(settings) == before
    assert store.take([PLACE])[PLACE].next_offset == 2
    store.close()


@hypothesis_settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), log=logs())
def test_counts_are_those_of_the_rows_whatever_happens(settings: Settings, data: st.DataObject, log: Log) -> None:
    """Batches, batches that come again, a projector whose partitions are taken, and retention in between."""
    schema = live_schema(settings.queue)
    ensure_view(settings, schema)
    with connect(settings, schema) as connection:
        connection.execute(f"TRUNCATE {', '.join(TABLES)}, agent_states, partitions")  # type: ignore[arg-type]
    with closing(open_store(settings, schema)) as one, closing(open_store(settings, schema)) as other:
        writer, idle = one, other
        claims = writer.take(log.entries)
        for entries in filter(None, data.draw(readings(log))):
            batch, happens = batch_of(*entries), data.draw(st.sampled_from(["nothing", "again", "taken", "forget"]))
            if happens == "taken":
                writer, idle = idle, writer
                stale, claims = claims, writer.take(log.entries)
                with pytest.raises(Fenced):
                    idle.apply(batch, stale)
            elif happens == "forget":
                limit = datetime.fromtimestamp(T0 / 1000 + data.draw(st.integers(0, 40)), UTC)
                idle.forget_before(limit, at_most=data.draw(st.integers(1, 3)))
            writer.apply(batch, claims)
            if happens == "again":
                with pytest.raises(Fenced):
                    writer.apply(batch, claims)
            claims |= ends_of(batch, claims)
            assert read_drift(settings) == []
        writer.forget_before(datetime.now(UTC), at_most=1000)
        assert read_one(settings, "SELECT count(*) FROM agent_states") == (0,)


def test_a_view_without_counts_gains_them(settings: Settings, schema: str) -> None:
    """Of the tasks that are there, in a view from before there were any."""
    store = open_store(settings, schema)
    store.apply(batch_of(ask(0), ask(1, "u")), store.take([PLACE]))
    store.close()
    with connect(settings, schema) as connection:
        connection.execute("DROP TABLE agent_states; DROP INDEX tasks_waiting")
    for _ in range(2):
        ensure_view(settings, schema)
        assert read_one(settings, "SELECT agent_id, state, tasks FROM agent_states") == ("a", "queued", 2)
        assert read_drift(settings) == []


class MetStore(Store):
    """Once it has looked for the rows of a batch, another projector writes one of them."""

    other: Store
    answered: Batch
    claims: dict[Place, Claim]

    def _find(self, keys: Collection[Key]) -> dict[Key, TaskRow]:
        found = super()._find(keys)
        if not found:
            self.other.apply(self.answered, self.claims)
        return found


def test_two_projectors_may_meet_in_a_new_row(settings: Settings, schema: str) -> None:
    """When the answer is in another partition than the request: whoever comes second adds to what the first wrote."""
    store, other = MetStore(connect(settings, schema)), open_store(settings, schema)
    elsewhere = Place("responses", 1)
    answer = TaskResponse(task_id="t", agent_id="a", status=Status.COMPLETED)
    store.other, store.claims = other, other.take([elsewhere])
    store.answered = batch_of(Entry(answer, elsewhere, 0, T0 + 5, None))
    store.apply(batch_of(ask(0)), store.take([PLACE]))
    assert read_one(settings, "SELECT state, request_offset, response_partition, superseded FROM tasks") == (
        "completed",
        0,
        1,
        0,
    )
    assert read_one(settings, "SELECT sum(requested), sum(completed) FROM agent_minutes") == (1, 1)
    assert read_drift(settings) == []
    store.close()
    other.close()


def test_a_zombie_changes_nothing(settings: Settings, schema: str) -> None:
    """Once another has taken the partition, also when it has applied nothing yet."""
    old, new = open_store(settings, schema), open_store(settings, schema)
    claims = old.take([PLACE])
    newer = new.take([PLACE])
    assert newer[PLACE].epoch > claims[PLACE].epoch
    with pytest.raises(Fenced):
        old.apply(batch_of(ask(0)), claims)
    assert read_rows(settings)["tasks"] == []
    new.apply(batch_of(ask(0)), newer)
    assert len(read_rows(settings)["tasks"]) == 1
    old.close()
    new.close()


def test_a_value_that_postgresql_refuses_is_told_apart(settings: Settings, schema: str) -> None:
    """Nothing of its batch is kept, and the store goes on with the next."""
    store = open_store(settings, schema)
    claims = store.take([PLACE])
    bad = replace(ask(1, "bad"), offset=2**70)
    with pytest.raises(RecordRefused):
        store.apply(Batch(entries=[ask(0), bad], ends={PLACE: 2}, records=2), claims)
    assert read_rows(settings)["tasks"] == []
    noted = Poison(place=PLACE, offset=0, at_ms=T0, code="database", cause="too large")
    store.apply(Batch(poison=[noted], ends={PLACE: 1}, records=1), claims)
    assert read_rows(settings)["poisoned"][0][:4] == ("requests", 0, 0, "database")
    store.close()


def test_the_next_generation_takes_the_place_of_the_live_one(settings: Settings, schema: str) -> None:
    """For readers at once; for a projector of the old one, its partitions are taken."""
    store = open_store(settings, schema)
    claims = store.take([PLACE])
    store.apply(batch_of(ask(0, "old")), claims)
    claims = {PLACE: Claim(epoch=1, next_offset=1)}
    ensure_view(settings, next_schema(settings.queue))
    other = open_store(settings, next_schema(settings.queue))
    other.apply(batch_of(ask(0, "new")), other.take([PLACE]))
    other.close()
    with require_view(settings, schema) as reader:
        query = "SELECT task_id FROM tasks"
        assert reader.execute(query).fetchall() == [("old",)]
        swap_generations(settings, settings.queue)
        assert reader.execute(query).fetchall() == [("new",)]
    with pytest.raises(Fenced):
        store.apply(batch_of(ask(1, "more")), claims)
    claims = store.take([PLACE])
    store.apply(batch_of(ask(1, "more")), claims)
    assert sorted(row[17] for row in read_rows(settings)["tasks"]) == ["more", "new"]
    store.close()


def test_old_tasks_are_forgotten_a_few_at_a_time(settings: Settings, schema: str) -> None:
    """The oldest first, until none is left of before the limit."""
    store = open_store(settings, schema)
    store.apply(batch_of(*[ask(n, f"t{n}") for n in range(5)]), store.take([PLACE]))
    limit = datetime.fromtimestamp((T0 + 3) / 1000, UTC)
    assert [store.forget_before(limit, at_most=2) for _ in range(3)] == [2, 1, 0]
    assert sorted(row[17] for row in read_rows(settings)["tasks"]) == ["t3", "t4"]
    store.close()


SAMPLES = "SELECT minute, partition, queued, oldest_ms FROM backlog_minutes ORDER BY 1, 2"


def read_samples(settings: Settings) -> list[tuple[Any, ...]]:
    with connect(settings, live_schema(settings.queue)) as connection:
        return connection.execute(SAMPLES).fetchall()


def test_samples_keep_the_highest_of_a_minute(settings: Settings, schema: str) -> None:
    """Tasks that wait and the oldest of them, by partition; zeros where nothing waits, and nothing of a zombie."""
    empty, minute = Place("requests", 1), datetime.fromtimestamp(T0 // 60_000 * 60, UTC)
    store, other = open_store(settings, schema), open_store(settings, schema)
    claims = store.take([PLACE, empty])
    store.apply(batch_of(ask(0, "t"), ask(500, "u")), claims)
    answer = TaskResponse(task_id="t", agent_id="a", status=Status.COMPLETED)
    responses = Place("responses", 0)
    store.sample_backlog(claims, minute + timedelta(seconds=40))
    store.apply(batch_of(Entry(answer, responses, 0, T0 + 5, None)), store.take([responses]))
    store.sample_backlog(claims, minute + timedelta(seconds=50))
    since_ms = (minute + timedelta(seconds=50)).timestamp() * 1000 - T0 - 500
    first_ms = (minute + timedelta(seconds=40)).timestamp() * 1000 - T0
    assert read_samples(settings) == [(minute, 0, 2, max(since_ms, first_ms)), (minute, 1, 0, 0)]
    other.take([PLACE])
    store.sample_backlog(claims, minute + timedelta(seconds=70))
    assert [row[:2] for row in read_samples(settings)[2:]] == [(minute + timedelta(seconds=60), 1)]
    store.forget_before(minute + timedelta(seconds=1), at_most=1)
    assert len(read_samples(settings)) == 1
    store.close()
    other.close()


def test_what_no_rebuild_can_know_is_kept(settings: Settings, schema: str) -> None:
    """The samples go over to the next generation; a view from before there were any gains their table."""
    with connect(settings, schema) as connection:
        connection.execute("DROP TABLE backlog_minutes")
    ensure_view(settings, next_schema(settings.queue))
    swap_generations(settings, settings.queue)
    assert read_samples(settings) == []
    with connect(settings, schema) as connection:
        connection.execute("DROP TABLE backlog_minutes")
    ensure_view(settings, schema)
    store = open_store(settings, schema)
    store.sample_backlog(store.take([PLACE]), datetime.now(UTC))
    store.close()
    before = read_samples(settings)
    ensure_view(settings, next_schema(settings.queue))
    swap_generations(settings, settings.queue)
    assert read_samples(settings) == before != []


def test_what_is_missing_is_one_line(settings: Settings) -> None:
    """No view yet, or no database."""
    with pytest.raises(ViewMissing, match="has no view yet: run `mabos view run`"):
        require_view(settings, live_schema("nothing"))
    away = settings.model_copy(update={"database_url": SecretStr("postgresql://u:secret@127.0.0.1:1/x")})
    with pytest.raises(DatabaseUnavailable) as caught:
        require_view(away, live_schema("nothing"))
    assert str(caught.value) == (
        "no PostgreSQL answers at postgresql://127.0.0.1:1/x: start one with `mabos up`, or set MABOS_DATABASE_URL"
    )


@pytest.mark.parametrize("queue", ["tasks", "tasks-next", "next-tasks", "a" * 100, "a" * 99 + "b"])
def test_each_queue_has_schemas_of_its_own(queue: str) -> None:
    """Names that PostgreSQL does not cut, and that no other queue has."""
    names = {live_schema(queue), next_schema(queue)}
    assert all(len(name) <= 63 for name in names)
    others: set[Any] = {"tasks", "tasks-next", "next-tasks", "a" * 100, "a" * 99 + "b"} - {queue}
    assert names.isdisjoint({name for other in others for name in (live_schema(other), next_schema(other))})
