"""``mabos lag``: what waits, for people and for programs."""

from __future__ import annotations

import json
import signal

import pytest
from confluent_kafka import Consumer, TopicPartition

from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from tests.cli.command import InProcess, Mabos, Typed
from tests.support.planting import Planter
from tests.support.waiting import eventually


@pytest.fixture
def typed(mabos: Mabos, in_process: InProcess) -> Typed:
    """The command, in this process."""
    return in_process(mabos)


@pytest.fixture
def group(settings: Settings) -> str:
    """A group that has done one of three tasks."""
    name = f"lag-{settings.queue}"
    Planter(settings).ask(3, ("a", "1"), ("a", "2"), ("a", "3"))
    consumer = Consumer({"bootstrap.servers": settings.bootstrap_servers, "group.id": name})
    consumer.commit(offsets=[TopicPartition(Queue(name=settings.queue).requests, 3, 1)], asynchronous=False)
    consumer.close()
    return name


def test_a_person_sees_a_line_per_partition_and_the_total(typed: Typed, group: str, settings: Settings) -> None:
    """With the group's state above, and what is not there as a hyphen."""
    done = typed("lag", group)
    lines = done.out.splitlines()
    assert (done.code, done.err) == (0, "")
    assert lines[0] == f"group {group}: empty, 0 members"
    assert lines[1].startswith(f"{Queue(name=settings.queue).requests}: 2 waiting, the oldest for ")
    assert lines[2].split() == ["partition", "committed", "end", "lag", "oldest", "member"]
    assert lines[6].split()[:4] == ["3", "1", "3", "2"]
    assert lines[7].split() == ["4", "-", "0", "0", "-", "-"]
    assert len(lines) == 3 + 12


def test_a_program_gets_all_groups_of_the_queue(typed: Typed, group: str, settings: Settings) -> None:
    """Without being told their names; an object each, with totals and partitions."""
    (found,) = json.loads(typed("lag", "-o", "json").out)
    assert (found["group"], found["state"], found["members"], found["lag"]) == (group, "empty", 0, 2)
    assert found["oldest_age_s"] >= 0
    place = found["partitions"][3]
    assert place["topic"] == Queue(name=settings.queue).requests
    assert (place["committed"], place["end"], place["lag"], place["expired"]) == (1, 3, 2, 0)
    assert (place["member"], place["host"]) == (None, None)


def test_watching_goes_on_until_ctrl_c(mabos: Mabos, group: str, settings: Settings) -> None:
    """Each look is another line for a program, with what came meanwhile."""
    with mabos.start("lag", group, "--watch", "--every", "0.2", "-o", "ndjson") as watching:
        eventually(lambda: '"lag":2' in watching.log(), timeout_s=60)
        Planter(settings).ask(3, ("a", "4"))
        eventually(lambda: '"lag":3' in watching.log(), timeout_s=60)
        assert watching.stop(signal.SIGINT) == 130


def test_what_cannot_be_measured_is_one_line(typed: Typed, mabos: Mabos, in_process: InProcess) -> None:
    """A group that is not there, a queue that is not there, a queue that nobody reads."""
    done = typed("lag", "nobody")
    assert (done.code, done.out) == (2, "")
    assert done.error.startswith("there is no consumer group nobody; there are: ")
    done = typed("lag", "--queue", "none")
    assert (done.code, done.error) == (1, "topic mabos.none.requests does not exist: run `mabos topics apply`")
    done = typed("lag")
    queue = mabos.env["MABOS_QUEUE"]
    assert done.code == 0
    assert done.err == f"no consumer group has read queue {queue} yet: start one with `mabos worker run`\n"


def test_kafka_away_is_one_line(lone_mabos: Mabos, in_process: InProcess) -> None:
    """With what to do about it, and exit code 3; so with the audit."""
    typed = in_process(lone_mabos)
    for command in ("lag", "audit"):
        done = typed(command)
        assert (done.code, done.out) == (3, "")
        assert done.error.startswith("no Kafka answers at 127.0.0.1:1: start one with `mabos up`")
