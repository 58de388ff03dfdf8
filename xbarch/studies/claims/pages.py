"""The report's sections and its table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from xbarch.render.document import Document, Picture, Section, Table
from xbarch.render.interactive.pages import Chart
from xbarch.result import words
from xbarch.specs.architecture import Architecture
from xbarch.specs.load import load
from xbarch.studies.claims import equal_pages
from xbarch.studies.claims.chips import Choice
from xbarch.studies.claims.claim import ARCHITECTURE, Paper
from xbarch.studies.claims.equal import Equal
from xbarch.studies.claims.figures import FIGURES, SCOPES, number
from xbarch.studies.claims.published import ADCS, CLAIMS, PAPERS
from xbarch.studies.claims.rows import Row
from xbarch.support import numbers
from xbarch.support.sheet import sheet

TITLE = "Published claims and what xbarch simulates"
_PHASES = ("baseline", "cut", "pruning")
_NONE = "–"


@dataclass(frozen=True)
class Report:
    """What the report shows."""

    rows: Sequence[Row]
    choices: Sequence[Choice]
    """The largest networks that chips hold before and after pruning."""
    trained: dict[str, tuple[str, int]]
    """workload -> (data it was trained on, test images)."""
    images: int
    """Of every run."""
    equal: Equal
    """What methods reach and gain at equal loss."""


def document(report: Report, chart: Chart) -> Document:
    """Return the report with its picture, claims.svg. chart: stands for it on the page."""
    picture = Picture("claims.svg", "Published and simulated", [chart])
    return Document(TITLE, "xbarch report claims", [picture], sections(report))


def sections(report: Report) -> list[Section]:
    """Return everything below the title and the picture."""
    made = [Section("How to read it", 2, _introduction(report)), *equal_pages.sections(report.equal)]
    for paper in PAPERS:
        own = [r for r in report.rows if r.paper == paper.key]
        if own:
            made += _sections(paper, own, report)
    return made


def _introduction(report: Report) -> list[str]:
    unused = load(ARCHITECTURE, Architecture).crossbar.unused
    prices = "; ".join(f"`{a.name}`: {a.text}" for a in ADCS)
    return [
        f"Every network was trained here, for minutes, on small data, and simulated with {report.images} images, on "
        f"`{ARCHITECTURE}` unless stated otherwise. The published numbers are for other data and machines: they are "
        "compared with, not reproduced. Every simulated number comes from these runs.",
        "A gain is the base's value over the pruned network's; above 1 is better. *Published / simulated* above 1 "
        "means "
        "that the paper reports more. Energy has three scopes: *compute* (occupied tiles), *chip* (with the "
        "interconnect) and *whole* (with the constant power of the off-chip links); claims are judged by the first. "
        f"Policies: {_policies()}; `--policy` asks for others. Under `fit` each network has its smallest chip; under "
        "`one_copy` each layer has one copy; under `crossbars:K` each network has K times the crossbars of the dense "
        "one.",
        "*Set by the recipe* stands where the recipe here asks for the figure, as for a compression ratio: such a "
        "figure is no finding and has no factor. What ratios methods reach at the same loss stands under *At equal "
        "loss*.",
        _remainders(report.rows),
        "*Bound*, *crossbars* and *crossbar time* are the same comparison by un-rounded pipeline interval, by "
        "crossbars "
        "of one copy and by crossbar time per image. If they differ much from the speed-up, rounding or waiting "
        "explains it.",
        "What depends on the pace of runs (speed, power, TOPS/mm²) is judged with a *balanced* periphery: shared "
        "units, ports, buses and links are sized for each run so that none is busier than 80 % of the crossbars, and "
        "copies of a layer own stripes of its output, which buffers hold. The published periphery, with output pixels "
        "dealt to copies in turn, stands beside it. *Bound by* says what binds each run; only where crossbars bind "
        "both is the published figure set against the simulated one. Elsewhere the figure says how fast the machine "
        "is, not the method.",
        f"Bit lines of a crossbar that hold no weight are {unused}, for the pruned network and its base alike.",
        f"Prices of conversion: {prices}. The first two differ only for resolutions other than 8 bits.",
    ]


def _policies() -> str:
    """Return which figures are compared under which policy."""
    found: dict[str, list[str]] = {}
    for figure in FIGURES.values():
        if figure.runs and " / " not in figure.label and "," not in figure.label:
            found.setdefault(figure.policy, []).append(figure.label.removesuffix(" gain"))
    return "; ".join(f"{', '.join(labels)} by `{policy}`" for policy, labels in found.items())


def _remainders(rows: Sequence[Row]) -> str:
    """Say what the last factor of an explanation is, and how large it was."""
    found: dict[str, list[float]] = {}
    for r in rows:
        if r.judged and r.remainder is not None and r.figure in ("speed gain", "energy gain", "area gain"):
            found.setdefault(r.figure.removesuffix(" gain"), []).append(r.remainder)
    spans = ", ".join(f"{figure} {number(min(values))} to {number(max(values))}" for figure, values in found.items())
    return ("The factors of *Why they differ* multiply to the gain because the last of them, the *remainder*, is "
            "whatever the others leave: it explains nothing by itself. Of a speed it is the quotient of how near the "
            "two runs come to their bounds, so it lies between the pruned run's share of its bound and one over the "
            "base's." + (f" On this page it is: {spans}." if spans else ""))


def _sections(paper: Paper, rows: Sequence[Row], report: Report) -> list[Section]:
    rivals = [b for claim in CLAIMS if claim.paper == paper.key for b in claim.bases]
    bases = [f"Base `{b.name}`: {b.text}." for b in dict.fromkeys([*paper.bases, *rivals])]
    machine = [] if paper.architecture == ARCHITECTURE else [f"The method runs on `{paper.architecture}`."]
    heads = _first(rows)
    made = [
        Section(paper.name, 2, [f"{paper.cite}.", paper.base, *machine, *bases]),
        Section("Claims", 3, table=_claims(heads)),
        Section("Why they differ", 3, bullets=[
            f"{r.figure}, {r.workload}{_against(r)}: {r.why}.{_holds(r)}" for r in _distinct(heads) if r.why]),
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
    """Return the rows by which each claim, workload and base is judged: those under the first policy."""
    found: dict[tuple[str, str, str], Row] = {}
    for row in rows:
        if row.judged:
            found.setdefault((row.claim, row.workload, row.base), row)
    return list(found.values())


def _distinct(rows: Sequence[Row]) -> list[Row]:
    """Leave out repetitions of a figure for several claims."""
    return list({(r.figure, r.workload, r.base): r for r in reversed(rows)}.values())[::-1]


def _claims(rows: Sequence[Row]) -> Table:
    several = len({r.base for r in rows}) > 1
    heads = ["claim", "published", "source", "workload", *(["base"] if several else []), "policy", "periphery",
             "simulated", "bound by (base / pruned)", "published / simulated"]
    cells = []
    for r in rows:
        cells.append([
            r.claim, _published(r), r.sure, r.workload, *([r.base] if several else []), r.policy or _NONE,
            r.periphery or _NONE, value(r.simulated, r.unit) if r.simulated is not None else r.status,
            r.bound_by or _NONE, _factor(r)])
    return Table(heads, cells, len(heads) - 3)


def _accuracy(rows: Sequence[Row], report: Report) -> Table:
    found = {r.workload: r for r in rows if r.accuracy}
    phases = [p for p in _PHASES if any(p in r.accuracy for r in found.values())]
    return Table(["workload", "trained on", "test images", *(words.PHASES[p] for p in phases)], [
        [name, report.trained[name][0], numbers.number(report.trained[name][1]),
         *(f"{r.accuracy[p]:.2%}" if p in r.accuracy else _NONE for p in phases)] for name, r in found.items()], 2)


def _matrix(rows: Sequence[Row]) -> Table:
    """Return one line per figure, workload, base, policy and price, with the scopes side by side."""
    lines: dict[tuple[str, ...], dict[str, Row]] = {}
    for r in rows:
        place = (r.figure, r.workload, r.base, r.policy, r.periphery, r.adc or _NONE)
        lines.setdefault(place, {})[r.scope] = r
    cells = []
    for key, by_scope in lines.items():
        any_ = next(iter(by_scope.values()))
        if any_.simulated is None:
            cells.append([*key, any_.status, *[""] * 6])
            continue
        values = [value(by_scope[s].simulated, any_.unit) if s in by_scope else "" for s in SCOPES]
        if "" in by_scope:
            values[0] = value(any_.simulated, any_.unit)
        beside = [value(v, "×") for v in (any_.bound_gain, any_.crossbar_gain, any_.window_gain)]
        cells.append([*key, *values, *beside, any_.bound_by])
    return Table(["figure", "workload", "base", "policy", "periphery", "price", *SCOPES, "bound", "crossbars",
                  "crossbar time", "bound by (base / pruned)"], cells, 6)


def _holds(row: Row) -> str:
    return f" The published number would hold if {row.holds}." if row.holds else ""


def _factor(row: Row) -> str:
    """Return published / simulated; a figure that the recipe sets is no finding."""
    return "set by the recipe" if row.recipe else _NONE if row.ratio is None else number(row.ratio)


def _against(row: Row) -> str:
    return "" if row.base == "own" else f", base {row.base}"


def _published(row: Row) -> str:
    return _NONE if row.published is None else row.bound + value(row.published, row.unit)


def value(found: float | None, unit: str) -> str:
    """Format a number with its unit; changes have their sign."""
    if found is None:
        return _NONE
    if unit == " points":
        return f"{numbers.signed(found)} points"
    return (f"{found:.2f}" if unit == " %" else number(found)) + unit


def table(report: Report) -> str:
    """Return the CSV table: one line per row, one column per field, accuracy by phase."""
    names = [f.name for f in fields(Row) if f.name != "accuracy"]
    return sheet([*names, *(f"accuracy_{p}" for p in _PHASES)], (
        [*(getattr(row, n) for n in names), *(row.accuracy.get(p, "") for p in _PHASES)] for row in report.rows))
