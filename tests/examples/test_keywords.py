"""Keywords."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from examples.text import extract_keywords

relaxed = settings(deadline=None)

TICKET = """\
The water tank has a crack. I tried glue on the water tank, and the glue held for a day.
Please send me a new water tank.
"""


@relaxed
@given(st.text() | st.text(alphabet="abc AB-'.漢字カタかな1\n", max_size=200), st.integers(1, 12))
def test_keywords_occur_in_the_text(text: str, count: int) -> None:
    """Each is written in the text, none twice, at most as many as asked for, best first."""
    flat = " ".join(text.split())
    keywords = extract_keywords(text, count)
    assert all(keyword.phrase and keyword.phrase in flat for keyword in keywords)
    assert len({keyword.phrase for keyword in keywords}) == len(keywords) <= count
    scores = [keyword.score for keyword in keywords]
    assert scores == sorted(scores, reverse=True)


def test_the_phrase_that_is_repeated_comes_first() -> None:
    """A repeated phrase beats its own words, and no word is named twice."""
    keywords = extract_keywords(TICKET, 3)
    assert keywords[0].phrase == "water tank"
    assert keywords[0].occurrences == 3
    assert keywords[1].phrase == "glue"
    words = " ".join(keyword.phrase for keyword in keywords).split()
    assert len(set(words)) == len(words)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Die Brücke trug elf Bücher. Danach brach die Brücke.", "Brücke"),
        ("銭湯は百年目だ。銭湯には若い客がいる。カメラもある。", "銭湯"),
        ("Nad i pod: nad, pod, nad. Rzeka, rzeka.", "Rzeka"),
        ("It is what it is. Rain, rain, rain.", "Rain"),
    ],
)
def test_the_best_keyword_carries_meaning_in_any_language(text: str, expected: str) -> None:
    """Small words are passed over, also where the language is not known."""
    assert extract_keywords(text, 1)[0].phrase == expected


def test_spellings_that_differ_in_case_or_possessive_are_one() -> None:
    """The keyword is shown as it is written first."""
    (keyword,) = extract_keywords("Kestrel's fan. KESTREL? The kestrel!", 1)
    assert (keyword.phrase, keyword.occurrences) == ("Kestrel's", 3)


def test_no_keywords_at_all_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        extract_keywords("rain", 0)
