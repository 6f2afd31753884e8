"""What the doctor makes of what it finds."""

from __future__ import annotations

from typing import Any

import pytest

from mabos.cli.checks import (
    State,
    check_broker_config,
    check_brokers,
    check_clocks,
    check_files,
    check_groups,
    check_schemas,
    check_space,
    check_topics,
    check_view,
)
from mabos.kafka.topic_state import TopicState
from mabos.streams.lag import GroupLag, Member, PartitionLag

WEEK_MS = 7 * 86_400_000
GOOD = {
    "group.consumer.session.timeout.ms": "10000",
    "offsets.retention.minutes": "10080",
    "auto.create.topics.enable": "false",
}


def topic(**changes: Any) -> TopicState:
    """A topic with nothing wrong, but for this."""
    good: dict[str, Any] = {
        "name": "mabos.tasks.requests",
        "exists": True,
        "partitions": 12,
        "replicas": 3,
        "records": 0,
        "retention_ms": WEEK_MS,
        "cleanup_policy": "delete",
        "lagging_partitions": 0,
        "leaderless_partitions": 0,
        "drift": (),
    }
    return TopicState(**good | changes)


def group(*, committed: int | None, begin: int = 0, end: int = 10, members: int = 0) -> GroupLag:
    """A group that has one partition of the requests."""
    place = PartitionLag(topic="mabos.tasks.requests", partition=0, committed=committed, begin=begin, end=end)
    who = tuple(Member(member_id=f"m{number}", client_id="c", host="h") for number in range(members))
    return GroupLag(group="g", state="stable", protocol="consumer", members=who, partitions=(place,))


def test_what_is_well_is_fine() -> None:
    """And has no advice."""
    checks = [
        check_brokers(3, is_local=False),
        *check_broker_config(GOOD, retention_ms=WEEK_MS),
        *check_topics([topic()]),
        check_schemas([], []),
        *check_groups([group(committed=10), group(committed=0, members=1)]),
        check_clocks(0.2),
        check_view(3, 0),
        check_files(20_000),
        check_space(50 << 30, "/data"),
    ]
    assert {(check.state, check.advice) for check in checks} == {(State.FINE, None)}


def test_one_broker_is_enough_on_this_machine_only() -> None:
    """Elsewhere a lost disk loses tasks."""
    assert check_brokers(1, is_local=True).state is State.FINE
    assert check_brokers(2, is_local=False).state is State.LOOK


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("group.consumer.session.timeout.ms", "45000", "wait 45 s"),
        ("offsets.retention.minutes", "1440", "remembered for 1 days"),
        ("auto.create.topics.enable", "true", "made by whoever names one"),
    ],
)
def test_a_setting_of_the_broker_that_will_surprise_is_worth_a_look(name: str, value: str, told: str) -> None:
    """Each with what to set."""
    (check,) = [one for one in check_broker_config(GOOD | {name: value}, retention_ms=WEEK_MS) if one.advice]
    assert check.state is State.LOOK
    assert told in check.found
    assert name in (check.advice or "")


def test_groups_are_forgotten_before_requests_that_are_kept_for_ever() -> None:
    """However long they are remembered."""
    checks = check_broker_config(GOOD, retention_ms=None)
    assert [check.check for check in checks if check.state is State.LOOK] == ["offsets"]


def test_what_a_broker_does_not_tell_is_passed_over() -> None:
    """An older one knows no such settings."""
    assert check_broker_config({"offsets.retention.minutes": "often"}, retention_ms=WEEK_MS) == []


@pytest.mark.parametrize(
    ("changes", "check", "state"),
    [
        ({"exists": False}, "topics", State.WRONG),
        ({"drift": ("retention.ms is 1",)}, "topics", State.LOOK),
        ({"lagging_partitions": 2}, "copies", State.LOOK),
        ({"leaderless_partitions": 1}, "copies", State.WRONG),
    ],
)
def test_a_topic_that_is_not_as_wanted_is_told(changes: dict[str, Any], check: str, state: State) -> None:
    """Missing, changed, or without its copies."""
    found = [(one.check, one.state) for one in check_topics([topic(), topic(**changes)]) if one.advice]
    assert found == [(check, state)]


def test_schemas_that_are_not_there_or_do_not_fit_are_wrong() -> None:
    """Nothing could be written or read."""
    assert check_schemas(["a-value"], []).advice == "`mabos schema register`"
    assert "field x" in check_schemas(["a-value"], ["a-value: field x"]).found


def test_tasks_that_wait_for_nobody_are_worth_a_look() -> None:
    """With workers they are not."""
    (waiting,) = check_groups([group(committed=4)])
    assert (waiting.state, waiting.found) == (State.LOOK, "g: 6 tasks waiting, 0 workers")


def test_tasks_that_were_deleted_before_they_were_done_are_wrong() -> None:
    """They are lost."""
    (lost,) = check_groups([group(committed=4, begin=5, members=2)])
    assert (lost.state, lost.found) == (State.WRONG, "g: 5 tasks waiting, 2 workers, 1 task deleted before done")


def test_clocks_view_files_and_space_have_their_bounds() -> None:
    """Above them somebody will be surprised."""
    checks = [check_clocks(-3.0), check_view(5_000, 2), check_files(1_024), check_space(1 << 30, "/data")]
    assert [check.state for check in checks] == [State.LOOK] * 4
    assert "2 records passed as poison" in checks[1].found
