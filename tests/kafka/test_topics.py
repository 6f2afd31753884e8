"""Which topics there are, and what differs."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mabos.kafka.topics import Change, Queue, TopicSpec, diff_topics, read_topic_specs

SPECS = st.dictionaries(
    st.sampled_from(["a", "b", "c"]),
    st.builds(
        dict,
        partitions=st.integers(1, 3),
        replication_factor=st.integers(1, 3),
        config=st.dictionaries(st.sampled_from(["x", "y", "z"]), st.sampled_from(["1", "2"])),
    ),
).map(lambda found: {name: TopicSpec(name=name, **spec) for name, spec in found.items()})  # type: ignore[arg-type]  # built so


def apply(found: dict[str, TopicSpec], wanted: dict[str, TopicSpec], changes: list[Change]) -> dict[str, TopicSpec]:
    """What a cluster is after the changes that are not refused."""
    after = dict(found)
    for change in changes:
        if change.kind == "create":
            after[change.topic] = wanted[change.topic]
        elif change.kind == "config":
            spec = after[change.topic]
            after[change.topic] = TopicSpec(
                name=spec.name,
                partitions=spec.partitions,
                replication_factor=spec.replication_factor,
                config={**spec.config, change.key: change.wanted},
            )
    return after


@given(wanted=SPECS, found=SPECS)
def test_applying_what_differs_leaves_only_what_is_refused(
    wanted: dict[str, TopicSpec], found: dict[str, TopicSpec]
) -> None:
    """A second look finds nothing more to do, and exactly the counts that only a person may change."""
    changes = diff_topics(wanted.values(), found)
    left = diff_topics(wanted.values(), apply(found, wanted, changes))
    assert left == [change for change in changes if change.is_refused]
    for name in wanted.keys() & found.keys():
        differs = found[name].partitions != wanted[name].partitions
        assert differs == any(change.topic == name and change.kind == "partitions" for change in changes)
    assert all(str(change).startswith(f"{change.topic}: ") for change in changes)


@given(specs=SPECS)
def test_what_is_as_wanted_needs_no_change(specs: dict[str, TopicSpec]) -> None:
    """Applying twice changes nothing."""
    assert diff_topics(specs.values(), specs) == []


def test_what_the_broker_adds_is_no_difference() -> None:
    """Only what the file wants is compared."""
    wanted = TopicSpec(name="a", partitions=1, replication_factor=1, config={"x": "1"})
    found = TopicSpec(name="a", partitions=1, replication_factor=1, config={"x": "1", "more": "2"})
    assert diff_topics([wanted], {"a": found, "foreign": found}) == []


def test_the_file_wants_the_four_topics_of_a_queue() -> None:
    """Co-partitioned, with the broker's clock, and never led by a copy that missed records."""
    specs = {spec.name: spec for spec in read_topic_specs(Queue(name="q"), brokers=3)}
    queue = Queue(name="q")
    assert set(specs) == {queue.requests, queue.responses, queue.dead_letters, queue.controls}
    for spec in specs.values():
        assert (spec.partitions, spec.replication_factor) == (12, 3)
        assert spec.config["min.insync.replicas"] == "2"
        assert spec.config["message.timestamp.type"] == "LogAppendTime"
        assert spec.config["unclean.leader.election.enable"] == "false"
        assert spec.config["cleanup.policy"] == "delete"
    retention = {name: int(spec.config["retention.ms"]) for name, spec in specs.items()}
    assert retention[queue.dead_letters] > retention[queue.requests]
    longest_ms = retention[queue.requests] + int(specs[queue.requests].config["segment.ms"])
    assert retention[queue.controls] > longest_ms  # a request lives as long as the newest of its segment


@pytest.mark.parametrize(("brokers", "copies", "in_sync"), [(1, 1, "1"), (2, 2, "1"), (3, 3, "2"), (7, 3, "2")])
def test_fewer_brokers_mean_fewer_copies(brokers: int, copies: int, in_sync: str) -> None:
    """And one copy fewer has to be in step, but at least one."""
    for spec in read_topic_specs(Queue(), brokers=brokers):
        assert (spec.replication_factor, spec.config["min.insync.replicas"]) == (copies, in_sync)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "partitions = 1",
        "partitions = 'x'\nreplication_factor = 1\n[config]\n[topics.a]",
        "partitions = 0\nreplication_factor = 1\n[config]\n[topics.a]",
        "partitions = 1\nreplication_factor = 0\n[config]\n[topics.a]",
        "partitions = 1\nreplication_factor = 1\nconfig = 5\n[topics.a]",
        "partitions = 1\nreplication_factor = 1\ntopics = 5\n[config]",
        "partitions = 1\nreplication_factor = 1\n[config]\n[topics]\na = 5",
        "not toml",
    ],
    ids=lambda content: content[-30:].replace("\n", " "),
)
def test_a_file_that_is_none_is_told_by_name(tmp_path: Path, content: str) -> None:
    """The error names the file and what it needs."""
    file = tmp_path / "my-topics.toml"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=r"my-topics\.toml: "):
        read_topic_specs(Queue(), brokers=1, file=file)
