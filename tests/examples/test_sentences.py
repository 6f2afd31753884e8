"""Where sentences end."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from examples.text import split_sentences

relaxed = settings(deadline=None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("Dr. Smith met Mrs. Jones. They talked.", ["Dr. Smith met Mrs. Jones.", "They talked."]),
        ("He came at 5 p.m. on Jan. 5 and left.", ["He came at 5 p.m. on Jan. 5 and left."]),
        ("He came at 5 p.m. The door was shut.", ["He came at 5 p.m.", "The door was shut."]),
        ("J. K. Rowling wrote it. We read it.", ["J. K. Rowling wrote it.", "We read it."]),
        ("The U.S. Army left. It rained.", ["The U.S. Army left.", "It rained."]),
        ("See No. 7, p. 12. Then stop.", ["See No. 7, p. 12.", "Then stop."]),
        ('"Stop!" she said. He stopped.', ['"Stop!" she said.', "He stopped."]),
        ('He said, "Stop!" Nobody stopped.', ['He said, "Stop!"', "Nobody stopped."]),
        ("Wait... what? Yes.", ["Wait... what?", "Yes."]),
        ("Pi is 3.14. See example.com for more.", ["Pi is 3.14.", "See example.com for more."]),
        ("Am 3. Mai war z. B. alles zu. Es regnete.", ["Am 3. Mai war z. B. alles zu.", "Es regnete."]),
        ("「もう帰る。」と言った。雨が降った。", ["「もう帰る。」と言った。", "雨が降った。"]),
        ("1. Open the lid. 2. Pour.", ["1. Open the lid.", "2. Pour."]),
        ("A title\n\nThe text. Its end", ["A title", "The text.", "Its end"]),
        ("One line\nand the next. Done.", ["One line and the next.", "Done."]),
        ("We came back. \N{GLOWING STAR}", ["We came back. \N{GLOWING STAR}"]),
        ("", []),
        (" \n\t ", []),
    ],
)
def test_a_sentence_ends_where_a_reader_would_end_it(text: str, expected: list[str]) -> None:
    """Abbreviations, initials, ordinals, quotations and other scripts do not mislead it."""
    assert split_sentences(text) == expected


@relaxed
@given(st.text() | st.text(alphabet="aB1.!?\"'()«»。「」と \n", max_size=80))
def test_splitting_loses_nothing(text: str) -> None:
    """Put together again, the sentences are the text, white space aside."""
    sentences = split_sentences(text)
    assert "".join("".join(sentences).split()) == "".join(text.split())
    assert all(sentence and sentence == " ".join(sentence.split()) for sentence in sentences)


@relaxed
@given(st.lists(st.sampled_from(["It rained.", "Nobody came!", "Why not?", "雨が降った。"]), max_size=12))
def test_sentences_put_together_come_apart_again(sentences: list[str]) -> None:
    """What is plainly several sentences is split into exactly those."""
    assert split_sentences(" ".join(sentences)) == sentences
