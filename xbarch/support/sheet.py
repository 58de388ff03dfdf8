"""Comma-separated values: every CSV file of xbarch is written here, so that no text in it can act as a formula.
Tables of its own are read here."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain, islice

_FORMULA = "=+-@＝＋－＠"  # a spreadsheet takes a cell for a formula that begins with one of these
_SOME = 500  # lines made at a time


def sheet(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Lines of RFC 4180, ended by a line feed; None is an empty cell, a text that a spreadsheet would run begins with
    an apostrophe."""
    return "".join(written(heads, rows))


def written(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """Yield the lines of `sheet`, some at a time."""
    every = chain((heads,), rows)
    while some := [[harmless(cell) if isinstance(cell, str) else cell for cell in row]
                   for row in islice(every, _SOME)]:
        stream = io.StringIO()
        csv.writer(stream, lineterminator="\n").writerows(some)
        yield stream.getvalue()


def entries(text: str) -> list[dict[str, str]]:
    """The rows of a CSV file of our own, by its heads."""
    return list(csv.DictReader(io.StringIO(text)))


@lru_cache(maxsize=1024)
def harmless(text: str) -> str:
    """`text` as it is if a spreadsheet shows it, else after an apostrophe. Numbers stay numbers, signed ones too."""
    bare = text.lstrip("\ufeff\u200b\u00a0 ")
    if text[:1] in ("\t", "\r", "\n") or (bare[:1] and bare[0] in _FORMULA and not _number(text)):
        return "'" + text
    return text


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
