"""Rows from records: in whatever order and batches they come, the rows are those of one plain reading of the log."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mabos.schemas.events import Status, TaskControl, TaskError, TaskRequest, TaskResponse, Verb
from mabos.streams.batch import Batch
from mabos.streams.histogram import EDGES_MS, bucket_of, percentile_ms
from mabos.streams.places import Place
from mabos.streams.references import Reference
from mabos.streams.task_rows import OUTCOMES, Entry, Key, TaskRow, fold, read_action

REQUESTS, RESPONSES, CONTROLS = "requests", "responses", "controls"
STATUSES = list(Status)
T0 = 1_700_000_000_000
PARENT = [("mabos-parent", b'{"agent_id": "b", "task_id": "p"}')]


@dataclass
class Log:
    """Three topics of two partitions, each with its records in order."""

    entries: dict[Place, list[Entry]]

    def all(self) -> list[Entry]:
        """One topic after the other, in order: the plainest way to read them."""
        return [entry for place in sorted(self.entries) for entry in self.entries[place]]


@st.composite
def logs(draw: st.DrawFn) -> Log:
    """Few tasks, so that much happens to each; agents keep to their partition, as they do in Kafka."""
    entries: dict[Place, list[Entry]] = {}
    kinds = st.sampled_from([REQUESTS, RESPONSES, RESPONSES, CONTROLS])
    for kind, task, agent, number in draw(
        st.lists(st.tuples(kinds, st.integers(0, 2), st.integers(0, 1), st.integers(0, 50)), max_size=30)
    ):
        place = Place(kind, agent)
        there = entries.setdefault(place, [])
        at_ms = T0 + 1_000 * sum(map(len, entries.values())) + number
        task_id, agent_id = f"t{task}", f"a{agent}"
        event: Any
        if kind == REQUESTS:
            payload = json.dumps({"action": f"x{number % 2}", "n": number})
            event = TaskRequest(task_id=task_id, agent_id=agent_id, payload_json=payload, deadline_ms=number or None)
        elif kind == RESPONSES:
            status = STATUSES[number % len(STATUSES)]
            error = TaskError(code=f"e{number}", message="m\x00") if status is Status.FAILED else None
            started = T0 + number if number % 3 else None
            event = TaskResponse(
                task_id=task_id, agent_id=agent_id, status=status, error=error, attempt=number, started_at_ms=started
            )
        else:
            verb = Verb.OTHER if number == 0 else Verb.CANCEL
            event = TaskControl(task_id=task_id, agent_id=agent_id, verb=verb, reason=f"r{number}")
        headers = PARENT if kind == REQUESTS and number % 2 else None
        there.append(Entry(event, place, 3 * len(there) + number % 2, at_ms, headers))
    return Log(entries)


@st.composite
def readings(draw: st.DrawFn, log: Log) -> list[list[Entry]]:
    """The same log in any interleaving of its partitions, cut into any batches."""
    left = {place: list(entries) for place, entries in log.entries.items()}
    batches: list[list[Entry]] = [[]]
    while left:
        place = draw(st.sampled_from(sorted(left)))
        batches[-1].append(left[place].pop(0))
        if not left[place]:
            del left[place]
        if draw(st.booleans()):
            batches.append([])
    return batches


def refer(log: Log) -> dict[Key, dict[str, Any]]:
    """The tiny reference: what is known of each task, looked up in the whole log at once."""
    tasks: dict[Key, dict[str, Any]] = {}
    for key in {entry.key for entry in log.all()}:
        own = [entry for entry in log.all() if entry.key == key]
        asked = [e for e in own if isinstance(e.event, TaskRequest)]
        told = [e for e in own if isinstance(e.event, TaskResponse)]
        ends = [e for e in told if e.event.status.is_terminal]  # type: ignore[union-attr]
        steps = [e for e in told if not e.event.status.is_terminal]  # type: ignore[union-attr]
        cancels = [e for e in own if isinstance(e.event, TaskControl) and e.event.verb is Verb.CANCEL]
        last: Any = (ends[:1] or steps[-1:] or [None])[0]
        outcome: Any = ends[0].event if ends else None
        state = "unasked"
        if asked:
            state = "queued"
        if steps:
            state = "in_progress"
        if ends:
            state = outcome.status.value
        tasks[key] = {
            "state": state,
            "requested_at_ms": asked[0].at_ms if asked else min(e.at_ms for e in own),
            "request_offset": asked[0].offset if asked else None,
            "duplicates": max(0, len(asked) - 1),
            "payload": asked[0].event.payload_json if asked else None,  # type: ignore[union-attr]
            "parent": Reference("p", "b") if asked and asked[0].headers else None,
            "response_offset": ends[0].offset if ends else None,
            "answered_at_ms": ends[0].at_ms if ends else None,
            "superseded": max(0, len(ends) - 1),
            "attempt": last.event.attempt if last else None,
            "started_at_ms": last.event.started_at_ms if last else None,
            "error_code": outcome.error.code if ends and outcome.error else None,
            "error_message": "m\ufffd" if ends and outcome.error else None,
            "progress_offset": steps[-1].offset if steps else None,
            "cancel_reason": cancels[0].event.reason if cancels else None,  # type: ignore[union-attr]
        }
    return tasks


def read(batches: list[list[Entry]]) -> tuple[dict[Key, TaskRow], dict[Any, Any]]:
    """Fold batch after batch onto the rows of those before, and add the minutes up."""
    rows: dict[Key, TaskRow] = {}
    minutes: dict[Any, Any] = {}
    for batch in batches:
        changes = fold(batch, {key: row for key, row in rows.items() if key in {entry.key for entry in batch}})
        rows |= {(row.task_id, row.agent_id): row for row in changes.rows}
        for key, minute in changes.minutes.items():
            there = minutes.setdefault(key, dict.fromkeys(("requested", *OUTCOMES, "ran", "wait", "run"), 0))
            for name, count in minute.counts.items():
                there[name] += count
            there["ran"] += sum(minute.run_counts)
            there["wait"] += minute.wait_ms_sum
            there["run"] += minute.run_ms_sum
            assert sum(minute.wait_counts) == sum(minute.run_counts)
    return rows, minutes


def as_compared(row: TaskRow, wanted: dict[str, Any]) -> dict[str, Any]:
    return {name: row.state if name == "state" else getattr(row, name) for name in wanted}


@settings(max_examples=200, deadline=None)
@given(data=st.data(), log=logs())
def test_any_interleaving_and_batching_gives_the_rows_of_the_reference(data: st.DataObject, log: Log) -> None:
    """The rows are what a look at the whole log says; the minutes are the same however it was read."""
    rows, minutes = read(data.draw(readings(log)))
    wanted = refer(log)
    assert {key: as_compared(row, wanted[key]) for key, row in rows.items()} == wanted
    plain_rows, plain_minutes = read([[entry] for entry in log.all()])
    assert {key: asdict(row) for key, row in rows.items()} == {key: asdict(row) for key, row in plain_rows.items()}
    assert minutes == plain_minutes
    complete = [row for row in rows.values() if row.is_complete]
    assert sum(minute[name] for minute in minutes.values() for name in OUTCOMES) == len(complete)
    assert sum(minute["requested"] for minute in minutes.values()) == sum(
        row.request_offset is not None for row in rows.values()
    )


@pytest.mark.parametrize(
    ("payload", "action"),
    [
        ('{"action": "sum"}', "sum"),
        ('{"action": "a\\u0000b"}', "a\ufffdb"),
        ('{"action": 1}', None),
        ("[1]", None),
        ("{", None),
        (json.dumps({"action": "x" * 10_000}), "x" * 255),
    ],
)
def test_an_action_is_text_that_an_index_takes(payload: str, action: str | None) -> None:
    """What a foreign program sends there stops nothing."""
    assert read_action(payload) == action


def test_a_batch_falls_apart_into_its_records() -> None:
    """Each with its own place and end, and at last what the offsets pass besides."""
    place = Place(REQUESTS, 0)
    entries = [Entry(TaskRequest(task_id=f"t{n}", agent_id="a", payload_json="{}"), place, n, T0, None) for n in (4, 7)]
    batch = Batch(entries=entries, ends={place: 9}, records=2)
    assert [(part.entries, part.ends) for part in batch.records_of_its_own()] == [
        (entries[:1], {place: 5}),
        (entries[1:], {place: 8}),
        ([], {place: 9}),
    ]


@given(st.lists(st.integers(-5, 2 * 10**9), min_size=1), st.floats(0.01, 1))
def test_a_percentile_is_never_too_good_and_a_fifth_off_at_most(durations_ms: list[int], share: float) -> None:
    """Against the durations themselves; up to 1 ms and beyond six days it says only that."""
    counts = [0] * (len(EDGES_MS) + 1)
    for duration_ms in durations_ms:
        counts[bucket_of(duration_ms)] += 1
    told = percentile_ms(counts, share)
    ordered = sorted(durations_ms)
    true_ms = next(d for n, d in enumerate(ordered, 1) if n >= share * len(ordered))
    assert told is not None
    assert told >= min(true_ms, EDGES_MS[-1])
    assert told <= max(1, true_ms * 2 ** (1 / 4) * 1.0001)


def test_no_durations_have_no_percentile() -> None:
    """Rather than 0."""
    assert percentile_ms([], 0.5) is None
