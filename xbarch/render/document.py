"""Any report as Markdown, from the same sections as its page (`xbarch.render.interactive.documents`).

Titles and cells are plain text; paragraphs and bullets may have `code` and *emphasis*. Whatever else a text holds is
shown and never obeyed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from textwrap import fill
from typing import TYPE_CHECKING

from xbarch.support import numbers

if TYPE_CHECKING:
    from xbarch.render.interactive.pages import Chart


@dataclass(frozen=True)
class Table:
    """Cells as text."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: int = 1
    """How many of the first columns are words; the others are numbers."""
    keys: Sequence[str] = ()
    """What is picked with each row on a page; none: nothing."""


@dataclass(frozen=True)
class Section:
    """A heading with paragraphs, bullets and a table, in that order."""

    title: str
    level: int
    text: Sequence[str] = ()
    bullets: Sequence[str] = ()
    table: Table | None = None
    folded: bool = False
    """Whether it is closed at first, as of interest to few."""


@dataclass(frozen=True)
class Picture:
    """A drawing of a report: beside the Markdown a file, on the page a chart."""

    file: str
    """Its name beside the Markdown."""
    title: str
    charts: Sequence[Chart]


@dataclass(frozen=True)
class Document:
    """A report."""

    title: str
    command: str
    """The command that writes it."""
    pictures: Sequence[Picture]
    sections: Sequence[Section]


# -- Markdown -------------------------------------------------------------------------------------------------

def markdown(document: Document, wide: int = 0) -> str:
    """The document with links to its pictures. wide: letters at which paragraphs and bullets are folded; 0: not."""
    def folded(text: str, indent: str = "") -> str:
        return text if not wide else fill(text, wide, subsequent_indent=indent, break_long_words=False,
                                          break_on_hyphens=False)

    lines = [f"# {escaped(document.title)}", "", f"Written by `{numbers.plain(document.command)}`.", ""]
    for picture in document.pictures:
        title = escaped(picture.title)  # to be read too: axes may be those of another picture
        lines += [f"**{title}**\\", f"![{title}]({picture.file})", ""]
    for section in document.sections:
        lines += [f"{'#' * section.level} {escaped(section.title)}", ""]
        for text in section.text:
            lines += [folded(_sourced(text)), ""]
        if section.bullets:
            lines += [*(folded(f"- {_sourced(b)}", "  ") for b in section.bullets), ""]
        if section.table:
            rows = [[escaped(str(cell)) for cell in row] for row in section.table.rows]
            heads = [escaped(head) for head in section.table.heads]
            lines += [*lines_of(replace(section.table, heads=heads, rows=rows)), ""]
    return "\n".join(lines[:-1]) + "\n"


def lines_of(table: Table) -> list[str]:
    """Lines of a table whose cells are Markdown."""
    marks = ["---" if i < table.words else "---:" for i in range(len(table.heads))]
    cells = [[re.sub(r"(?<!\\)\|", r"\\|", str(c)) for c in row] for row in table.rows]
    return ["| " + " | ".join(row) + " |" for row in (table.heads, marks, *cells)]


def escaped(text: str) -> str:
    """Plain text as Markdown: on one line, nothing in it is markup."""
    return re.sub(r"([\\`*<>\[\]|])", r"\\\1", _clean(text))


def _sourced(text: str) -> str:
    """Text with `code` and *emphasis* as Markdown: nothing else in it is markup."""
    marked = "`".join(part if i % 2 else re.sub(r"([\\<>\[\]])", r"\\\1", part)
                      for i, part in enumerate(_clean(text).split("`")))
    return re.sub(r"^([#+=-])", r"\\\1", marked)  # no heading, no list


def _clean(text: str) -> str:
    """On one line, without control characters and marks that change the direction of text."""
    return numbers.plain(" ".join(text.split()))
