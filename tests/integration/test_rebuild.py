"""A view that is made anew beside the live one, on a real broker and database."""

from __future__ import annotations

import threading

import pytest

from mabos.kafka.settings import Settings
from mabos.producers import TaskProducer
from mabos.schemas.events import Status, TaskResponse
from mabos.streams.database import next_schema
from mabos.streams.errors import RebuildRuns
from mabos.streams.filters import TaskFilter
from mabos.streams.inquiries import list_tasks, wait_until
from mabos.streams.local_database import LocalDatabase
from mabos.streams.rebuild import Progress, Rebuild
from mabos.streams.view import TaskView
from tests.support.platform import Platform
from tests.support.view import Answerer, is_caught_up, make_view, read_one, read_rows, running
from tests.support.waiting import eventually

TASKS = 300


@pytest.fixture
def settings(platform: Platform, database: LocalDatabase) -> Settings:
    """A queue with tasks, half of them answered, one answer no event at all."""
    settings = make_view(platform, database)
    answerer = Answerer(settings)
    with TaskProducer(settings) as producer:
        receipts = [
            producer.send_task_request(agent_id=f"a{n % 7}", task_id=f"t{n}", payload={"action": "x"})
            for n in range(TASKS)
        ]
        for n, receipt in enumerate(receipts[: TASKS // 2]):
            response = TaskResponse(task_id=f"t{n}", agent_id=f"a{n % 7}", status=Status.COMPLETED)
            answerer.answer(receipt.result().partition, response, flush=False)
    answerer.publish(3, b"\x01no avro")
    return settings


def interrupt(progress: Progress) -> None:
    raise KeyboardInterrupt


def test_readers_and_projectors_go_on_meanwhile(settings: Settings) -> None:
    """Who reads sees all tasks or all tasks; the projector goes on in the new tables, which hold the same rows."""
    seen: list[int] = []
    stopped = threading.Event()

    def read() -> None:
        with TaskView(settings) as view:
            while not stopped.is_set():
                seen.append(len(view.ask(list_tasks(TaskFilter(), limit=1000)).tasks))

    with running(settings):
        eventually(lambda: is_caught_up(settings), timeout_s=90)
        before = read_rows(settings)
        reader = threading.Thread(target=read)
        reader.start()
        told: list[Progress] = []
        records = [Rebuild(settings, on_progress=told.append, batch_records=100).run() for _ in range(2)]
        with TaskProducer(settings) as producer, TaskView(settings) as view:
            assert read_rows(settings) == before
            sent = producer.send_task_request(agent_id="new", payload={}).result()
            assert view.ask(wait_until(sent, 60))
        stopped.set()
        reader.join()
    assert records == [TASKS + TASKS // 2 + 1] * 2
    assert told[-1].done == told[-1].total >= records[0]
    assert set(seen) <= {TASKS, TASKS + 1}
    assert len(seen) > 1


def test_an_interrupt_leaves_the_view_as_it_was(settings: Settings) -> None:
    """And nothing beside it; where there was no view, a rebuild makes one."""
    with running(settings):
        eventually(lambda: is_caught_up(settings), timeout_s=90)
    before = read_rows(settings)
    with pytest.raises(KeyboardInterrupt):
        Rebuild(settings, on_progress=interrupt).run()
    assert read_rows(settings) == before
    found = read_one(settings, "SELECT count(*) FROM pg_namespace WHERE nspname = %s", next_schema(settings.queue))
    assert found == (0,)
    Rebuild(settings).run()
    assert read_rows(settings) == before


def test_two_at_once_are_refused(settings: Settings) -> None:
    """The second one says so, and does the first no harm."""
    refused: list[str] = []

    def again(progress: Progress) -> None:
        with pytest.raises(RebuildRuns) as caught:
            Rebuild(settings).run()
        refused.append(str(caught.value))

    Rebuild(settings, on_progress=again).run()
    assert set(refused) == {"this view is being rebuilt already: wait for that"}
    assert read_one(settings, "SELECT count(*) FROM tasks") == (TASKS,)
