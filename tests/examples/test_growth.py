"""Hostile texts of 200 kB: none takes a function longer than its length deserves."""

import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from examples.text import count_words, describe_csv, extract_keywords, redact, summarize

HOSTILE = {
    "full stops in one word": "a." * 100_000,
    "one word": "a" * 200_000,
    "hyphens": "a-" * 100_000,
    "nested openings": '"(' * 100_000,
    "quotes": '"' * 200_000,
    "quotes and commas": '",' * 100_000,
    "full stops and quotes": '."' * 100_000,
    "spaces": " " * 200_000,
    "blank lines": "\n " * 100_000,
    "initials": "X. " * 66_000,
    "one sentence": "alpha beta " * 18_000,
    "one sentence repeated": "Alpha beta gamma. " * 11_000,
    "words all different": " ".join(f"w{number:x}" for number in range(33_000)),
    "sentences all different": " ".join(f"W{number:x} is w{number + 1:x}." for number in range(12_000)),
    "paragraphs": "Ab c.\n\n" * 28_000,
    "kanji": "漢" * 200_000,
    "scripts": "漢かカa" * 50_000,
    "combining marks": "a\u0301" * 100_000,
    "emoji": "\N{PARTY POPPER}" * 100_000,
    "digits": "1" * 200_000,
    "digits apart": "1 " * 100_000,
    "plus signs": "+1 " * 66_000,
    "bracketed zeros": "0(" * 100_000,
    "at signs": "a@" * 100_000,
    "a mailbox without end": "a." * 100_000 + "@",
    "account numbers": "DE12 " * 40_000,
    "commas": "," * 200_000,
    "rows": "1,2\n" * 50_000,
}
FUNCTIONS: dict[str, Callable[[str], object]] = {
    "summarize": lambda text: summarize(text, 5),
    "summarize to many": lambda text: summarize(text, 5_000),
    "extract_keywords": lambda text: extract_keywords(text, 10),
    "count_words": count_words,
    "redact": redact,
    "describe_csv": describe_csv,
}


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_is_done_with_in_seconds(function: str, text: str) -> None:
    """The slowest needs about one second of processor; a quadratic scan would need minutes."""
    started = time.process_time()
    with suppress(ValueError):  # most of them are no tables
        FUNCTIONS[function](HOSTILE[text])
    assert time.process_time() - started < 8
