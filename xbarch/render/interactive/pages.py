"""What a page holds, and the page as text: the same bytes for the same content."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment
from markupsafe import Markup, escape

from xbarch.render.interactive.bundle import SCHEMA, vega
from xbarch.render.interactive.explorer import Explorer
from xbarch.support import numbers

_HERE = Path(__file__).resolve().parent
_CONTENTS = 5  # parts from which on a page has a list of them


@dataclass(frozen=True)
class Figure:
    """A number at the top of a page."""

    what: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Cell:
    """A cell of a table. value: what it is sorted by, None: its text."""

    text: str
    value: float | None = None


@dataclass(frozen=True)
class Row:
    """A row of a table. key: what is picked with it, "": nothing."""

    cells: Sequence[Cell]
    key: str = ""


@dataclass(frozen=True)
class Table:
    """A table that sorts and, if it is long, filters. words: how many of the first columns are words."""

    heads: Sequence[str]
    rows: Sequence[Row]
    words: int = 1

    @property
    def worded(self) -> list[bool]:
        """Whether each column is words, to be set to the left: one of the first, or one without a number."""
        numeric = [any(row.cells[place].value is not None or row.cells[place].text[:1].isdigit() for row in self.rows)
                   for place in range(len(self.heads))]
        return [place < self.words or not found for place, found in enumerate(numeric)]


@dataclass(frozen=True)
class Chart:
    """A chart. spec: in the Vega-Lite language, without schema, parameters and configuration. alt: what it shows, also
    for who cannot see it. full: whether it is as wide as the page wherever it stands."""

    spec: Mapping[str, Any]
    alt: str
    full: bool = False


@dataclass(frozen=True)
class Part:
    """A part of a page under a heading. text, bullets: may have `code` and *emphasis*. level: of the heading, 2 or 3.
    folded: whether it is closed at first, as of interest to few."""

    title: str
    text: Sequence[str] = ()
    charts: Sequence[Chart] = ()
    table: Table | None = None
    bullets: Sequence[str] = ()
    level: int = 2
    folded: bool = False
    explorer: Explorer | None = None


@dataclass(frozen=True)
class Page:
    """A page. notes: below the title. picks: whether something can be picked in its charts and tables."""

    title: str
    parts: Sequence[Part]
    figures: Sequence[Figure] = ()
    notes: Sequence[str] = ()
    picks: bool = field(default=False)


def html(page: Page) -> str:
    """The page as one file without a request to anywhere. Whatever its texts hold is shown and never obeyed."""
    charts = [chart for part in page.parts for chart in part.charts]
    specs = [{"id": f"chart{number}", "spec": {"$schema": SCHEMA, **chart.spec, "params": [
        {"name": "picked", "value": ""}, *chart.spec.get("params", ())]}} for number, chart in enumerate(charts)]
    shown = {id(chart): number for number, chart in enumerate(charts)}
    parts = [{**vars(part), "number": number,
              "charts": [{"number": shown[id(chart)], "alt": chart.alt, "full": chart.full} for chart in part.charts]}
             for number, part in enumerate(page.parts, 1)]
    explorer = next((part.explorer for part in page.parts if part.explorer), None)
    environment = Environment(autoescape=True, finalize=_printable, trim_blocks=True, lstrip_blocks=True)
    environment.filters["marked"] = _marked
    contents = sum(part.level == 2 and not part.folded for part in page.parts) >= _CONTENTS
    return environment.from_string(_text("page.html").lstrip()).render(
        page={**vars(page), "parts": parts, "contents": contents},
        style=Markup(_text("page.css")), script=Markup(_script(explorer)), vega=Markup(vega()),
        charts=Markup(embedded(specs)), points=Markup(embedded(explorer.data())) if explorer else "")


def _script(explorer: Explorer | None) -> str:
    return _text("page.js") + (_text("explorer.js") if explorer else "")


def _marked(text: str) -> Markup:
    """Code and emphasis of Markdown as HTML; everything else escaped."""
    return Markup("").join(Markup("<code>{}</code>").format(p) if i % 2 else _emphasized(p)
                           for i, p in enumerate(numbers.plain(" ".join(text.split())).split("`")))


def _emphasized(text: str) -> Markup:
    return Markup("").join(Markup("<em>{}</em>").format(p) if i % 2 else escape(p)
                           for i, p in enumerate(text.split("*")))


def embedded(value: object) -> str:
    """JSON that may stand inside a script element: nothing in it ends the element."""
    text = json.dumps(_cleaned(value), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _cleaned(value: object) -> object:
    if isinstance(value, str):
        return numbers.plain(value)
    if isinstance(value, Mapping):
        return {numbers.plain(str(key)): _cleaned(inner) for key, inner in value.items()}
    return [_cleaned(inner) for inner in value] if isinstance(value, Iterable) else value


def _printable(value: object) -> object:
    return numbers.plain(value) if type(value) is str else value


@lru_cache
def _text(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")
