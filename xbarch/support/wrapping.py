"""Text wrapped to the width of a terminal: no word is cut, and a number stays with its unit."""

from __future__ import annotations

import os
import re
import shutil
import sys
import textwrap

# Where prose may be wrapped: not between a number and its unit, a word of one or two letters
PROSE = re.compile(r"(?<!\d)\s+|(?<=\d)\s+(?!(?:[µ×%]|\w{1,2}\b))")
# Where a value may be: between words, behind a comma, before what stands in brackets
VALUE = re.compile(r"(?<=[,;:])\s+|(?<=[^\W\d_]|[/)])\s+(?=[^\W\d_])|\s+(?=\()")
# Where a name too long for a line may be
NAME = re.compile(r"(?<=[./_:,=@-])")
_GLUE = "\N{NO-BREAK SPACE}"


def wrapped(text: str, width: int, lines: int | None = None, end: str = "…", whole: bool = False) -> list[str]:
    """A line of prose as lines of at most `width` letters; where there would be more than `lines`, it ends with `end`.

    Spaces are kept in what fits, and at the beginning of what does not. whole: a word that is longer, such as a path,
    stays in one piece, to be copied.
    """
    if len(text) <= width:
        return [text]
    start = len(text) - len(text.lstrip())
    glued = " ".join(piece.replace(" ", _GLUE) for piece in PROSE.split(text[start:]))
    parts = textwrap.wrap(text[:start] + glued, width, max_lines=lines, placeholder=end, break_on_hyphens=False,
                          break_long_words=not whole)
    return [part.replace(_GLUE, " ") for part in parts]


def columns(most: int) -> int:
    """Letters in a line of standard output: the terminal's, or as COLUMNS says; at most `most`, which it is where
    neither says it."""
    known = sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdecimal()
    return min(most, shutil.get_terminal_size((most, 24)).columns) if known else most
