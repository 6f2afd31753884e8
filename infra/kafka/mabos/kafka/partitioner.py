"""Which partition the records of a key are in: Java's partitioner, as librdkafka's ``murmur2_random`` has it. Pure."""

from __future__ import annotations

_MASK = 0xFFFFFFFF
_SEED = 0x9747B28C
_MULTIPLIER = 0x5BD1E995


def partition_of(key: bytes, partitions: int) -> int:
    """The partition of a key that is not empty.

    Args:
        key: The record key; of a task, its ``agent_id`` as UTF-8.
        partitions: How many partitions the topic has, and had when the record was written.
    """
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def murmur2(data: bytes) -> int:
    """The hash of Kafka's ``Utils.murmur2``, as an unsigned 32-bit number."""
    found = (_SEED ^ len(data)) & _MASK
    whole = len(data) & ~3
    for start in range(0, whole, 4):
        found = (found * _MULTIPLIER & _MASK) ^ _mix(int.from_bytes(data[start : start + 4], "little"))
    if whole < len(data):
        found = (found ^ int.from_bytes(data[whole:], "little")) * _MULTIPLIER & _MASK
    found = (found ^ found >> 13) * _MULTIPLIER & _MASK
    return found ^ found >> 15


def _mix(word: int) -> int:
    word = word * _MULTIPLIER & _MASK
    return (word ^ word >> 24) * _MULTIPLIER & _MASK
