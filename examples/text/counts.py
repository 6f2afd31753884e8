"""How much text there is."""

from collections import Counter
from dataclasses import dataclass

from examples.text.sentences import split_paragraphs, split_sentences
from examples.text.words import ContentFilter, fold_word, is_east_asian, iter_words

_WORDS_PER_MINUTE = 230
_EAST_ASIAN_CHARACTERS_PER_MINUTE = 450


@dataclass(frozen=True, slots=True, kw_only=True)
class WordCounts:
    """What was counted."""

    words: int  # a Chinese or Japanese word is a run of one script
    sentences: int
    paragraphs: int
    characters: int  # code points, white space included
    characters_without_spaces: int
    reading_time_s: int  # silent reading by an adult, rounded up
    language: str | None  # "en", "de", "fr", "es"; None for any other
    frequent: tuple[tuple[str, int], ...]  # words that carry meaning and how often they occur, most frequent first


def count_words(text: str, frequent: int = 10) -> WordCounts:
    """Count the words, sentences and characters of a text.

    Args:
        text: Any text.
        frequent: How many of the most frequent words to name; ties go to the word that comes first.
    """
    words = [match.group() for match in iter_words(text)]
    folded = [fold_word(word) for word in words]
    content = ContentFilter(folded)
    occurrences = Counter(word for word in folded if content.keeps(word))
    return WordCounts(
        words=len(words),
        sentences=len(split_sentences(text)),
        paragraphs=len(split_paragraphs(text)),
        characters=len(text),
        characters_without_spaces=sum(map(len, text.split())),
        reading_time_s=_estimate_reading_time(words),
        language=content.language,
        frequent=tuple(occurrences.most_common(max(0, frequent))),
    )


def _estimate_reading_time(words: list[str]) -> int:
    """Return seconds, rounded up."""
    east_asian = [word for word in words if is_east_asian(word)]
    characters = sum(map(len, east_asian))
    spaced = len(words) - len(east_asian)
    # Whole numbers, for a result that no rounding of floats can move.
    scaled = 60 * (spaced * _EAST_ASIAN_CHARACTERS_PER_MINUTE + characters * _WORDS_PER_MINUTE)
    return -(-scaled // (_WORDS_PER_MINUTE * _EAST_ASIAN_CHARACTERS_PER_MINUTE))
