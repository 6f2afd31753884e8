"""Keywords: the words and phrases a text is about."""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from examples.text.words import ContentFilter, fold_word, is_east_asian, iter_words

_LONGEST_PHRASE = 3  # words
_LONGEST_HAN_WORD = 4  # characters; a longer run holds several words and is cut into pairs

_Phrase = tuple[str, ...]  # folded words
_Word = tuple[str, int, int]  # folded, start, end


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyword:
    """A phrase of the text."""

    phrase: str  # as it is first written in the text, white space collapsed
    occurrences: int
    score: float  # comparable within one text only


def extract_keywords(text: str, count: int) -> list[Keyword]:
    """Name the phrases a text is about, best first.

    A candidate is a content word, or up to three of them in a row: a whole run between small words and punctuation,
    or a part of one that occurs twice. It scores for its own occurrences and for those of its words. A phrase that
    shares a word with a better one is left out.

    Args:
        text: Any text.
        count: How many at most.

    Raises:
        ValueError: ``count`` is less than 1.
    """
    if count < 1:
        raise ValueError("count must be at least 1")
    flat = " ".join(text.split())
    runs = list(_content_runs(flat))
    word_counts = Counter(word for run in runs for word, _, _ in run)
    occurrences, first = _collect_phrases(runs)
    whole_runs = {tuple(word for word, _, _ in run) for run in runs}
    scores = {
        phrase: number * math.log2(1 + len(phrase)) * sum(word_counts[word] for word in phrase) / len(phrase)
        for phrase, number in occurrences.items()
        if len(phrase) == 1 or number > 1 or phrase in whole_runs
    }
    ranked = sorted(scores, key=lambda phrase: (-scores[phrase], first[phrase][0], -len(phrase)))
    return [
        Keyword(
            phrase=flat[first[phrase][0] : first[phrase][1]],
            occurrences=occurrences[phrase],
            score=round(scores[phrase], 3),
        )
        for phrase in _drop_overlapping(ranked, count)
    ]


def _content_runs(flat: str) -> Iterator[list[_Word]]:
    """Yield the runs of content words with nothing but one space between them."""
    matches = list(iter_words(flat))
    folded = [fold_word(match.group()) for match in matches]
    content = ContentFilter(folded)
    run: list[_Word] = []
    for match, word in zip(matches, folded, strict=True):
        if run and flat[run[-1][2] : match.start()] != " ":
            yield run
            run = []
        if not content.keeps(word):
            if run:
                yield run
            run = []
        elif is_east_asian(word):
            yield from _east_asian_words(word, match.start())
        else:
            run.append((word, match.start(), match.end()))
    if run:
        yield run


def _east_asian_words(word: str, start: int) -> Iterator[list[_Word]]:
    """Yield a short run as it is, and the pairs of a long one: words are not marked in it."""
    if len(word) == 1:
        return
    katakana = "\u30a1" <= word[0] <= "\u30fe"
    width = len(word) if katakana or len(word) <= _LONGEST_HAN_WORD else 2
    for offset in range(len(word) - width + 1):
        yield [(word[offset : offset + width], start + offset, start + offset + width)]


def _collect_phrases(runs: list[list[_Word]]) -> tuple[Counter[_Phrase], dict[_Phrase, tuple[int, int]]]:
    """Count every phrase of the runs, and note where each stands first."""
    occurrences: Counter[_Phrase] = Counter()
    first: dict[_Phrase, tuple[int, int]] = {}
    for run in runs:
        for begin in range(len(run)):
            for end in range(begin + 1, min(begin + _LONGEST_PHRASE, len(run)) + 1):
                phrase = tuple(word for word, _, _ in run[begin:end])
                occurrences[phrase] += 1
                first.setdefault(phrase, (run[begin][1], run[end - 1][2]))
    return occurrences, first


def _drop_overlapping(ranked: list[_Phrase], count: int) -> list[_Phrase]:
    """Take the best phrases, none with a word of another."""
    taken: list[_Phrase] = []
    used: set[str] = set()
    for phrase in ranked:
        if used.isdisjoint(phrase):
            taken.append(phrase)
            used.update(phrase)
        if len(taken) == count:
            break
    return taken
