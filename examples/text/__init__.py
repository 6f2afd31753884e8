"""Work on text without network or model: the handlers of ``examples.agents`` call these.

Every function is pure and deterministic, takes any Unicode text, and needs time about linear in its length.
"""

from examples.text.counts import WordCounts, count_words
from examples.text.keywords import Keyword, extract_keywords
from examples.text.redaction import KINDS, Kind, Redaction, redact
from examples.text.sentences import split_sentences
from examples.text.summary import summarize
from examples.text.tables import ColumnDescription, TableDescription, describe_csv

__all__ = [
    "KINDS",
    "ColumnDescription",
    "Keyword",
    "Kind",
    "Redaction",
    "TableDescription",
    "WordCounts",
    "count_words",
    "describe_csv",
    "extract_keywords",
    "redact",
    "split_sentences",
    "summarize",
]
