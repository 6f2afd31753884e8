"""A histogram of durations with fixed buckets: each four of them double the duration. Pure.

Buckets of different minutes, agents and processes can be added, and a percentile of the sum is off by less than the
width of one bucket, a fifth of its value.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

PER_OCTAVE = 4
EDGES_MS = tuple(2 ** (number / PER_OCTAVE) for number in range(29 * PER_OCTAVE + 1))
"""Where a bucket ends and the next begins, in ms: bucket 0 ends at 1 ms, the last begins at six days."""


def bucket_of(duration_ms: int) -> int:
    """The bucket of a duration; a negative one counts as none."""
    return bisect_right(EDGES_MS, duration_ms)


def percentile_ms(counts: Sequence[int], share: float) -> float | None:
    """The duration that a share of all did not exceed.

    Args:
        counts: How many there are in each bucket, from bucket 0 on.
        share: From 0 to 1, such as 0.99.

    Returns:
        The upper end of the bucket in which it lies, in ms, so that the answer is never too good; the beginning of the
        last bucket, which has no end; None if there are no durations.
    """
    total = sum(counts)
    if not total:
        return None
    wanted, seen = share * total, 0
    for bucket, count in enumerate(counts):
        seen += count
        if count and seen >= wanted:
            return EDGES_MS[min(bucket, len(EDGES_MS) - 1)]
    return EDGES_MS[-1]
