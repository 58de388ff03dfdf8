"""The one writer of CSV files."""

import csv
import io
import re
from pathlib import Path

import pytest

import xbarch
from xbarch.support.sheet import entries, harmless, sheet

ROOT = Path(xbarch.__file__).parent


def cells(text):
    return list(csv.reader(io.StringIO(text)))


def test_csv():
    rows = [["a,b", 1.5, None], ['"', True, 0], ["two\nlines", -3, -0.5]]
    text = sheet(["x", "y", "z"], rows)
    assert cells(text) == [["x", "y", "z"], ["a,b", "1.5", ""], ['"', "True", "0"], ["two\nlines", "-3", "-0.5"]]
    assert "\r" not in text


def test_entries():
    assert entries('a,b\n1,"x,y"\n') == [{"a": "1", "b": "x,y"}]


@pytest.mark.parametrize("start", [*"=+-@＝＋－＠", "\t", "\r", "\n", "\ufeff=", " =", "\u00a0@"])
def test_no_text_is_a_formula(start):
    """A spreadsheet shows what begins with an apostrophe. Heads are texts too."""
    text = f'{start}HYPERLINK("http://x","y")'
    assert harmless(text) == f"'{text}"
    assert [[cell[:1] for cell in row] for row in cells(sheet([text, "b"], [["a", text]]))] == [["'", "b"], ["a", "'"]]


@pytest.mark.parametrize("text", ["", "-", "a=b", "a-b", "x@y", "–", "−3", "3", "-3", "+1.5e-3", "-.5", "1,000", "'=1"])
def test_other_texts_and_numbers_are_left_alone(text):
    assert harmless(text) == ("'-" if text == "-" else text)


def test_every_file_is_written_by_it():
    """No other module of xbarch knows how to write a CSV file."""
    users = [path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py")
             if re.search(r"^\s*(import csv|from csv import)", path.read_text(encoding="utf-8"), re.M)]
    assert [user for user in users if user != "support/sheet.py"] == []
