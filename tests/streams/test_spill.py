"""The temporary file of an audit gives back what it was given."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mabos.kafka.errors import DiskProblem
from mabos.streams.spill import TASK_BYTES, Spill, require_space

LONG = st.integers(-(2**63), 2**63 - 1)
ENTRIES = st.lists(
    st.tuples(
        st.integers(0, 40).map(lambda number: number.to_bytes(16)),
        *(LONG, LONG, LONG),
        st.integers(0, 2**32 - 1),
        st.integers(0, 255),
    ),
    max_size=500,
)
TURNS = st.lists(st.lists(st.tuples(LONG, st.integers(0, 2**32 - 1), LONG, LONG), max_size=30), max_size=5)


@given(ENTRIES, st.integers(1, 5), st.integers(0, 40))
def test_entries_come_back_in_their_order_and_those_of_a_task_together(
    entries: list[Any], buckets: int, repeat: int
) -> None:
    """Each entry once; all of one task in one bucket, as they were added, also when they fill many chunks."""
    entries = entries * repeat
    with Spill(buckets) as spill:
        for entry in entries:
            spill.add(entry)
        found = [list(bucket) for bucket in spill.buckets()]
    assert len(found) == buckets
    assert sum(map(len, found)) == len(entries)
    for key in {entry[0] for entry in entries}:
        holders = [bucket for bucket in found if any(entry[0] == key for entry in bucket)]
        assert len(holders) == 1
        assert [entry for entry in holders[0] if entry[0] == key] == [entry for entry in entries if entry[0] == key]


@given(TURNS, st.integers(1, 60))
def test_turns_come_back_sorted(runs: list[Any], repeat: int) -> None:
    """All of them, however many runs they were added in, also where a run is read in several steps."""
    runs = [run * repeat for run in runs]
    with Spill(1) as spill:
        for run in runs:
            spill.add_turns(run)
        assert list(spill.turns()) == sorted(turn for run in runs for turn in run)


def test_the_file_has_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So nothing is left of it, however the process ends."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with Spill(1) as spill:
        spill.add_turns([(1, 2, 3, 4)])
        assert spill.size_bytes > 0
        assert list(tmp_path.iterdir()) == []


def test_too_small_a_disk_is_told_before_anything_is_read() -> None:
    """With what is needed, what is free, and what to do."""
    free = shutil.disk_usage(tempfile.gettempdir()).free
    with pytest.raises(DiskProblem, match=r"tasks need .* GB in .* are free: set TMPDIR, or a range"):
        require_space(2 * free // TASK_BYTES)
    require_space(1)
