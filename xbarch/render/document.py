"""Any report as Markdown and as one HTML file for any screen, from the same sections.

Titles and cells are plain text; paragraphs and bullets may have `code` and *emphasis*. Whatever else a text holds is
shown and never obeyed, in both forms.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import fill

from jinja2 import Environment
from markupsafe import Markup, escape

from xbarch.support import numbers
from xbarch.support.files import write_all


@dataclass(frozen=True)
class Table:
    """Cells as text."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: int = 1
    """How many of the first columns are words; the others are numbers."""
    cards: bool = False
    """Whether a row is a card instead of a line on a narrow screen."""


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
    """A drawing of a report."""

    file: str
    """Its name beside the Markdown."""
    title: str
    alt: str
    """What stands for it where it cannot be seen."""
    svg: bytes
    narrow: bool = False
    """Whether it is made for the width of a phone: neither scrolled there nor widened much elsewhere."""


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
        lines += [f"![{escaped(picture.title)}]({picture.file})", ""]
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


# -- HTML -----------------------------------------------------------------------------------------------------

_TOP = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>
 body{font:15px/1.45 system-ui,sans-serif;margin:0 auto;max-width:72rem;padding:1rem;color:#1c2730}
{{ style }}</style></head><body>
<h1>{{ title }}</h1>
"""
_BOTTOM = """</body></html>
"""

_STYLE = """\
 h1{font-size:1.35rem} h2{font-size:1.15rem;margin-top:2.2rem;border-top:2px solid #d9e0e5;padding-top:1rem}
 h3{font-size:1rem;margin:1.2rem 0 .3rem} p,li{overflow-wrap:anywhere} li{margin:.3rem 0} ul{padding-left:1.2rem}
 .wide{overflow-x:auto} table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.9rem}
 th,td{padding:.25rem .6rem;border-bottom:1px solid #d9e0e5;text-align:right;vertical-align:top}
 th{white-space:nowrap} .w{text-align:left} td.w:first-child{min-width:8.5rem} summary{cursor:pointer}
 @media(max-width:40rem){.cards thead{display:none} .cards tr{display:block;border:1px solid #d9e0e5;margin:.6rem 0;
 border-radius:.3rem} .cards td{display:flex;justify-content:space-between;gap:1rem;border:0;text-align:right}
 .cards td::before{content:attr(data-head);color:#5a6872;text-align:left;flex:0 0 6.5rem}}
 code{background:#eef2f5;padding:0 .2rem;overflow-wrap:anywhere} img{width:100%;min-width:32rem;max-width:56rem}
"""

_BODY = """\
{% for p in pictures %}<div class="wide"><img alt="{{ p.alt }}"{% if p.narrow %} \
style="min-width:0;max-width:42rem"{% endif %} src="{{ p.svg | embedded }}"></div>
{% endfor %}\
{% for s in sections %}{% if s.folded %}<details><summary>{{ s.title }}</summary>
{% else %}<h{{ s.level }}>{{ s.title }}</h{{ s.level }}>{% endif %}
{% for text in s.text %}<p>{{ text | marked }}</p>{% endfor %}
{% if s.bullets %}<ul>{% for text in s.bullets %}<li>{{ text | marked }}</li>{% endfor %}</ul>{% endif %}
{% if s.table %}<div class="wide"><table{% if s.table.cards %} class="cards"{% endif %}><thead><tr>
{% for head in s.table.heads %}<th{% if loop.index <= s.table.words %} class="w"{% endif %}>{{ head }}</th>{% endfor %}
</tr></thead><tbody>
{% for row in s.table.rows %}<tr>
{% for cell in row %}<td{% if loop.index <= s.table.words %} class="w"{% endif %}
 data-head="{{ s.table.heads[loop.index0] }}">{{ cell }}</td>{% endfor %}</tr>
{% endfor %}</tbody></table></div>{% endif %}{% if s.folded %}</details>{% endif %}
{% endfor %}
"""


def html(document: Document) -> str:
    """The document as one file, its pictures embedded."""
    return page(document.title, _STYLE, _BODY, pictures=document.pictures, sections=document.sections)


def page(title: str, style: str, body: str, **values: object) -> str:
    """A self-contained page. body: a template, in which `marked` turns code and emphasis of Markdown into HTML and
    `embedded` a picture into its address; values: what the template shows, escaped."""
    environment = Environment(autoescape=True, finalize=_printable)
    environment.filters.update(marked=_marked, embedded=_embedded)
    template = environment.from_string(_TOP + body + _BOTTOM)
    return template.render(title=title, style=Markup(style), **values)


def _printable(value: object) -> object:
    return numbers.plain(value) if type(value) is str else value


def _embedded(svg: bytes) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(svg).decode()


def _marked(text: str) -> Markup:
    """Code and emphasis of Markdown as HTML; everything else escaped."""
    return Markup("").join(Markup("<code>{}</code>").format(p) if i % 2 else _emphasized(p)
                           for i, p in enumerate(_clean(text).split("`")))


def _emphasized(text: str) -> Markup:
    return Markup("").join(Markup("<em>{}</em>").format(p) if i % 2 else escape(p)
                           for i, p in enumerate(text.split("*")))


# -- files ----------------------------------------------------------------------------------------------------

def write_report(folder: Path, name: str, document: Document, sheet: str,
                 pictures: Mapping[str, bytes] | None = None) -> None:
    """Write NAME.md, NAME.html, NAME.csv and the pictures, by file name, together or not at all.

    Raises:
        InputError: a file cannot be written.
    """
    write_all({folder / f"{name}.md": markdown(document), folder / f"{name}.html": html(document),
               folder / f"{name}.csv": sheet, **{folder / file: drawn for file, drawn in (pictures or {}).items()}})
