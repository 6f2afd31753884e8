"""Replay from the log of a real broker: looking at tasks, publishing them again, verifying handlers."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from examples.agents import agents as example_agents
from mabos.cli.task_lines import read_lines
from mabos.consumers import (
    AgentGroup,
    History,
    Inspection,
    InvalidReplay,
    PastTask,
    Reject,
    ReplayPlan,
    Reprocessing,
    Selection,
    Task,
    Verification,
    VerifyLimits,
    find_reach,
)
from mabos.consumers.lineage import read_replay_of
from mabos.kafka.admin import Cluster
from mabos.kafka.clients import librdkafka_config, open_registry
from mabos.kafka.partitioner import partition_of
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from mabos.producers import TaskProducer
from mabos.schemas import REQUEST, Codec, Status, new_task_id
from tests.support.platform import Platform
from tests.support.road import Stored, read_lag, read_topic, running
from tests.support.waiting import eventually

AGENTS = [f"agent-{number}" for number in range(6)]
EACH = 6
GROUP = "replayed"


def make_agents() -> AgentGroup:
    agents = AgentGroup(GROUP)

    @agents.on_task_request("double")
    def double(task: Task) -> dict[str, Any]:
        return {"n": 2 * task.payload["n"]}

    @agents.on_task_request("refuse")
    def refuse(task: Task) -> dict[str, Any]:
        raise Reject("no")

    return agents


def publish(settings: Settings, count: int, agents: list[str] = AGENTS) -> None:
    """So many tasks for each agent, named after it; each third is refused."""
    with TaskProducer(settings) as producer:
        for number, agent in itertools.product(range(count), agents):
            payload = {"action": "double" if number % 3 else "refuse", "n": number}
            producer.send_task_request(
                agent_id=agent, payload=payload, task_id=f"{agent}-{number}", headers={"tenant": "7"}
            )


def work_off(settings: Settings, agents: AgentGroup) -> None:
    """Have a worker answer all there is."""
    with running(agents, settings):
        eventually(lambda: not read_lag(settings, agents.name), timeout_s=60)


@pytest.fixture(scope="module")
def recorded(platform: Platform) -> Settings:
    """A queue with 36 tasks that are answered and, asked later, one that is not."""
    settings = platform.new_queue()
    publish(settings, EACH)
    work_off(settings, make_agents())
    with TaskProducer(settings) as producer:
        producer.send_task_request(agent_id="agent-0", payload={"action": "double", "n": 0}, task_id="late").result()
    return settings


def read(settings: Settings, **wanted: Any) -> list[PastTask]:
    selection = Selection(**wanted)
    return list(History(settings, open_registry(settings), selection, find_reach(settings, selection)))


def names(tasks: list[PastTask]) -> set[str]:
    return {task.request.task_id for task in tasks}


def make_plan(settings: Settings, **wanted: Any) -> ReplayPlan:
    selection = Selection(**wanted)
    return ReplayPlan(queue=settings.queue, selection=selection, reach=find_reach(settings, selection))


def reprocess(settings: Settings, plan: ReplayPlan, **options: Any) -> Reprocessing:
    return Reprocessing(settings, open_registry(settings), plan, **options)


def requests_of(settings: Settings) -> list[Stored]:
    return read_topic(settings, Queue(name=settings.queue).requests)


def replayed(settings: Settings) -> Counter[str]:
    """How often each old request was published again, by its position."""
    found = [read_replay_of([(name, data or b"") for name, data in one.headers]) for one in requests_of(settings)]
    return Counter(str(one.position) for one in found if one is not None)


def delete_before(settings: Settings, topic: str, offsets: dict[int, int]) -> None:
    """Delete the beginning of some partitions, as retention does."""
    admin = AdminClient(librdkafka_config(settings, "admin"))
    places = [TopicPartition(topic, partition, offset) for partition, offset in offsets.items()]
    for future in admin.delete_records(places).values():
        future.result(30)


def test_each_request_has_its_outcome_beside_it(recorded: Settings) -> None:
    """All tasks, in the order of their places, with what became of them; the one that nobody did has none."""
    tasks = read(recorded)
    assert len(tasks) == len(names(tasks)) == len(AGENTS) * EACH + 1
    assert [task.position for task in tasks] == sorted(task.position for task in tasks)
    for task in tasks:
        if task.request.task_id == "late":
            assert task.outcome is None
        else:
            assert task.outcome is not None
            assert task.outcome.task_id == task.request.task_id
            assert task.outcome_position is not None
            assert task.outcome_position.partition == task.position.partition
            assert task.status is (Status.COMPLETED if task.action == "double" else Status.REJECTED)


def test_tasks_are_found_by_what_they_are(recorded: Settings) -> None:
    """By agent, name, action and outcome, and by all together."""
    assert names(read(recorded, agent_id="agent-3")) == {f"agent-3-{number}" for number in range(EACH)}
    assert names(read(recorded, task_id="agent-2-1")) == {"agent-2-1"}
    assert {task.action for task in read(recorded, action="refuse")} == {"refuse"}
    assert names(read(recorded, statuses=frozenset({None}))) == {"late"}
    assert len(read(recorded, statuses=frozenset({Status.REJECTED, None}))) == 2 * len(AGENTS) + 1
    rejected = read(recorded, agent_id="agent-1", statuses=frozenset({Status.REJECTED}))
    assert names(rejected) == {"agent-1-0", "agent-1-3"}


def test_tasks_are_found_by_where_and_when_they_were_asked(recorded: Settings) -> None:
    """By offset and by time; of one agent, one partition is read."""
    tasks = read(recorded)
    late = next(task for task in tasks if task.request.task_id == "late")
    assert names(read(recorded, since_ms=late.appended_at_ms)) == {"late"}
    assert "late" not in names(read(recorded, until_ms=late.appended_at_ms))
    partition = partition_of(b"agent-3", len(Cluster(recorded).end_offsets(Queue(name=recorded.queue).requests)))
    there = [task for task in tasks if task.position.partition == partition]
    places = [task.position.offset for task in there]
    found = read(recorded, begin={partition: places[1]}, end={partition: places[3]})
    assert [task.position.offset for task in found] == places[1:3]
    selection = Selection(agent_id="agent-3")
    history = History(recorded, open_registry(recorded), selection, find_reach(recorded, selection))
    assert {task.position.partition for task in history} == {partition}
    assert history.done == len(there)


def test_a_replay_touches_no_groups_offsets(recorded: Settings) -> None:
    """The task that the group has not done stays undone, as far as the group knows."""
    before = read_lag(recorded, GROUP)
    read(recorded)
    assert read_lag(recorded, GROUP) == before
    assert sum(before.values()) == 1


def test_a_count_tells_what_became_of_each_action(recorded: Settings) -> None:
    """As a job: started, looked at, and asked for its result."""
    selection = Selection()
    job = Inspection(recorded, open_registry(recorded), selection, find_reach(recorded, selection))
    job.start()
    found = job.result(60)
    assert found.tasks == {("double", Status.COMPLETED): 24, ("refuse", Status.REJECTED): 12, ("double", None): 1}
    assert (found.is_whole, found.total, found.records) == (True, 37, 37)
    assert job.progress.done == job.progress.total == 37


def test_offsets_that_are_gone_are_said(settings: Settings) -> None:
    """Deleted before the replay begins, or after it has settled what to read; what is left is read all the same."""
    publish(settings, 10, ["a"])
    topic = Queue(name=settings.queue).requests
    partition = partition_of(b"a", len(Cluster(settings).end_offsets(topic)))
    selection = Selection(begin={partition: 0})
    early = find_reach(settings, selection)
    delete_before(settings, topic, {partition: 4})
    late = find_reach(settings, selection)
    assert late.remarks == (f"partition {partition}: offsets 0 to 3 are gone: the log begins at 4",)
    assert early.remarks == ()
    history = History(settings, open_registry(settings), selection, early, joins=False)
    assert [task.position.offset for task in history] == list(range(4, 10))
    assert history.remarks == (f"partition {partition}: offsets 0 to 3 went while the log was read",)
    delete_before(settings, topic, {partition: 10})
    history = History(settings, open_registry(settings), selection, early, joins=False)
    assert list(history) == []
    assert history.remarks == (f"partition {partition}: offsets 0 to 9 went while the log was read",)
    assert history.done == early.records


def test_outcomes_that_are_gone_are_no_proof_that_there_was_none(settings: Settings) -> None:
    """Where the responses of that time were deleted, a task without an outcome is told to be doubtful."""
    publish(settings, 4, ["a"])
    agents = make_agents()
    agents.name = f"{GROUP}-{settings.queue}"
    work_off(settings, agents)
    topic = Queue(name=settings.queue).responses
    partition = partition_of(b"a", len(Cluster(settings).end_offsets(topic)))
    delete_before(settings, topic, {partition: 2})
    selection = Selection(agent_id="a")
    history = History(settings, open_registry(settings), selection, find_reach(settings, selection))
    assert [task.status is None for task in history] == [True, True, False, False]
    assert history.remarks == (
        f"partition {partition}: responses before 2 are gone: tasks that seem to have no outcome may have had one",
    )


def test_old_requests_become_new_tasks_in_their_old_order(settings: Settings) -> None:
    """Each names the old one, keeps its payload and the caller's headers, and stands in its agent's partition."""
    publish(settings, 4)
    plan = make_plan(settings, action="double")
    dry = reprocess(settings, plan, is_dry=True).run()
    assert (dry.total, len(requests_of(settings))) == (12, 24)
    done = reprocess(settings, plan).run()
    assert (dict(done.tasks), done.is_whole, done.published_before) == ({"double": 12}, True, 0)
    topic = Queue(name=settings.queue).requests
    codec = Codec.for_topic(REQUEST, topic, open_registry(settings))
    old = {
        f"{topic}:{one.partition}:{one.offset}": one
        for one in requests_of(settings)
        if "mabos-replay" not in one.header
    }
    order: dict[str, list[int]] = {}
    for one in requests_of(settings):
        if "mabos-replay" in one.header:
            new = codec.decode(one.value)
            replay_of = read_replay_of([(name, data or b"") for name, data in one.headers])
            assert replay_of is not None
            before = old[str(replay_of.position)]
            asked = codec.decode(before.value)
            assert (replay_of.task_id, new.payload_json) == (asked.task_id, asked.payload_json)
            assert new.task_id == plan.new_task_id(replay_of.position)
            assert (one.partition, one.key, one.header["tenant"]) == (before.partition, before.key, b"7")
            order.setdefault(new.agent_id, []).append(replay_of.position.offset)
    assert sorted(order) == sorted(AGENTS)
    assert all(offsets == sorted(offsets) for offsets in order.values())


def test_a_replay_never_takes_its_own_output_nor_unasked_that_of_another(settings: Settings) -> None:
    """The same plan again publishes nothing; another plan passes over what a replay published, unless it is told."""
    publish(settings, 1)
    first = make_plan(settings)
    assert reprocess(settings, first).run().total == 6
    again = reprocess(settings, first).run()
    assert (again.total, again.published_before) == (0, 6)
    second = make_plan(settings)
    over = reprocess(settings, second, is_dry=True).run()
    assert (over.total, over.replays) == (6, 6)
    asked = reprocess(settings, replace(second, takes_replays=True), is_dry=True).run()
    assert (asked.total, asked.replays) == (12, 0)
    assert len(requests_of(settings)) == 12


def test_a_reprocessing_is_throttled_stops_in_order_and_goes_on(settings: Settings) -> None:
    """It takes the time that its rate says; stopped, it tells how far it is; another with its plan does the rest."""
    publish(settings, 20)
    plan = make_plan(settings)
    job = reprocess(settings, plan, rate=50, expected=120)
    began_s = time.monotonic()
    job.start()
    eventually(lambda: job.progress.done >= 40, timeout_s=60)
    assert time.monotonic() - began_s >= 39 / 50 - 0.1  # it may make up for a tenth of a second
    job.stop()
    stopped = job.result(60)
    assert not stopped.is_whole
    assert stopped.total == job.progress.done == sum(replayed(settings).values()) < 120
    rest = reprocess(settings, plan).run()
    assert (rest.published_before, rest.total) == (stopped.total, 120 - stopped.total)
    assert set(replayed(settings).values()) == {1}
    assert len(replayed(settings)) == 120


def test_old_deadlines_are_dropped_unless_they_are_wanted(settings: Settings) -> None:
    """Kept, they are the same moment, which mostly is past; shifted, they leave the new task as much time."""
    with TaskProducer(settings) as producer:
        deadline = datetime.now(UTC) + timedelta(hours=1)
        producer.send_task_request(agent_id="a", payload={}, deadline=deadline).result()
    [old] = read(settings)
    plan = make_plan(settings)
    for how in ("drop", "keep", "shift"):
        one = replace(plan, replay_id=new_task_id(), deadlines=how)  # type: ignore[arg-type]  # a literal
        assert reprocess(settings, one).run().total == 1
    _, dropped, kept, shifted = [task.request.deadline_ms for task in read(settings)]
    assert dropped is None
    assert kept == old.request.deadline_ms
    assert shifted == pytest.approx(time.time() * 1000 + 3_600_000, abs=60_000)


def test_a_plan_of_another_queue_is_refused(recorded: Settings, settings: Settings) -> None:
    """Its offsets would mean other tasks."""
    with pytest.raises(InvalidReplay, match=recorded.queue):
        reprocess(settings, make_plan(recorded))


def verify(agents: AgentGroup, settings: Settings, limits: VerifyLimits | None = None) -> Verification:
    selection = Selection()
    return Verification(agents, settings, open_registry(settings), selection, find_reach(settings, selection), limits)


def test_the_example_agents_agree_and_a_planted_change_is_named(settings: Settings) -> None:
    """Every recorded outcome is what they answer today; after a change, the action and the difference are told."""
    tasks = Path(__file__).parents[2] / "examples" / "tasks.jsonl"
    with TaskProducer(settings) as producer, tasks.open("rb") as lines:
        for line in itertools.islice(read_lines(lines), 100):
            assert line.task is not None
            producer.send_task_request(**line.task)
    work_off(settings, example_agents)
    ends = Cluster(settings).end_offsets(Queue(name=settings.queue).responses)

    same = verify(example_agents, settings).run()
    assert (same.compared, same.differed, same.mismatches, same.is_whole) == (100, 0, (), True)

    changed = AgentGroup("changed")
    for handler in example_agents.handlers:
        if handler.action != "word_count":
            changed.on_task_request(handler.action)(handler.function)

    @changed.on_task_request("word_count")
    def count_text(task: Task) -> dict[str, Any]:
        answer: Any = example_agents.find_handler("word_count").function(task)  # type: ignore[union-attr]
        return answer | {"words": answer["words"] + 1}

    other = verify(changed, settings, VerifyLimits(max_mismatches=1)).run()
    assert {action for action, found in other.actions.items() if found.differed} == {"word_count"}
    [mismatch] = other.mismatches
    [difference] = mismatch.differences
    assert (mismatch.action, difference.path) == ("word_count", "result.words")
    assert int(difference.today) == int(difference.recorded) + 1
    assert verify(changed, settings, VerifyLimits(ignored=frozenset({"words"}))).run().differed == 0
    assert verify(changed, settings, VerifyLimits(max_tasks=5)).run().compared == 5
    assert Cluster(settings).end_offsets(Queue(name=settings.queue).responses) == ends
