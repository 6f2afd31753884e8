"""What came out is shown as it is: in the plot, and in the summary of a profile."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from benchmarks.claims import Claim, Row
from benchmarks.plot import draw
from benchmarks.profiles import summarize

SVG = "{http://www.w3.org/2000/svg}"


def test_the_plot_has_a_dot_for_each_claim_on_its_side_of_the_bound() -> None:
    """A claim that holds is right of the line of the bound, one that does not left of it; far ones stay inside."""
    claims = [
        Claim(text="ours & theirs", values=[1000.0], bound=1),
        Claim(text="<p99>", values=[5.0, 20.0, 40.0], bound=10, sense="at most", unit="ms"),
    ]
    picture = ET.fromstring(draw([Row(name="road", title="a → b", claims=claims, figures=[])]))  # noqa: S314 - our own
    good, bad = (float(dot.attrib["cx"]) for dot in picture.iter(f"{SVG}circle"))
    texts = {text.text: float(text.attrib["x"]) for text in picture.iter(f"{SVG}text")}
    assert bad < texts["1"] < good <= texts["8"]
    assert {"ours & theirs", "<p99>", "a → b"} <= texts.keys()


def test_a_profile_tells_own_time_from_that_of_callees_and_leaves_imports_out() -> None:
    """Shares are of the samples that count, thread by thread, the busiest first."""
    text = summarize(
        "thread (9): engine;run (a.py:1);encode (b.py:1) 6\n"
        "thread (9): engine;run (a.py:1) 2\n"
        "thread (8): MainThread;read (c.py:1) 2\n"
        "thread (8): MainThread;_find_and_load (<frozen>:1);read (c.py:1) 90\n"
    )
    assert "engine: 80% of all samples" in text
    assert "20.0%  80.0%  run (a.py:1)" in text
    assert "60.0%  60.0%  encode (b.py:1)" in text
    assert text.index("engine") < text.index("MainThread: 20%")
