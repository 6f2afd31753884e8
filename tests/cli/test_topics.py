"""``mabos topics``: what drifted is shown, mended where that is safe, and refused where it is not."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    ResourceType,
)

from mabos.kafka.clients import librdkafka_config
from mabos.kafka.settings import Settings
from mabos.kafka.topics import TOPICS_FILE, Queue
from tests.cli.command import InProcess, Mabos, Typed
from tests.support.waiting import eventually


@pytest.fixture
def mabos(mabos: Mabos, in_process: InProcess) -> Typed:
    """The command, in this process."""
    return in_process(mabos)


@pytest.fixture
def admin(settings: Settings) -> AdminClient:
    return AdminClient(librdkafka_config(settings, "admin"))


def set_retention(admin: AdminClient, topic: str, value: str) -> None:
    entry = ConfigEntry("retention.ms", value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    for future in admin.incremental_alter_configs([resource]).values():
        future.result(10)


def test_topics_as_wanted(mabos: Typed) -> None:
    """Nothing differs: said to people on standard error, to programs as an empty list; exit code 0."""
    diff = mabos("topics", "diff")
    assert (diff.code, diff.out, diff.err) == (0, "", "topics are as wanted\n")
    assert mabos("topics", "apply", "-o", "json").out == "[]\n"


def test_a_missing_queue_is_made(mabos: Typed, settings: Settings) -> None:
    """All four topics are shown as missing, made, and then as wanted."""
    queue = f"{settings.queue}-new"
    diff = mabos("topics", "diff", "--queue", queue, "-o", "ndjson")
    assert diff.code == 1
    assert [row["change"] for row in diff.rows()] == ["create"] * 4
    made = mabos("topics", "apply", "--queue", queue)
    assert (made.code, made.err) == (0, "")
    assert f"mabos.{queue}.dead-letters" in made.out
    eventually(lambda: mabos("topics", "diff", "--queue", queue).code == 0)


def test_drift_of_a_setting_is_mended(mabos: Typed, settings: Settings, admin: AdminClient) -> None:
    """It is shown with what is there and what is wanted, set right, and gone."""
    topic = Queue(name=settings.queue).requests
    set_retention(admin, topic, "1000")
    row = {"topic": topic, "change": "config", "key": "retention.ms", "found": "1000", "wanted": "604800000"}
    found = eventually(lambda: mabos("topics", "diff", "-o", "ndjson").rows())
    assert found == [row]
    applied = mabos("topics", "apply", "-o", "json")
    assert (applied.code, json.loads(applied.out)) == (0, [row])
    eventually(lambda: mabos("topics", "diff").code == 0)


def test_drift_of_partitions_is_refused(mabos: Typed, settings: Settings, admin: AdminClient) -> None:
    """Agents would move and lose their order: a person must decide. What is safe is mended all the same."""
    topics = Queue(name=settings.queue)
    admin.create_partitions([NewPartitions(topics.responses, 13)])[topics.responses].result(10)
    set_retention(admin, topics.controls, "1000")
    eventually(lambda: len(mabos("topics", "diff", "-o", "ndjson").rows()) == 2)
    applied = mabos("topics", "apply")
    assert applied.code == 1
    assert applied.error == (
        f"left as it is, since changing it would move agents or copies: {topics.responses}: partitions is 13, wanted 12"
    )
    assert topics.controls in applied.out
    assert [row["change"] for row in mabos("topics", "diff", "-o", "ndjson").rows()] == ["partitions"]


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        (lambda text: "nonsense", 2, "Expected '=' after a key"),
        (lambda text: text[: text.index("[topics.controls]")], 1, ""),
        (lambda text: text.replace("partitions = 12", ""), 2, "needs partitions, replication_factor"),
        (lambda text: text.replace('"segment.ms"', '"segment.msec"'), 1, "Kafka at .* refuses: .*segment.msec"),
    ],
    ids=["no toml", "fewer topics", "a key missing", "an unknown setting"],
)
def test_a_file_of_ones_own(
    mabos: Typed, settings: Settings, tmp_path: Path, change: Callable[[str], str], code: int, message: str
) -> None:
    """What is wrong with it is one line: wrong usage, or Kafka's own refusal."""
    file = tmp_path / "topics.toml"
    file.write_text(change(TOPICS_FILE.read_text()))
    verb = "apply" if "refuses" in message else "diff"
    done = mabos("topics", verb, "--queue", f"{settings.queue}-own", "--file", str(file))
    assert done.code == code
    if message:
        assert re.search(message, done.error)


def test_a_file_that_is_not_there(mabos: Typed) -> None:
    """Wrong usage; the line names the file."""
    done = mabos("topics", "diff", "--file", "/no/such.toml")
    assert done.code == 2
    assert "/no/such.toml" in done.error


def test_topics_are_listed_as_they_are(mabos: Typed, settings: Settings, admin: AdminClient) -> None:
    """A line each for people, an object each for programs; that something drifted is said beside them."""
    topics = Queue(name=settings.queue)
    shown = mabos("topics", "list")
    assert (shown.code, shown.err) == (0, "")
    lines = [line.split() for line in shown.out.splitlines()]
    assert lines[0] == ["topic", "partitions", "replicas", "copies", "records", "kept", "drift"]
    assert lines[1] == [topics.requests, "12", "1", "in", "sync", "0", "7.0", "d", "0"]
    assert len(lines) == 5
    set_retention(admin, topics.requests, "-1")
    changed = eventually(lambda: (done := mabos("topics", "list", "-o", "ndjson")).rows()[0]["drift"] and done)
    assert changed.rows()[0]["retention_ms"] is None
    assert "`mabos topics diff` shows" in changed.err
