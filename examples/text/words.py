"""Words: where they begin and end, which are the same, and which carry meaning."""

import re
import unicodedata
from collections.abc import Iterable, Iterator

from examples.text.languages import STOP_WORDS, guess_language

_HAN = "\u3005\u3400-\u4dbf\u4e00-\u9fff"
_KATAKANA = "\u30a1-\u30fa\u30fc-\u30fe\uff66-\uff9f"
_HIRAGANA = "\u3041-\u309f"
# Python's \w leaves out combining marks, which would cut Hindi or decomposed é in the middle of a word.
_MARKS = "".join(chr(code) for code in range(0x300, 0x10000) if unicodedata.category(chr(code)).startswith("M"))
_LETTERS = rf"[^\W_{_HAN}{_KATAKANA}{_HIRAGANA}]+(?:[{_MARKS}]+[^\W_{_HAN}{_KATAKANA}{_HIRAGANA}]*)*"
_JOINER = r"(?:['\u2019\-\u2011]|(?<=\d)[.,](?=\d))"
# Nothing that follows a first letter is mandatory, so a match never backtracks and the scan stays linear.
_WORD = re.compile(rf"[{_HAN}]+|[{_KATAKANA}]+|[{_HIRAGANA}]+|{_LETTERS}(?:{_JOINER}{_LETTERS})*")
_EAST_ASIAN = re.compile(rf"[{_HAN}{_KATAKANA}{_HIRAGANA}]")
_HIRAGANA_ONLY = re.compile(rf"[{_HIRAGANA}]+")


def iter_words(text: str) -> Iterator[re.Match[str]]:
    """Yield a match for each word, in order.

    Chinese and Japanese write no spaces, so there a word is a run of one script: kanji, katakana or hiragana.
    """
    return _WORD.finditer(text)


def fold_word(word: str) -> str:
    """Return the form under which two spellings of a word are one: no case, no possessive, a plain apostrophe."""
    return word.casefold().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").removesuffix("'s")


def is_east_asian(text: str) -> bool:
    """Tell whether the text starts with a Chinese or Japanese character."""
    return _EAST_ASIAN.match(text) is not None


class ContentFilter:
    """Keeps the words of one text that carry meaning: no small words, no bare numbers.

    For a language whose small words are not known, words of up to three letters count as small.
    """

    def __init__(self, folded_words: Iterable[str]) -> None:
        self.language = guess_language(folded_words)
        self._small = STOP_WORDS.get(self.language or "", frozenset())

    def keeps(self, folded_word: str) -> bool:
        """Tell whether the folded word carries meaning."""
        if is_east_asian(folded_word):
            return _HIRAGANA_ONLY.fullmatch(folded_word) is None
        if folded_word in self._small or folded_word[0].isdigit():
            return False
        return len(folded_word) > (3 if self.language is None else 1)
