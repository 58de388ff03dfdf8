"""The page of a report, from the sections of its Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from xbarch.render import document as reports
from xbarch.render.document import Document, Section, markdown
from xbarch.render.interactive.pages import Cell, Page, Part, Row, Table, html
from xbarch.support import numbers
from xbarch.support.files import write_all

_PROSE = 40  # letters from which on a text is no number


def document_page(document: Document) -> Page:
    """The page: its charts, then its sections. A number in a table is sorted by what it says."""
    charts = [chart for picture in document.pictures for chart in picture.charts]
    picks = any(section.table and section.table.keys for section in document.sections)
    text = ["Pick a point or a row: it is marked in the others."] if picks else []
    drawn = [Part("Charts", [*text, "A click in a legend shows one series alone; a double click in a chart shows all."],
                  charts)] if charts else []
    return Page(document.title, [*drawn, *(_part(section) for section in document.sections)],
                notes=[f"Written by `{document.command}`."], picks=picks)


def document_html(document: Document) -> str:
    """The page as one file."""
    return html(document_page(document))


def _part(section: Section) -> Part:
    return Part(section.title, section.text, table=None if section.table is None else _table(section.table),
                bullets=section.bullets, level=section.level, folded=section.folded)


def _table(table: reports.Table) -> Table:
    keys = table.keys or [""] * len(table.rows)
    return Table(table.heads, [
        Row([Cell(str(text), None if place < table.words or len(str(text)) > _PROSE else numbers.amount(str(text)))
             for place, text in enumerate(row)], key) for row, key in zip(table.rows, keys, strict=True)], table.words)


def write_report(folder: Path, name: str, document: Document, sheet: str,
                 pictures: Mapping[str, bytes] | None = None) -> None:
    """Write NAME.md, NAME.html, NAME.csv and the pictures, by file name, together or not at all.

    Raises:
        InputError: a file cannot be written.
    """
    write_all({folder / f"{name}.md": markdown(document), folder / f"{name}.html": document_html(document),
               folder / f"{name}.csv": sheet, **{folder / file: drawn for file, drawn in (pictures or {}).items()}})
