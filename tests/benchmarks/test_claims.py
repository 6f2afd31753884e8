"""What is claimed about speed is judged by the median, on the right side of its bound."""

from __future__ import annotations

import pytest

from benchmarks.claims import Claim, Figure, ratios


def test_the_median_decides_and_not_the_best_round() -> None:
    """A claim holds if its median reaches the bound; one lucky round does not help."""
    assert Claim(text="rate", values=[0.6, 0.7, 0.9], bound=0.7).holds
    assert not Claim(text="rate", values=[0.6, 0.6, 0.9], bound=0.7).holds


def test_a_claim_may_be_an_upper_bound() -> None:
    """``at most`` turns the comparison round, and the verdict says which side it is on."""
    claim = Claim(text="p99", values=[9.0, 11.0, 8.0], bound=10, sense="at most", unit="ms")
    assert (claim.median, claim.holds, claim.verdict) == (9.0, True, "PASS")
    assert Claim(text="p99", values=[11.0], bound=10, sense="at most", unit="ms").verdict == "MISS"


@pytest.mark.parametrize(("sense", "value"), [("at least", 20.0), ("at most", 5.0)])
def test_the_margin_of_what_is_twice_as_good_is_two(sense: str, value: float) -> None:
    """Margins of both kinds of bound can stand on one axis: further up is always better."""
    assert Claim(text="", values=[value], bound=10, sense=sense).margin(value) == 2  # type: ignore[arg-type]  # parametrized


def test_a_ratio_is_taken_within_a_round() -> None:
    """A round in which all were slow does not change the ratio."""
    assert ratios([100, 50], [200, 100]) == [0.5, 0.5]


def test_figures_are_written_for_people() -> None:
    """Large figures have thousands marks, small ones two digits, and both their unit."""
    figure = Figure(name="ours", values=[1000.4, 90_000.0, 2000.0], unit="tasks/s")
    assert (figure.median_text, figure.range_text) == ("2,000 tasks/s", "1,000..90,000")
    assert Figure(name="ours", values=[1.234], unit="ms").median_text == "1.23 ms"
