"""Settings to librdkafka's configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient

from mabos.kafka.clients import Role, librdkafka_config
from mabos.kafka.settings import Settings

PLAIN = Settings(bootstrap_servers="127.0.0.1:1")


def test_a_producer_neither_loses_nor_repeats_nor_misplaces() -> None:
    """The defaults of librdkafka would do all three."""
    config = librdkafka_config(PLAIN, "producer")
    assert config["enable.idempotence"] is True
    assert config["acks"] == "all"
    assert config["partitioner"] == "murmur2_random"
    assert config["delivery.timeout.ms"] == 30_000


@pytest.mark.parametrize("role", ["worker", "reader", "seeker"])
def test_a_reader_commits_nothing_by_itself_and_skips_nothing(role: Role) -> None:
    """Committed is what was answered; a group without a commit begins at the beginning."""
    config = librdkafka_config(PLAIN, role, group="g")
    assert config["enable.auto.commit"] is False
    assert config["enable.auto.offset.store"] is False
    assert config["auto.offset.reset"] == "earliest"
    assert config["isolation.level"] == "read_committed"
    assert config["check.crcs"] is True


def test_sessions_are_set_where_the_protocol_lets_the_client() -> None:
    """Under KIP-848 the broker decides, and librdkafka refuses a configuration that says otherwise."""
    consumer = librdkafka_config(PLAIN, "worker", group="g")
    classic = librdkafka_config(
        PLAIN.model_copy(update={"group_protocol": "classic", "classic_session_timeout_s": 20.0}), "worker", group="g"
    )
    assert "session.timeout.ms" not in consumer
    assert (classic["session.timeout.ms"], classic["heartbeat.interval.ms"]) == (20_000, 4000)
    assert classic["partition.assignment.strategy"] == "cooperative-sticky"


@pytest.mark.parametrize("protocol", ["consumer", "classic"])
def test_librdkafka_takes_every_configuration(protocol: str) -> None:
    """A key that it does not know is an error at once."""
    settings = PLAIN.model_copy(update={"group_protocol": protocol})
    Producer(librdkafka_config(settings, "producer"))
    AdminClient(librdkafka_config(settings, "admin"))
    roles: list[Role] = ["worker", "reader", "seeker"]
    for role in roles:
        Consumer(librdkafka_config(settings, role, group="g")).close()


def test_a_login_reaches_the_client(tmp_path: Path) -> None:
    """Mechanism, name, password and the authority's certificate."""
    settings = Settings(
        security_protocol="SASL_SSL",
        sasl_mechanism="SCRAM-SHA-512",
        sasl_username="me",
        sasl_password="hunter2",  # type: ignore[arg-type]  # noqa: S106 - pydantic makes a secret of it
        ssl_ca_location=tmp_path / "ca.pem",
    )
    config: dict[str, Any] = librdkafka_config(settings, "admin", client_id="me")
    assert config["security.protocol"] == "SASL_SSL"
    assert config["sasl.mechanism"] == "SCRAM-SHA-512"
    assert (config["sasl.username"], config["sasl.password"]) == ("me", "hunter2")
    assert config["ssl.ca.location"] == str(tmp_path / "ca.pem")
    assert config["client.id"] == "me"


def test_a_dead_letter_may_be_as_large_as_what_the_topics_take() -> None:
    """Whatever payloads are allowed, for foreign producers may be allowed more."""
    for size in (1024, 1024 * 1024, 4_000_000):
        settings = PLAIN.model_copy(update={"max_payload_bytes": size})
        assert librdkafka_config(settings, "producer")["message.max.bytes"] == 4_194_304
