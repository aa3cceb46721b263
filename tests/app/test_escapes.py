"""Text that somebody else wrote, on a terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.escapes import line, name, read

TOLD = [
    ("a b", "a b", r"a\x20b"),
    ("\x1b[2J\x9b\x7f", r"\x1b[2J\x9b\x7f", r"\x1b[2J\x9b\x7f"),
    ("\u202e\u2028\U000e0001", r"\u202e\u2028\U000e0001", r"\u202e\u2028\U000e0001"),
    (r"\x9b", r"\x9b", r"\\x9b"),
    ("M\u00fcller \N{GRINNING FACE}", "M\u00fcller \N{GRINNING FACE}", "M\u00fcller\\x20\N{GRINNING FACE}"),
]


@pytest.mark.parametrize(("text", "as_line", "as_name"), TOLD)
def test_what_steers_a_terminal_is_seen(text: str, as_line: str, as_name: str) -> None:
    assert (line(text), name(text)) == (as_line, as_name)


@given(st.text(st.characters(exclude_categories=())))
def test_any_name_is_a_printable_word_that_is_read_back(text: str) -> None:
    told = name(text)
    assert told.isprintable()
    assert " " not in told
    assert line(told) == told
    assert read(told) == text


@pytest.mark.parametrize("told", ["\\", r"\q", r"\x9", r"\U00110000", "plain"])
def test_what_nothing_is_told_by_is_read_as_it_is(told: str) -> None:
    assert read(told) == told
