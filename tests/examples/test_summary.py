"""Summaries."""

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from examples.text import split_sentences, summarize

relaxed = settings(deadline=None)

FERRY = """\
The night ferry will run from June. My aunt likes plums. The council pays for the night ferry with a levy on ships.
Somebody whistled. The levy on ships brought the council more money than the night ferry costs.
"""


def is_subsequence(part: Iterable[str], whole: Iterable[str]) -> bool:
    remaining = iter(whole)
    return all(any(item == other for other in remaining) for item in part)


@relaxed
@given(st.text() | st.text(alphabet="abAB.! \n", max_size=200), st.integers(1, 8))
def test_a_summary_is_made_of_the_texts_sentences_in_order(text: str, sentences: int) -> None:
    """It invents nothing, reorders nothing, and is as long as asked or as long as the text."""
    whole = split_sentences(text)
    summary = summarize(text, sentences)
    assert is_subsequence(summary, whole)
    assert len(summary) == min(sentences, len(whole))


def test_what_the_text_keeps_coming_back_to_is_chosen() -> None:
    """Sentences that share their words with others win over asides."""
    summary = summarize(FERRY, 3)
    assert [sentence.split()[:2] for sentence in summary] == [["The", "night"], ["The", "council"], ["The", "levy"]]


def test_a_sentence_that_repeats_another_is_left_out() -> None:
    """Saying a thing twice does not put it into the summary twice while there is something else to say."""
    text = "The mill grinds rye and wheat. The mill grinds wheat and rye. Visitors may watch the mill on Sundays."
    assert summarize(text, 2) == ["The mill grinds rye and wheat.", "Visitors may watch the mill on Sundays."]


def test_a_short_text_is_its_own_summary() -> None:
    """With no more sentences than asked for, all are returned."""
    assert summarize("One. Two.", 5) == ["One.", "Two."]


@pytest.mark.parametrize("sentences", [0, -1])
def test_a_summary_of_no_sentences_is_refused(sentences: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        summarize("One. Two.", sentences)
