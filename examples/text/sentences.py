"""Sentences: where one ends, in spite of abbreviations, initials, numbers and quotes."""

import re

from examples.text.languages import word_set

_QUOTES = (
    "\"'\u2018\u2019\u201c\u201d\u201e\u00ab\u00bb\u2039\u203a"  # German and French authors close where others open
)
_OPENERS = _QUOTES + "([{¿¡"
_CLOSERS = _QUOTES.replace("\u201e", "") + r")\]\uff09」』】"
_WIDE_MARKS = "。｡\uff01\uff1f"
_MARKS = r".!?\u2026\u203d\u061f\u06d4\u0964" + _WIDE_MARKS
_JAPANESE_PARTICLES = "とっはがのをにもで、"  # they continue the sentence after a quotation: 「…。」と言った
# Each part is a run of one character class and only the first is mandatory: a scan is linear whatever the text.
_TERMINATOR = re.compile(rf"(?P<mark>[{_MARKS}]+)(?P<closers>[{_CLOSERS}]*)(?P<space>\s*)")
_BLANK_LINE = re.compile(r"\n\s*\n")

# A full stop after one of these never ends a sentence.
_TITLES = word_set(
    """
    dr mr mrs ms mx prof st sr sra hon rev gen col capt lt sgt gov sen rep pres mt messrs mme mlle e.g i.e cf viz vs
    approx ca z.b d.h u.a bzw vgl sog evtl ggf inkl zzgl hr fr dipl ing
    """
)
# A full stop after one of these does not end a sentence when a number follows.
_COUNTED = word_set(
    """
    no nos nr p pp fig figs art sec vol ch eq tab abb kap s bd jan feb mar apr jun jul aug sep sept oct nov dec
    """
)
# One of these may end a sentence; whether it does, the next word tells.
_MAYBE_LAST = word_set("etc inc ltd co corp jr u.s u.k u.n e.u a.m p.m ph.d b.sc m.sc usw u.s.w al gmbh")
_STARTERS = word_set(
    """
    a an and as at but for he her his how however i if in it its no not on one our she so some that the their then
    there these they this those to we what when where who why with you your
    aber am auch da das der die dies diese ein eine er es für ich ihr im in mit sie und was wenn wer wie wir
    """
)
_MONTHS = word_set("januar februar märz april mai juni juli august september oktober november dezember jänner")
_LOOK_BACK = 24  # characters; longer than any abbreviation, and it bounds the work per full stop
_LOOK_AHEAD = 24


def split_sentences(text: str) -> list[str]:
    """Split the text into sentences, in order.

    White space inside a sentence is collapsed to single spaces; nothing else is lost or changed. A blank line always
    ends a sentence.
    """
    return [sentence for paragraph in split_paragraphs(text) for sentence in _split_paragraph(paragraph)]


def split_paragraphs(text: str) -> list[str]:
    """Split the text at blank lines, white space collapsed; empty paragraphs are left out."""
    lines = "\n".join(text.splitlines())
    paragraphs = (" ".join(part.split()) for part in _BLANK_LINE.split(lines))
    return [paragraph for paragraph in paragraphs if paragraph]


def _split_paragraph(paragraph: str) -> list[str]:
    sentences = []
    start = 0
    for match in _TERMINATOR.finditer(paragraph):
        if match.end() < len(paragraph) and _ends_sentence(paragraph, start, match):
            sentences.append(paragraph[start : match.end()].rstrip())
            start = match.end()
    rest = paragraph[start:]
    if sentences and not any(map(str.isalnum, rest)):  # an emoji after the last full stop
        return [*sentences[:-1], f"{sentences[-1]} {rest}"]
    return [*sentences, rest]


def _ends_sentence(paragraph: str, start: int, match: re.Match[str]) -> bool:
    """Tell whether the mark ends the sentence that began at ``start``; more text follows it."""
    following = paragraph[match.end() : match.end() + _LOOK_AHEAD]
    if match["mark"][-1] in _WIDE_MARKS:
        return not (match["closers"] and following[0] in _JAPANESE_PARTICLES)
    if not match["space"]:
        return False
    next_word = following.split()[0].lstrip(_OPENERS).rstrip(",;:.!?")
    if next_word[:1].islower():
        return False
    if match["mark"] != "." or match["closers"]:
        return True
    before = paragraph[max(start, match.start() - _LOOK_BACK) : match.start()].split()
    last_word = before[-1].lstrip(_OPENERS) if before else ""
    at_start = match.start() - start == len(last_word)
    return _full_stop_ends(last_word, next_word, at_start=at_start)


def _full_stop_ends(last_word: str, next_word: str, *, at_start: bool) -> bool:
    """Decide for a single full stop between two words."""
    folded, following = last_word.casefold(), next_word.casefold()
    if folded in _TITLES:
        return False
    if folded in _COUNTED and next_word[:1].isdigit():
        return False
    if last_word.isdigit() and len(last_word) <= 2:
        return not at_start and following not in _MONTHS  # "1. Open the lid", "am 3. Mai"
    single_letter = len(last_word) == 1 and last_word.isalpha()  # "J. K. Rowling", "z. B."
    if single_letter or folded in _MAYBE_LAST:
        return following in _STARTERS
    return True
