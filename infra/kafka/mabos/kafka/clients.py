"""Settings to librdkafka's configuration: the one place where Kafka's dotted keys stand.

Each key that differs from librdkafka's default says why; the defaults meant are those of librdkafka 2.16's
CONFIGURATION.md.
"""

from __future__ import annotations

import logging
from typing import Any, Literal

from mabos.kafka.settings import Settings
from mabos.schemas.registry import SchemaRegistry

Role = Literal["producer", "answers", "worker", "reader", "seeker", "admin"]

_TOPIC_BYTES = 4_194_304  # as topics.toml has it: a dead letter is as large as the record that it keeps

_ANSWERS: dict[str, Any] = {
    "linger.ms": 5,  # under load a fifth of the requests that 1 ms makes; a worker that is idle does not wait for it
    # For ever: the task is not done before. Given up and sent again, an answer might stand twice, or behind later ones.
    "delivery.timeout.ms": 0,
}

log = logging.getLogger("mabos.kafka")


def librdkafka_config(settings: Settings, role: Role, *, client_id: str = "mabos", group: str = "") -> dict[str, Any]:
    """The configuration of one client.

    Args:
        settings: Where the brokers are and how to sign in.
        role: ``producer`` publishes, ``answers`` publishes what a worker writes, ``worker`` consumes in a group,
            ``reader`` reads by assignment, ``seeker`` likewise a short stretch here and there, ``admin`` manages.
        client_id: Shown in the broker's logs and metrics.
        group: The consumer group; readers that never join one still need a name.
    """
    config = _connection(settings, client_id)
    if role == "producer":
        config |= _producer(settings)
    elif role == "answers":
        config |= _producer(settings) | _ANSWERS
    elif role == "worker":
        config |= _reader(group) | _membership(settings)
    elif role == "reader":
        config |= _reader(group or "mabos-reader")
    elif role == "seeker":
        # a fetch that waits at a partition's end keeps the next stretch, elsewhere, waiting with it
        config |= _reader(group or "mabos-reader") | {"fetch.wait.max.ms": 10}
    return config


def open_registry(settings: Settings) -> SchemaRegistry:
    """The registry of the settings; what it tells is kept in the cache folder."""
    return SchemaRegistry(settings.schema_registry_url, cache_dir=settings.cache_dir / "registry")


def _connection(settings: Settings, client_id: str) -> dict[str, Any]:
    config: dict[str, Any] = {
        "bootstrap.servers": settings.bootstrap_servers,
        "client.id": client_id,
        "security.protocol": settings.security_protocol,
        "socket.keepalive.enable": True,
        "reconnect.backoff.max.ms": 1000,  # 10 s would keep a client away long after its broker is back
        "logger": log,  # instead of lines on standard error
    }
    if settings.ssl_ca_location is not None:
        config["ssl.ca.location"] = str(settings.ssl_ca_location)
    if settings.sasl_mechanism is not None and settings.sasl_password is not None:
        config["sasl.mechanism"] = settings.sasl_mechanism
        config["sasl.username"] = settings.sasl_username
        config["sasl.password"] = settings.sasl_password.get_secret_value()
    return config


def _producer(settings: Settings) -> dict[str, Any]:
    return {
        "enable.idempotence": True,  # retries neither reorder nor repeat records (KIP-98)
        "acks": "all",
        "partitioner": "murmur2_random",  # Java's; librdkafka's own would send an agent elsewhere than Java does
        "compression.type": "lz4",
        "linger.ms": settings.linger_ms,
        "delivery.timeout.ms": round(settings.publish_timeout_s * 1000),
        "message.max.bytes": _TOPIC_BYTES,
        "topic.metadata.propagation.max.ms": 5000,  # else a missing topic would look like a broker that is away
        "queue.buffering.max.messages": 100_000,
        "queue.buffering.max.kbytes": 131_072,  # 1 GiB would be a service's whole memory
    }


def _reader(group: str) -> dict[str, Any]:
    return {
        "group.id": group,
        "enable.auto.commit": False,  # done means: the response is acknowledged
        "enable.auto.offset.store": False,
        "auto.offset.reset": "earliest",  # latest would skip accepted tasks
        "isolation.level": "read_committed",
        "check.crcs": True,
        "fetch.queue.backoff.ms": 20,  # 1 s would be a stall each time the local queue was full
        "queued.max.messages.kbytes": 16_384,
        "enable.partition.eof": False,
    }


def _membership(settings: Settings) -> dict[str, Any]:
    config: dict[str, Any] = {
        "group.protocol": settings.group_protocol,
        "max.poll.interval.ms": 300_000,
        # For each partition of one fetch, as it is compressed: of 12 with 1 MiB each, 200 MB would be unpacked at once.
        "fetch.message.max.bytes": 131_072,
        "fetch.wait.max.ms": 100,  # what was paused is asked for again only once the fetch on its way is answered
    }
    if settings.group_protocol == "classic":  # under KIP-848 the broker decides these, and librdkafka refuses them
        config["partition.assignment.strategy"] = "cooperative-sticky"
        config["session.timeout.ms"] = round(settings.classic_session_timeout_s * 1000)
        config["heartbeat.interval.ms"] = round(settings.classic_session_timeout_s * 1000 / 5)
    return config
