"""Summaries made of a text's own sentences.

The ranking is TextRank's walk, taken on the graph of sentences and words instead of sentences and sentences: from a
sentence to one of its words, from the word to one of the sentences that hold it. It finds the same centres and costs
one pass over the words per step, where comparing all pairs of sentences would be quadratic.
"""

import math
from collections import Counter

from examples.text.sentences import split_paragraphs, split_sentences
from examples.text.words import ContentFilter, fold_word, iter_words

_STEPS = 12
_DAMPING = 0.85
_MOST_SHARED = 0.75  # a sentence that shares more of its words with the chosen ones adds too little


def summarize(text: str, sentences: int) -> list[str]:
    """Choose the sentences that stand for the whole, in the order of the text.

    Args:
        text: Any text.
        sentences: How many at most.

    Returns:
        Sentences as ``split_sentences`` gives them; all of them when the text has no more.

    Raises:
        ValueError: ``sentences`` is less than 1.
    """
    if sentences < 1:
        raise ValueError("sentences must be at least 1")
    candidates = split_sentences(text)
    if len(candidates) <= sentences:
        return candidates
    words = _content_words(candidates)
    scores = _rank(words, _starting_weights(text, candidates))
    order = sorted(range(len(candidates)), key=lambda index: (-scores[index], index))
    return [candidates[index] for index in sorted(_choose(order, words, sentences))]


def _content_words(sentences: list[str]) -> list[dict[str, None]]:
    """Return each sentence's distinct content words, in order, so that sums do not depend on hash order."""
    folded = [[fold_word(match.group()) for match in iter_words(sentence)] for sentence in sentences]
    content = ContentFilter(word for words in folded for word in words)
    return [dict.fromkeys(word for word in words if content.keeps(word)) for words in folded]


def _starting_weights(text: str, sentences: list[str]) -> list[float]:
    """Weigh sentences by where they stand: openings of the text and of its paragraphs tell more."""
    openings = {split_sentences(paragraph)[0] for paragraph in split_paragraphs(text)}
    weights = [1.5 if sentence in openings else 1.0 for sentence in sentences]
    weights[0] = 2.5
    total = math.fsum(weights)
    return [weight / total for weight in weights]


def _rank(words: list[dict[str, None]], start: list[float]) -> list[float]:
    """Walk from sentence to word to sentence, and return how much of the walk each sentence sees."""
    sentences_with = Counter(word for sentence in words for word in sentence)
    # A word of every sentence leads anywhere, a word of one sentence leads nowhere: both weigh little.
    weights = {word: math.log(1 + len(words) / count) * (count > 1) for word, count in sentences_with.items()}
    outward = [math.fsum(weights[word] for word in sentence) for sentence in words]
    scores = start
    for _ in range(_STEPS):
        at_word = dict.fromkeys(sentences_with, 0.0)
        for sentence, score, total in zip(words, scores, outward, strict=True):
            for word in sentence if total else ():
                at_word[word] += score * weights[word] / total
        scores = [
            (1 - _DAMPING) * base + _DAMPING * math.fsum(at_word[word] / sentences_with[word] for word in sentence)
            for sentence, base in zip(words, start, strict=True)
        ]
    # The walk visits long sentences more often merely for being long.
    return [score / math.sqrt(8 + len(sentence)) for score, sentence in zip(scores, words, strict=True)]


def _choose(order: list[int], words: list[dict[str, None]], limit: int) -> list[int]:
    """Take the best sentences that do not repeat the ones taken; fill up with the repeating ones."""
    chosen: list[int] = []
    repeating: list[int] = []
    covered: set[str] = set()
    for index in order:
        shared = sum(word in covered for word in words[index])
        if not words[index] or shared > _MOST_SHARED * len(words[index]):
            repeating.append(index)
            continue
        chosen.append(index)
        covered.update(words[index])
        if len(chosen) == limit:
            break
    return (chosen + repeating)[:limit]
