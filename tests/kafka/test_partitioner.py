"""Which partition a key is in."""

from __future__ import annotations

import pytest

from mabos.kafka.partitioner import murmur2, partition_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("21", -973932308),
        ("foobar", -790332482),
        ("a-little-bit-long-string", -985981536),
        ("a-little-bit-longer-string", -1486304829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        ("abc", 479470107),
    ],
)
def test_the_hash_is_javas(text: str, expected: int) -> None:
    """The values that Kafka's own UtilsTest has for its murmur2."""
    assert murmur2(text.encode()) == expected % 2**32


def test_a_partition_is_one_of_those_there_are() -> None:
    """Whatever the key, also where the hash is negative in Java."""
    assert {partition_of(b"agent-%d" % number, 12) for number in range(500)} == set(range(12))
