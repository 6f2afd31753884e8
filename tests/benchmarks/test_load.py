"""What a load step gave is read and judged as it is, and the report is put in its place."""

from __future__ import annotations

import json

import pytest

from benchmarks.load.section import TITLE, make_section, replace_section
from benchmarks.load.steps import MACHINE, Outcome, Series, Step, Usage, name_saturated, read_series


def series(count: int = 1000, failures: int = 0, **times: int) -> Series:
    found = {int(name[1:]): number for name, number in times.items()}
    return Series(name="accepted", count=count, failures=failures, lasted_s=10, times_ms=found)


def step(load: str, offered: float = 100, *, count: int = 1000, failures: int = 0, **cores: float) -> Step:
    bounds = {"gateway": 1.0, "broker": 2.0, MACHINE: 2.0}
    return Step(
        load=load,
        offered_per_s=offered,
        lasted_s=10,
        series=[series(count, failures, t5=count)],
        usage={name: Usage(cores=used, bound=bounds[name]) for name, used in cores.items()},
    )


def test_a_quantile_is_the_time_within_which_that_part_was_answered() -> None:
    """Of the counts by time that Locust gives."""
    found = series(t1=50, t10=45, t300=5)
    assert [found.quantile_ms(part) for part in (0.0, 0.5, 0.51, 0.95, 0.96, 1.0)] == [1, 1, 10, 10, 300, 300]
    assert series().quantile_ms(0.99) == 0


def test_what_locust_prints_is_read() -> None:
    """By name, each over its own time."""
    entries = [
        {"name": name, "num_requests": 30, "num_failures": 3, "response_times": {"5": 29, "120": 1}}
        | {"start_time": begin, "last_request_timestamp": begin + 3.0}
        for name, begin in (("before", 100.0), ("burst", 104.0))
    ]
    found, begin_s, end_s = read_series(json.dumps(entries).encode())
    assert (begin_s, end_s) == (100.0, 107.0)
    assert [(one.name, one.rate_per_s, one.times_ms) for one in found] == [
        ("before", 9.0, {5: 29, 120: 1}),
        ("burst", 9.0, {5: 29, 120: 1}),
    ]
    with pytest.raises(ValueError, match="nothing was asked"):
        read_series(b"[]")


def test_the_part_that_saturates_first_is_named() -> None:
    """At the first step that is not kept up with, or where a part has no room left."""
    quiet = step("100 tasks/s", gateway=0.3, broker=0.4, machine=0.8)
    assert name_saturated([quiet]) == "Nothing saturates up to 100 tasks/s."
    full = step("200 tasks/s", 200, count=1900, gateway=0.97, broker=0.6, machine=1.6)
    assert name_saturated([quiet, full]) == "First to saturate: gateway, 0.97 of 1 cores, at 200 tasks/s."
    slow = step("200 tasks/s", 200, gateway=0.5, broker=0.6, machine=1.0)
    assert "Not kept up with at 200 tasks/s, with no part saturated" in name_saturated([quiet, slow])
    failing = step("200 tasks/s", failures=1, gateway=0.5, broker=0.6, machine=1.0)
    assert "Not kept up with" in name_saturated([failing])
    crowded = step("100 tasks/s", gateway=0.2, broker=0.3, machine=2.0)
    assert "machine, 2.00 of 2 cores (1.50 by" in name_saturated([crowded])


def test_the_report_takes_the_place_of_the_last() -> None:
    """Once, and what stands round it is left alone."""
    outcome = Outcome(title="Steady", what="Tasks.", steps=[step("100 tasks/s", gateway=0.3, machine=0.5)])
    section = make_section([outcome], "a machine", "2030-01-01", "engine: 80%")
    assert "| 100 tasks/s | accepted | 100 | 5 | 5 | 5 | 0 | 0.30 | 0.50 |" in section
    assert "engine: 80%" in section
    first = replace_section("# Benchmarks\n\nold\n", section)
    assert first == f"# Benchmarks\n\nold\n\n{section}"
    again = replace_section(first + "\n## After\n\nrest\n", section.replace("2030", "2031"))
    assert (again.count(TITLE), again.count("2030"), again.count("2031")) == (1, 0, 1)
    assert again.endswith("\n## After\n\nrest\n")
