"""The report as Markdown, as HTML for any screen, and as CSV; all from the same sections."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, fields

from jinja2 import Environment

from xbarch.claims.chips import Choice
from xbarch.claims.figures import MINUS, SCOPES, number
from xbarch.claims.published import ADCS, ARCHITECTURE, PAPERS, Paper
from xbarch.claims.rows import Row
from xbarch.report import units

TITLE = "Four papers' claims beside what xbarch simulates"
_PHASES = ("baseline", "cut", "pruning")
_NONE = "–"


@dataclass(frozen=True)
class Table:
    """cells as text; the first `words` columns are words, the others numbers. cards: on a narrow screen a row is a
    card instead of a line."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: int = 1
    cards: bool = False


@dataclass(frozen=True)
class Section:
    """A heading with paragraphs, bullets and a table, in that order. folded: of interest to few."""

    title: str
    level: int
    text: Sequence[str] = ()
    bullets: Sequence[str] = ()
    table: Table | None = None
    folded: bool = False


@dataclass(frozen=True)
class Report:
    """rows: all. choices: what chips hold before and after pruning. trained: workload -> (data, test images)."""

    rows: Sequence[Row]
    choices: Sequence[Choice]
    trained: dict[str, tuple[str, int]]
    images: int


def sections(report: Report) -> list[Section]:
    """Everything below the title and the picture."""
    made = [Section("How to read it", 2, _introduction(report))]
    for paper in PAPERS:
        own = [r for r in report.rows if r.paper == paper.key]
        if own:
            made += _sections(paper, own, report)
    return made


def _introduction(report: Report) -> list[str]:
    prices = "; ".join(f"`{a.name}`: {a.text}" for a in ADCS)
    return [
        f"Every network was trained here, for minutes, on small data, and simulated on `{ARCHITECTURE}` with "
        f"{report.images} images in flight. Numbers published for other data and machines are put beside, not "
        "reproduced. Every simulated number comes from these runs.",
        "Gains are the dense network's over the pruned one's, above 1 is better. *Published / simulated* above 1: the "
        "paper reports more. Energy has three scopes: *compute* (occupied tiles), *chip* (with the mesh), *whole* "
        "(with the off-chip links' constant power); claims are judged by the first. Policies: `fit`, each network on "
        "its smallest chip; `one_copy`; `crossbars:K`, each has K times the crossbars of the dense one; `chip`; "
        "`area`, the area of ISAAC's tiles for both.",
        "*Bound*, *crossbars*, *window-weighted*: the same comparison by un-rounded interval, crossbars of one copy, "
        "and crossbar time an image; where they differ much from the speed, rounding or waiting decides.",
        f"Prices of conversion: {prices}. Only bits other than 8 make the first two differ.",
    ]


def _sections(paper: Paper, rows: Sequence[Row], report: Report) -> list[Section]:
    bases = [f"Base `{b.name}`: {b.text}." for b in paper.bases]
    heads = _first(rows)
    made = [
        Section(paper.name, 2, [f"{paper.cite}.", paper.base, *bases]),
        Section("Claims", 3, table=_claims(heads)),
        Section("Why they differ", 3, bullets=[
            f"{r.figure}, {r.workload}{_against(r)}: {r.why}." for r in _distinct(heads) if r.why]),
        Section("Accuracy", 3, table=_accuracy(rows, report)),
    ]
    if paper.key == "huai" and report.choices:
        made.append(Section("Largest network that a chip holds", 3, table=Table(
            ("tiles", "dense", "pruned"),
            [(str(c.tiles), c.before or "none", c.after or "none") for c in report.choices], 3)))
    measured = [r for r in rows if r.policy]
    if measured:
        made.append(Section("Every policy, scope and price", 3, table=_matrix(measured), folded=True))
    return made


def _first(rows: Sequence[Row]) -> list[Row]:
    """Of every claim, workload and base the rows it is judged by: under its first policy."""
    found: dict[tuple[str, str, str], Row] = {}
    for row in rows:
        if row.judged:
            found.setdefault((row.claim, row.workload, row.base), row)
    return list(found.values())


def _distinct(rows: Sequence[Row]) -> list[Row]:
    """Without a figure's repetition for another rival."""
    return list({(r.figure, r.workload, r.base): r for r in reversed(rows)}.values())[::-1]


def _claims(rows: Sequence[Row]) -> Table:
    several = len({r.base for r in rows}) > 1
    heads = ["claim", "published", "how sure", "workload", *(["base"] if several else []), "policy", "simulated",
             "published / simulated"]
    cells = []
    for r in rows:
        state = "pending" if r.status == "pending" else _NONE
        cells.append([
            r.claim, _published(r), r.sure, r.workload, *([r.base] if several else []), r.policy or _NONE,
            value(r.simulated, r.unit) if r.simulated is not None else r.status,
            number(r.ratio) if r.ratio is not None else state])
    return Table(heads, cells, len(heads) - 2, cards=True)


def _accuracy(rows: Sequence[Row], report: Report) -> Table:
    found = {r.workload: r for r in rows if r.accuracy}
    phases = [p for p in _PHASES if any(p in r.accuracy for r in found.values())]
    heads = {"baseline": "dense", "cut": "pruned, before retraining", "pruning": "after retraining"}
    return Table(["workload", "trained on", "test images", *(heads[p] for p in phases)], [
        [name, report.trained[name][0], units.number(report.trained[name][1]),
         *(f"{r.accuracy[p]:.2%}" if p in r.accuracy else _NONE for p in phases)] for name, r in found.items()], 2)


def _matrix(rows: Sequence[Row]) -> Table:
    """A line a figure, workload, base, policy and price; scopes side by side."""
    lines: dict[tuple[str, ...], dict[str, Row]] = {}
    for r in rows:
        lines.setdefault((r.figure, r.workload, r.base, r.policy, r.adc or _NONE), {})[r.scope] = r
    cells = []
    for key, by_scope in lines.items():
        any_ = next(iter(by_scope.values()))
        if any_.simulated is None:
            cells.append([*key, any_.status, *[""] * 5])
            continue
        values = [value(by_scope[s].simulated, any_.unit) if s in by_scope else "" for s in SCOPES]
        if "" in by_scope:
            values[0] = value(any_.simulated, any_.unit)
        beside = [value(v, "×") for v in (any_.bound_gain, any_.crossbar_gain, any_.window_gain)]
        cells.append([*key, *values, *beside])
    return Table(["figure", "workload", "base", "policy", "price", *SCOPES, "bound", "crossbars", "window-weighted"],
                 cells, 5)


def _against(row: Row) -> str:
    return "" if row.base == "own" else f", base {row.base}"


def _published(row: Row) -> str:
    return _NONE if row.published is None else row.bound + value(row.published, row.unit)


def value(found: float | None, unit: str) -> str:
    """A number with its unit; changes with their sign."""
    if found is None:
        return _NONE
    if unit == " points":
        return f"{found:+.2f} points".replace("-", MINUS)
    return (f"{found:.2f}" if unit == " %" else number(found)) + unit


# -- Markdown -------------------------------------------------------------------------------------------------

def markdown(report: Report) -> str:
    """The report with a link to its picture."""
    lines = [f"# {TITLE}", "", "Written by `xbarch report claims`.", "", "![Published and simulated](claims.svg)", ""]
    for section in sections(report):
        lines += [f"{'#' * section.level} {section.title}", ""]
        for text in section.text:
            lines += [text, ""]
        if section.bullets:
            lines += [*(f"- {b}" for b in section.bullets), ""]
        if section.table:
            lines += [*_rows(section.table), ""]
    return "\n".join(lines[:-1]) + "\n"


def _rows(table: Table) -> list[str]:
    marks = ["---" if i < table.words else "---:" for i in range(len(table.heads))]
    cells = [[str(c).replace("|", "\\|") for c in row] for row in table.rows]
    return ["| " + " | ".join(row) + " |" for row in (table.heads, marks, *cells)]


# -- HTML -----------------------------------------------------------------------------------------------------

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>
 body{font:15px/1.45 system-ui,sans-serif;margin:0 auto;max-width:72rem;padding:1rem;color:#1c2730}
 h1{font-size:1.35rem} h2{font-size:1.15rem;margin-top:2.2rem;border-top:2px solid #d9e0e5;padding-top:1rem}
 h3{font-size:1rem;margin:1.2rem 0 .3rem} p,li{overflow-wrap:anywhere} li{margin:.3rem 0} ul{padding-left:1.2rem}
 .wide{overflow-x:auto} table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.9rem}
 th,td{padding:.25rem .6rem;border-bottom:1px solid #d9e0e5;text-align:right;vertical-align:top}
 th{white-space:nowrap} .w{text-align:left} td.w:first-child{min-width:8.5rem} summary{cursor:pointer}
 @media(max-width:40rem){.cards thead{display:none} .cards tr{display:block;border:1px solid #d9e0e5;margin:.6rem 0;
 border-radius:.3rem} .cards td{display:flex;justify-content:space-between;gap:1rem;border:0;text-align:right}
 .cards td::before{content:attr(data-head);color:#5a6872;text-align:left;flex:0 0 6.5rem}}
 code{background:#eef2f5;padding:0 .2rem;overflow-wrap:anywhere} img{width:100%;min-width:32rem;max-width:56rem}
</style></head><body>
<h1>{{ title }}</h1>
<div class="wide"><img alt="Published and simulated gains" src="{{ picture }}"></div>
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
</body></html>
"""


def html(report: Report, picture: bytes) -> str:
    """The report as one file, its picture embedded."""
    environment = Environment(autoescape=True, finalize=lambda v: units.plain(v) if type(v) is str else v)
    environment.filters["marked"] = _marked
    source = "data:image/svg+xml;base64," + base64.b64encode(picture).decode()
    return environment.from_string(_PAGE).render(title=TITLE, sections=sections(report), picture=source)


def _marked(text: str) -> object:
    """Code and emphasis of Markdown as HTML; everything else escaped."""
    from markupsafe import Markup, escape

    parts = [Markup("<code>{}</code>").format(p) if i % 2 else _emphasized(p) for i, p in enumerate(text.split("`"))]
    return Markup("").join(escape(p) for p in parts)


def _emphasized(text: str) -> object:
    from markupsafe import Markup, escape

    return Markup("").join(Markup("<em>{}</em>").format(p) if i % 2 else escape(p)
                           for i, p in enumerate(text.split("*")))


# -- CSV ------------------------------------------------------------------------------------------------------

def table(report: Report) -> str:
    """A line a row, every field a column, accuracy by phase."""
    stream = io.StringIO()
    names = [f.name for f in fields(Row) if f.name != "accuracy"]
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*names, *(f"accuracy_{p}" for p in _PHASES)])
    for row in report.rows:
        writer.writerow([*(getattr(row, n) for n in names), *(row.accuracy.get(p, "") for p in _PHASES)])
    return stream.getvalue()
