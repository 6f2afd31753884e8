"""A broker that is killed amid a transaction ends it when it is back: the exactly-once mode is built on that.

Kafka 4.3.0 to 4.4.0 lose the markers that end a transaction while a partition has no leader (KAFKA-20734), as after a
crash; then what was aborted is seen with the next commit, or what comes after it never is.
"""

from __future__ import annotations

from confluent_kafka import Producer

from mabos.consumers.log import read_log
from mabos.consumers.transactions import transactional
from mabos.kafka.admin import Cluster
from mabos.kafka.clients import librdkafka_config
from mabos.kafka.local_broker import LocalBroker
from mabos.kafka.settings import Settings
from mabos.kafka.topics import Queue
from tests.support.outages import take_away

CRASHES = 3
TRANSACTION_TIMEOUT_S = 1.0  # so that the broker finds it overdue as soon as it is back
CALL_TIMEOUT_S = 30


def test_what_a_killed_broker_left_open_is_never_seen(settings: Settings, broker: LocalBroker) -> None:
    """Nor does it hide what comes after it."""
    topic = Queue(name=settings.queue).responses
    for number in range(CRASHES):
        producer = begin(settings)
        produce(producer, topic, f"open {number}")
        take_away(broker, "killed", TRANSACTION_TIMEOUT_S)
        producer = begin(settings)
        produce(producer, topic, f"kept {number}")
        producer.commit_transaction(CALL_TIMEOUT_S)
    cluster = Cluster(settings)
    seen = read_log(settings, topic, cluster.begin_offsets(topic), cluster.end_offsets(topic))
    assert sorted(message.value() for message in seen) == [f"kept {number}".encode() for number in range(CRASHES)]


def begin(settings: Settings) -> Producer:
    """A producer amid a transaction; the one before it is fenced."""
    config = transactional(librdkafka_config(settings, "producer", client_id="test"), f"markers-{settings.queue}")
    timeout_ms = int(TRANSACTION_TIMEOUT_S * 1000)
    producer = Producer(config | {"transaction.timeout.ms": timeout_ms, "delivery.timeout.ms": timeout_ms})
    producer.init_transactions(CALL_TIMEOUT_S)
    producer.begin_transaction()
    return producer


def produce(producer: Producer, topic: str, value: str) -> None:
    """A record in each partition would do as well; one is enough to be seen."""
    producer.produce(topic, value.encode(), key=b"a", partition=0)
    assert producer.flush(CALL_TIMEOUT_S) == 0
