"""What commands print, for people and for programs."""

from __future__ import annotations

import io
import json
import re
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from mabos.cli.output import Output, console, make_streams_safe, one_line, print_error, print_record, print_rows

ROWS = [{"name": "ü", "size_bytes": 1, "note": None}, {"name": "界界", "size_bytes": 22, "note": "x" * 300}]
COLUMNS = ("name", "size_bytes", "note")


class Terminal(io.StringIO):
    """A standard output that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_piped_table_is_as_wide_as_its_rows(capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    """Nothing is wrapped, cut or padded at the end, however narrow the terminal was; columns stand below each other."""
    monkeypatch.setenv("COLUMNS", "20")
    print_rows(ROWS, COLUMNS, Output.TABLE)
    head, first, second = capsys.readouterr().out.splitlines()
    assert head == "name  size bytes  note"
    assert first == "ü     1           -"
    assert second == "界界  22          " + "x" * 300


def test_a_table_fits_into_a_terminal(monkeypatch: Any) -> None:
    """No line is longer than the terminal, and nothing is lost."""
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setattr(sys, "stdout", terminal := Terminal())
    print_rows(ROWS, COLUMNS, Output.TABLE)
    lines = re.sub(r"\x1b\[\d*m", "", terminal.getvalue()).splitlines()
    assert max(map(cell_len, lines)) <= 60
    assert terminal.getvalue().count("x") == 300


def test_a_table_without_rows_has_a_head(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing found is said too."""
    print_rows([], COLUMNS, Output.TABLE)
    assert capsys.readouterr().out == "name  size bytes  note\n"


def test_json_is_one_array(capsys: pytest.CaptureFixture[str]) -> None:
    """All rows with all their fields, Unicode as it is; no rows are an empty array."""
    print_rows(iter(ROWS), COLUMNS, Output.JSON)
    text = capsys.readouterr().out
    assert json.loads(text) == ROWS
    assert "界界" in text
    print_rows([], COLUMNS, Output.JSON)
    assert json.loads(capsys.readouterr().out) == []


def test_ndjson_is_an_object_a_line_as_soon_as_it_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    """The first row is out before the second is asked for."""

    def rows() -> Any:
        yield {"n": 1, "text": "a\nb"}
        assert capsys.readouterr().out == '{"n":1,"text":"a\\nb"}\n'
        yield {"n": 2}

    print_rows(rows(), ("n",), Output.NDJSON)
    assert capsys.readouterr().out == '{"n":2}\n'


@given(st.dictionaries(st.text(min_size=1), st.text() | st.integers() | st.none(), min_size=1))
def test_a_record_is_one_line_per_field(record: dict[str, Any]) -> None:
    """Whatever the values hold, a field is a line, so a person can tell them apart."""
    out, sys.stdout = sys.stdout, io.StringIO()
    try:
        print_record({one_line(name): value for name, value in record.items()}, Output.TABLE)
        text = sys.stdout.getvalue()
    finally:
        sys.stdout = out
    assert text.count("\n") == len({one_line(name) for name in record})


def test_a_record_is_json_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    """In one line, or in several."""
    print_record({"a": {"b": [1]}}, Output.NDJSON)
    assert capsys.readouterr().out == '{"a":{"b":[1]}}\n'
    print_record({"a": {"b": [1]}}, Output.JSON)
    assert json.loads(capsys.readouterr().out) == {"a": {"b": [1]}}


@pytest.mark.parametrize("text", ["[red]no[/]", "a [b] c\\", ":smile:", "[/]"])
def test_errors_say_what_they_were_given(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """No markup and no emoji is read into a message, and no colour gets into a pipe."""
    print_error(text)
    assert capsys.readouterr().err == f"error: {text}\n"


@given(st.text())
def test_a_message_stays_in_its_line(text: str) -> None:
    """No break, cursor movement or turned text gets through; what can be printed stays as it is."""
    line = one_line(text)
    assert len(line.splitlines()) <= 1
    assert not set(line) & set("\x1b\x07\x9b\u202e")
    assert one_line("Grüße, 世界 👋🏽") == "Grüße, 世界 👋🏽"
    assert one_line("a\x1b[2Jb\n") == "a\\x1b[2Jb\\n"


def test_a_long_error_is_not_wrapped(capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    """One line is one line, so that ``grep`` finds it."""
    monkeypatch.setenv("COLUMNS", "20")
    print_error("word " * 100)
    assert capsys.readouterr().err.count("\n") == 1


def test_no_character_is_an_error(monkeypatch: Any) -> None:
    """Text that the encoding of a pipe lacks, even a lone surrogate, is written all the same."""
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="latin-1"))
    monkeypatch.setattr(sys, "stderr", None)  # as after `2>&-`
    make_streams_safe()
    print_record({"text": "世\udcff"}, Output.NDJSON)
    assert json.loads(raw.getvalue()) == {"text": "世\udcff"}


def test_the_console_has_no_colour_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    """Styles are for terminals."""
    console.print("a", style="bold red")
    assert capsys.readouterr().err == "a\n"
