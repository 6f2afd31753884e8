"""Looks at a cluster and changes it: a thin shell round :mod:`mabos.kafka.topics`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from confluent_kafka import ConsumerGroupState, ConsumerGroupTopicPartitions, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from mabos.kafka.clients import librdkafka_config
from mabos.kafka.errors import BrokerRefused, BrokerUnavailable, TopicsDiffer, UnknownGroup
from mabos.kafka.retired import retire_after
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Change, TopicSpec

_PASSING = frozenset(
    {
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_CONTROLLER,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
    }
)

_PASSING_PAUSE_S = 0.05

_HIDDEN = frozenset({KafkaError.GROUP_ID_NOT_FOUND, KafkaError.GROUP_AUTHORIZATION_FAILED})

_REFUSALS = frozenset(
    {
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.INVALID_CONFIG,
        KafkaError.INVALID_PARTITIONS,
        KafkaError.INVALID_REPLICATION_FACTOR,
        KafkaError.INVALID_REQUEST,
        KafkaError.POLICY_VIOLATION,
        KafkaError.TOPIC_EXCEPTION,
        KafkaError.UNSUPPORTED_VERSION,
    }
)


class Cluster:
    """A Kafka cluster, for looking at it and for managing its topics.

    Args:
        settings: Where it is.
        timeout_s: The longest that one question may take.
    """

    def __init__(self, settings: Settings, *, timeout_s: float = 10.0) -> None:
        self._servers = settings.bootstrap_servers
        self._timeout_s = timeout_s
        self._admin = AdminClient(librdkafka_config(settings, "admin", client_id="mabos-admin"))
        retire_after(self, self._admin)

    def count_brokers(self) -> int:
        """How many brokers there are.

        Raises:
            BrokerUnavailable: None answers.
        """
        return len(self._metadata().brokers)

    def describe_topics(self, names: Sequence[str]) -> dict[str, TopicSpec]:
        """The topics there are of those named.

        Raises:
            BrokerUnavailable: No broker answers.
        """
        topics = self._metadata().topics
        present = [name for name in names if name in topics and topics[name].error is None]
        if not present:
            return {}
        asked = self._admin.describe_configs(
            [ConfigResource(ResourceType.TOPIC, name) for name in present], request_timeout=self._timeout_s
        )
        configs = {resource.name: self._result(future) for resource, future in asked.items()}
        return {
            name: TopicSpec(
                name=name,
                partitions=len(topics[name].partitions),
                replication_factor=len(topics[name].partitions[0].replicas),
                config={key: entry.value for key, entry in configs[name].items() if entry.value is not None},
            )
            for name in present
        }

    def count_lagging(self, names: Sequence[str]) -> dict[str, tuple[int, int]]:
        """Of each topic that is there: how many partitions have a copy that is behind, and how many no leader.

        Raises:
            BrokerUnavailable: No broker answers.
        """
        topics = self._metadata().topics
        found: dict[str, tuple[int, int]] = {}
        for name in names:
            if name in topics and topics[name].error is None:
                places = topics[name].partitions.values()
                behind = sum(len(place.isrs) < len(place.replicas) for place in places)
                found[name] = behind, sum(place.leader < 0 for place in places)
        return found

    def end_offsets(self, topic: str) -> dict[int, int]:
        """The offset that the next record of each partition will get.

        Raises:
            BrokerUnavailable: No broker answers.
            TopicsDiffer: The topic does not exist.
        """
        return self._offsets(topic, OffsetSpec.latest)

    def begin_offsets(self, topic: str) -> dict[int, int]:
        """The offset of the oldest record that each partition still has; errors as :meth:`end_offsets`."""
        return self._offsets(topic, OffsetSpec.earliest)

    def offsets_at(self, topic: str, times_ms: Mapping[int, int]) -> dict[int, int]:
        """The offset of the first record of each partition that was appended at a time, or after.

        Args:
            topic: The topic.
            times_ms: Milliseconds since the epoch, by partition.

        Returns:
            Offsets by partition; one that has no such record is missing.

        Raises:
            BrokerUnavailable: No broker answers.
        """
        asked = self._admin.list_offsets(
            {
                TopicPartition(topic, partition): OffsetSpec.for_timestamp(time_ms)
                for partition, time_ms in times_ms.items()
            },
            request_timeout=self._timeout_s,
        )
        found = {place.partition: self._result(future).offset for place, future in asked.items()}
        return {partition: offset for partition, offset in found.items() if offset >= 0}

    def group_members(self, group: str) -> dict[str, frozenset[tuple[str, int]]]:
        """The members of a consumer group, and the topic partitions that each has; empty if there is no such group.

        Raises:
            BrokerUnavailable: No broker answers.
        """
        try:
            found = self.describe_group(group)
        except UnknownGroup:
            return {}
        return {
            member.member_id: frozenset((place.topic, place.partition) for place in member.assignment.topic_partitions)
            for member in found.members
        }

    def list_groups(self) -> list[str]:
        """The names of the consumer groups there are.

        Raises:
            BrokerUnavailable: No broker answers.
        """
        found = self._result(self._admin.list_consumer_groups(request_timeout=self._timeout_s))
        return sorted(listing.group_id for listing in found.valid or [])

    def describe_group(self, group: str) -> Any:  # noqa: ANN401 - confluent_kafka's ConsumerGroupDescription
        """A consumer group and its members, of either protocol.

        Raises:
            BrokerUnavailable: No broker answers.
            UnknownGroup: There is no such group.
        """
        future = self._admin.describe_consumer_groups([group], request_timeout=self._timeout_s)[group]
        try:
            found = future.result(self._timeout_s + 1)
        except KafkaException as error:
            if error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
                raise UnknownGroup(group, self.list_groups()) from error
            raise self._explain(error) from error
        if found.state is ConsumerGroupState.DEAD:  # so older brokers say that there is none
            raise UnknownGroup(group, self.list_groups())
        return found

    def count_members(self, groups: Sequence[str], topic: str) -> dict[str, int]:
        """How many members of each of these groups have a partition of a topic; groups that have none are missing.

        Raises:
            BrokerUnavailable: No broker answers.
        """
        counts: dict[str, int] = {}
        if not groups:
            return counts
        asked = self._admin.describe_consumer_groups(list(groups), request_timeout=self._timeout_s)
        for group, future in asked.items():
            try:
                members = future.result(self._timeout_s + 1).members
            except KafkaException as error:
                if error.args[0].code() in _HIDDEN:  # gone meanwhile, or none of our business
                    continue
                raise self._explain(error) from error
            count = sum(any(place.topic == topic for place in one.assignment.topic_partitions) for one in members)
            if count:
                counts[group] = count
        return counts

    def committed_offsets(self, group: str) -> dict[str, dict[int, int]]:
        """The next offset that a group wants, by topic and partition; only where it has committed one.

        Raises:
            BrokerUnavailable: No broker answers.
        """
        asked = self._admin.list_consumer_group_offsets(
            [ConsumerGroupTopicPartitions(group)], request_timeout=self._timeout_s
        )
        found: dict[str, dict[int, int]] = {}
        for place in self._result(asked[group]).topic_partitions or []:
            if place.offset >= 0:
                found.setdefault(place.topic, {})[place.partition] = place.offset
        return found

    def consumer_session_s(self) -> float | None:
        """How long a member of a KIP-848 group may be silent before its partitions move; None if nobody tells.

        The broker decides it, for all groups (``group.consumer.session.timeout.ms``).
        """
        try:
            return int(self.broker_config()["group.consumer.session.timeout.ms"]) / 1000
        except (BrokerUnavailable, BrokerRefused, LookupError, ValueError):
            return None  # an older broker, or one that shows its configuration to administrators only

    def broker_config(self) -> dict[str, str]:
        """The configuration of one of the brokers, without its secrets.

        Raises:
            BrokerUnavailable: No broker answers.
            BrokerRefused: It is shown to administrators only.
        """
        broker = str(next(iter(self._metadata().brokers)))
        resource = ConfigResource(ResourceType.BROKER, broker)
        entries = self._result(self._admin.describe_configs([resource], request_timeout=self._timeout_s)[resource])
        return {name: entry.value for name, entry in entries.items() if entry.value is not None}

    def _offsets(self, topic: str, spec: Callable[[], Any]) -> dict[int, int]:
        """Asks again while a leader is being found, as for a topic that was just made."""
        give_up_s = time.monotonic() + self._timeout_s
        while True:
            try:
                return self._ask_offsets(topic, spec)
            except BrokerUnavailable as error:
                if not _is_passing(error.__cause__) or time.monotonic() > give_up_s:
                    raise
            time.sleep(_PASSING_PAUSE_S)

    def _ask_offsets(self, topic: str, spec: Callable[[], Any]) -> dict[int, int]:
        found = self._metadata().topics.get(topic)
        if found is None or found.error is not None:
            raise TopicsDiffer(f"topic {topic} does not exist: run `mabos topics apply`")
        asked = self._admin.list_offsets(
            {TopicPartition(topic, partition): spec() for partition in found.partitions},
            request_timeout=self._timeout_s,
        )
        return {place.partition: self._result(future).offset for place, future in asked.items()}

    def apply_changes(self, wanted: Sequence[TopicSpec], changes: Sequence[Change]) -> list[Change]:
        """Make the changes that are not refused.

        Returns:
            Those that were made.

        Raises:
            BrokerRefused: A broker will not make one of them; those before it are made.
            BrokerUnavailable: No broker answers.
        """
        create = {change.topic for change in changes if change.kind == "create"}
        new = [
            NewTopic(spec.name, spec.partitions, spec.replication_factor, config=dict(spec.config))
            for spec in wanted
            if spec.name in create
        ]
        if new:
            for future in self._admin.create_topics(new, request_timeout=self._timeout_s).values():
                self._created(future)
        resources: dict[str, ConfigResource] = {}
        for change in changes:
            if change.kind == "config":
                resource = resources.setdefault(change.topic, ConfigResource(ResourceType.TOPIC, change.topic))
                entry = ConfigEntry(change.key, change.wanted, incremental_operation=AlterConfigOpType.SET)
                resource.add_incremental_config(entry)
        if resources:
            asked = self._admin.incremental_alter_configs(list(resources.values()), request_timeout=self._timeout_s)
            for future in asked.values():
                self._result(future)
        return [change for change in changes if not change.is_refused]

    def _metadata(self) -> Any:  # noqa: ANN401 - confluent_kafka's ClusterMetadata
        try:
            return self._admin.list_topics(timeout=self._timeout_s)
        except KafkaException as error:
            raise self._explain(error) from error

    def _result(self, future: Any) -> Any:  # noqa: ANN401 - confluent_kafka's futures
        try:
            return future.result(self._timeout_s + 1)
        except KafkaException as error:
            raise self._explain(error) from error
        except TimeoutError as error:
            raise self._explain(None) from error

    def _created(self, future: Any) -> None:  # noqa: ANN401 - as above
        try:
            future.result(self._timeout_s + 1)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:  # then another process was faster
                raise self._explain(error) from error
        except TimeoutError as error:
            raise self._explain(None) from error

    def _explain(self, error: KafkaException | None) -> BrokerUnavailable | BrokerRefused:
        if error is not None and error.args[0].code() in _REFUSALS:
            return BrokerRefused(f"Kafka at {self._servers} refuses: {error.args[0].str()}")
        return BrokerUnavailable(
            f"no Kafka answers at {self._servers}: start one with `mabos up`, or set MABOS_BOOTSTRAP_SERVERS"
        )


def _is_passing(cause: BaseException | None) -> bool:
    return isinstance(cause, KafkaException) and cause.args[0].code() in _PASSING
