"""Counts."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from examples.text import count_words

relaxed = settings(deadline=None)


def test_words_sentences_and_characters_are_counted() -> None:
    """Small words count as words but are not named as frequent."""
    counts = count_words("The rain stays.\nThe rain goes.\n\nRain!", frequent=2)
    assert (counts.words, counts.sentences, counts.paragraphs) == (7, 3, 2)
    assert (counts.characters, counts.characters_without_spaces) == (37, 30)
    assert counts.frequent == (("rain", 3), ("stays", 1))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("don't stop", 2),
        ("don\N{RIGHT SINGLE QUOTATION MARK}t stop", 2),
        ("well-known, 1,234.5 times", 3),
        ("Türöffner", 1),
        (unicodedata.normalize("NFD", "Türöffner"), 1),
        ("हिन्दी भाषा", 2),
        ("新しいカメラ", 3),
        ("iPhoneを買う", 4),
        ("snake_case", 2),
        ("- -- ...", 0),
    ],
)
def test_a_word_is_what_a_reader_takes_for_one(text: str, words: int) -> None:
    """Apostrophes, hyphens, figures and combining marks stay inside a word; scripts part Japanese words."""
    assert count_words(text).words == words


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("This is the end of the road.", "en"),
        ("Das ist das Ende der Straße.", "de"),
        ("C'est la fin de la route, et nous sommes avec vous.", "fr"),
        ("Este es el fin de la carretera.", "es"),
        ("これは道の終わりです。", None),
        ("", None),
    ],
)
def test_the_language_is_guessed_from_small_words(text: str, language: str | None) -> None:
    assert count_words(text).language == language


def test_reading_time_knows_two_ways_of_writing() -> None:
    """230 words take a minute, and so do 450 characters of Japanese."""
    assert count_words("word " * 230).reading_time_s == 60
    assert count_words("漢" * 450).reading_time_s == 60
    assert count_words("").reading_time_s == 0


@relaxed
@given(st.text(), st.text())
def test_counts_of_two_paragraphs_add_up(first: str, second: str) -> None:
    """Two texts with a blank line between them have the words, sentences and paragraphs of both."""
    one, two, both = count_words(first), count_words(second), count_words(f"{first}\n\n{second}")
    assert both.words == one.words + two.words
    assert both.sentences == one.sentences + two.sentences
    assert both.paragraphs == one.paragraphs + two.paragraphs
    assert both.characters == len(first) + len(second) + 2


@relaxed
@given(st.text(), st.integers(-1, 5))
def test_the_frequent_words_are_as_many_as_asked_for(text: str, frequent: int) -> None:
    """At most so many, most frequent first, and together no more than all words."""
    counts = count_words(text, frequent)
    numbers = [number for _, number in counts.frequent]
    assert len(numbers) <= max(0, frequent)
    assert numbers == sorted(numbers, reverse=True)
    assert sum(numbers) <= counts.words
