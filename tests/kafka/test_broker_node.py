"""Why a broker did not start."""

from __future__ import annotations

from mabos.kafka.broker_node import tells_of_newer_kafka

NEWER = (
    "org.apache.kafka.server.fault.FaultHandlerException: fatalFaultHandler: Error loading metadata log record",
    "Caused by: org.apache.kafka.common.errors.UnsupportedVersionException: Can't read version 4 of BrokerEndpoint",
)
TAKEN = ("org.apache.kafka.common.KafkaException: Socket server failed to bind: Address already in use",)


def test_data_of_a_newer_kafka_are_told_from_other_reasons() -> None:
    """As Kafka 4.2.2 says it of data that 4.4.0 wrote."""
    assert tells_of_newer_kafka(NEWER)
    assert not tells_of_newer_kafka(TAKEN)
