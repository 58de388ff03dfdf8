"""The field report's sections and its CSV table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf, isfinite

from xbarch.render.document import Document, Picture, Section, Table
from xbarch.result import words
from xbarch.result.summary import speed
from xbarch.studies.accuracy.pages import format_reach
from xbarch.studies.comparison import pages as study
from xbarch.studies.comparison.lines import DENSE
from xbarch.studies.comparison.rows import Figures, Row
from xbarch.studies.field.charts import method
from xbarch.studies.field.rows import BUDGET, LOSSES, NETWORK, Field, Method
from xbarch.support import numbers
from xbarch.support.defaults import SCOPES, Scope
from xbarch.support.sheet import sheet as csv

_NONE = "–"
_TINY = 1.02  # smaller gains count as none


def document(found: Field, pictures: Sequence[Picture], command: str) -> Document:
    """Return the report."""
    sections = [Section("Findings", 2, bullets=sentences(found)),
                Section("How to read it", 2, _introduction(found)), study.machinery(found.asked),
                Section("Compression ratio at equal loss", 2, table=_reaches(found.methods))]
    for place, loss in enumerate(LOSSES):
        sections.append(Section(f"Hardware at a loss of at most {_lost(loss)}", 2, [
            "The trained point of each method with the highest compression ratio whose change in accuracy is "
            f"{_points(-loss)} points or better, under `{BUDGET}`, on the method's own machine. Gains are relative to "
            f"the dense network with the same bits on `{found.asked.architectures[0]}` (FORMS has 8 bits, the others "
            "4)."], table=_hardware(found.methods, place, found.asked.scope)))
    for policy in found.asked.policies:
        rows = [r for r in found.large if r.figures and r.policy == policy and r.datapath != DENSE]
        if rows:
            sections.append(Section(f"VGG-16 at about the same compression ratio, {policy}", 2,
                                    [_LARGE[policy]] if policy in _LARGE else []))
            sections += study.tables(found.asked, policy, rows, method)[1:]
    if found.large:
        sections.append(study.accuracy(found.asked, found.large))
        refused = [r for r in found.large if r.why]
        if refused:
            sections.append(Section("Not simulated", 2, table=Table(("workload", "data path", "why"), [
                (r.workload, r.label, r.why) for r in refused], 3)))
    sections += [Section("What this cannot show", 2, bullets=_limits(found)),
                 study.origins([*found.curves, *found.large])]
    return Document("All methods compared", command, pictures, sections)


_LARGE = {
    "fit": "Each network runs on the smallest whole number of tiles that holds one copy of it.",
    "crossbars:4": "For weight replication, every method has four times the crossbars of the dense network on its "
                   "machine.",
}


# -- sentences ----------------------------------------------------------------------------------------------------

def sentences(found: Field) -> list[str]:
    """Return the findings as sentences, in which every name and number is computed."""
    made, scope = [], found.asked.scope
    for place, loss in enumerate(LOSSES):
        order = sorted(found.methods, key=lambda m: -_far(m, place))
        made.append(f"At a loss of {_lost(loss)} on {NETWORK}, the highest compression ratios are " + ", ".join(
            f"{m.title} {format_reach(m.reaches[place])}" for m in order[:4]) + "; the lowest are "
            + ", ".join(f"{m.title} {format_reach(m.reaches[place])}" for m in order[-2:]) + ".")
    for place, loss in enumerate(LOSSES):
        for text, figure, shown, what in _BEST:
            ran = [(m.title, r.figures, study.speed_cell(r) if what == "speed" else _times(r.gain(what)))
                   for m in found.methods if (r := m.runs[place]) is not None and r.figures is not None]
            best = sorted(ran, key=lambda each: figure(each[1], scope))[:4]
            if best:
                told = ", ".join(f"{name} {shown(figures, scope)}, {gain}" for name, figures, gain in best)
                made.append(f"At a loss of at most {_lost(loss)} and under `{BUDGET}`, {text.format(scope=scope)}: "
                            f"{told}.")
    lost = [m.title for m in found.methods for r in m.runs[-1:] if r is not None and (r.gain("energy") or inf) < _TINY]
    if lost:
        made.append(f"At a loss of at most {_lost(LOSSES[-1])}, these save no energy (scope {scope}) over the dense "
                    f"network: {', '.join(lost)}.")
    return [*made, *_large(found)]


def _large(found: Field) -> list[str]:
    """Return what the large network gained; a range of speed-ups is said of the methods only where crossbars bind."""
    ran = [r for r in found.large if r.figures and r.policy == found.asked.policies[-1] and r.datapath != DENSE]
    if not ran:
        return []
    own = [r for r in ran if (sides := r.sides()) and words.of_method(*sides)]

    def span(rows: Sequence[Row], what: str) -> str:
        values = [r.gain(what) or 0 for r in rows]
        return f"from {_times(min(values))} to {_times(max(values))}"

    ratios = [r.figures.ratio for r in ran if r.figures]
    said = (f"On VGG-16, at compression ratios of {min(ratios):.3g} to {max(ratios):.3g} and under "
            f"`{found.asked.policies[-1]}`, energy savings (scope {found.asked.scope}) over the dense network with the "
            f"same bits range {span(ran, 'energy')}: the compression ratio alone says little about a crossbar machine.")
    fast = (f"Crossbars bind {len(own)} of these {len(ran)} runs and their dense ones; their speed-ups range "
            f"{span(own, 'speed')}." if own else
            "Crossbars bind none of these runs together with its dense one, so no speed-up among them is a method's.")
    return [said, fast]


_BEST: tuple[tuple[str, Callable[[Figures, Scope], float], Callable[[Figures, Scope], str], str], ...] = (
    ("most images per second, and speed-up over dense (bound by: dense / method)",
     lambda f, scope: -(f.images_per_second or 0), lambda f, scope: speed(f.images_per_second), "speed"),
    ("least energy per image (scope {scope}), and saving over dense", lambda f, scope: f.energy[scope],
     lambda f, scope: numbers.energy(f.energy[scope]), "energy"),
)


def _lost(loss: float) -> str:
    return numbers.count(round(100 * loss), "point")


def _far(method: Method, place: int) -> float:
    found = method.reaches[place]
    return found.ratio if isfinite(found.ratio) else found.most


def _introduction(found: Field) -> list[str]:
    data = next((m.data for method in found.methods for m in method.measured if m), "")
    return [
        f"There are two networks. Accuracy is measured on {NETWORK} with {data}, which resolves half a point; every "
        "method was trained on it at several compression ratios, all with the same epochs and seed. Methods are then "
        "compared at equal loss, not at equal ratio, and those networks are simulated. VGG-16 on digits is large "
        "enough for crossbars to matter, but its accuracy hardly changes, so there all methods keep about the same "
        "share of the weights.",
        "Between a method's points, its curve is a straight line over the logarithm of the compression ratio, starting "
        "at the unpruned network. The brackets show where the lower and upper ends of the 95 % intervals of the change "
        "(test images, not seeds) fall below the loss. *Beyond* means beyond the trained range.",
        "Copies of a layer own stripes of its output, equal to within one pixel, so speed follows the number of copies "
        "closely on large maps and in steps on small ones: of a map of 4 × 4 pixels, no number of copies between 8 and "
        "16 is faster than 8.",
        "A method that reads operation units runs on a variant of the base machine; the table *Machines* lists their "
        "tile areas. Methods have the names of their recipes: `magnitude`, `unstructured`, `filters`, `channel`, "
        "`ssl`, `blkrew`, `slices` and `dub` are not made for crossbars and serve as references; the definition of "
        "`hybrid_p` is assumed.",
    ]


def _limits(found: Field) -> list[str]:
    rows = [r for r in found.large if r.figures and {"pruning", "baseline"} <= set(r.accuracy)]
    changes = [100 * (r.accuracy["pruning"] - r.accuracy["baseline"]) for r in rows]
    spread = f": VGG-16 changes by {min(changes):+.2f} to {max(changes):+.2f} points over all methods, and one test " \
             "image is 0.28 points" if changes else ""
    return [
        f"Digits cannot rank methods by accuracy{spread}. That takes CIFAR-10 or ImageNet (`data: {{name: cifar10, "
        "path: ...}` in the recipes) and hundreds of epochs, as in the papers.",
        f"The layers of {NETWORK} fill few crossbars, so methods that remove whole crossbars or align to them have "
        "fewer choices there than on the papers' networks.",
        "With one seed and few epochs, differences of less than about a point between methods are not significant; "
        "the intervals cover the choice of test images only.",
        "FORMS has 8-bit weights and activations as published, all others have 4 bits, which shows in its energy and "
        "area. Where the full text of a paper is not public, the definition of its method is an interpretation; *Where "
        "the data paths come from* says which.",
    ]


# -- tables -------------------------------------------------------------------------------------------------------

def _reaches(methods: Sequence[Method]) -> Table:
    order = sorted(methods, key=lambda m: -_far(m, 0))
    return Table(["method", "trained points", *(f"ratio at {_lost(loss)}" for loss in LOSSES)], [
        [m.title, str(m.points), *(format_reach(r) for r in m.reaches)] for m in order], 1)


_COLUMNS: tuple[tuple[str, Callable[[Row], str]], ...] = (
    ("compression ratio", lambda r: _times(r.figures.ratio) if r.figures else _NONE),
    ("images/s", lambda r: speed(r.figures.images_per_second) if r.figures else _NONE),
    ("energy per image (scope {scope})", lambda r: numbers.energy(r.figures.energy[r.scope]) if r.figures else _NONE),
    ("speed-up (bound by: dense / this)", study.speed_cell),
    ("energy saving", lambda r: _times(r.gain("energy"))),
    ("crossbar saving", lambda r: _times(r.gain("crossbars"))),
    ("speed-up, own base", lambda r: study.speed_cell(r, "own")),
    ("energy saving, own base", lambda r: _times(r.gain("energy", "own"))),
    ("ADC bits", lambda r: str(r.figures.adc_bits) if r.figures else _NONE),
    ("index bits", lambda r: numbers.number(r.figures.index_bits) if r.figures else _NONE),
)


def _hardware(methods: Sequence[Method], place: int, scope: Scope) -> Table:
    """Return the chosen points, those with the least energy first."""
    heads = ["method", "data path", "machine", "change in accuracy, points",
             *(head.format(scope=scope) for head, _ in _COLUMNS)]
    found = [(m, m.runs[place], m.measured[place]) for m in methods]
    order = sorted(found, key=lambda t: t[1].figures.energy[scope] if t[1] and t[1].figures else inf)
    return Table(heads, [[
        m.title, r.label if r else "no point within the loss", r.architecture if r else _NONE,
        _points(p.change) if p else _NONE, *(show(r) if r and r.figures else _NONE for _, show in _COLUMNS)]
        for m, r, p in order], 3)


def _times(value: float | None) -> str:
    return _NONE if value is None else f"{value:.3g}×"


def _points(value: float) -> str:
    return f"{100 * value:+.2f}".replace("-", "\N{MINUS SIGN}")


def sheet(found: Field) -> str:
    """Return the table as CSV, one line per method and loss."""
    heads = ["method", "points", "loss", "ratio_at_loss", "ratio_low", "ratio_high", "ratio_most", "workload",
             "datapath", "architecture", "change", "ratio", "speed", *(f"energy_{s}" for s in SCOPES), "crossbars",
             "speed_own", *(f"energy_{s}_own" for s in SCOPES),
             "adc_bits", "index_bits"]
    lines = []
    for m in found.methods:
        for loss, far, r, p in zip(LOSSES, m.reaches, m.runs, m.measured, strict=True):
            f = r.figures if r else None
            lines.append([
                m.name, m.points, loss, *(v if isfinite(v) else None for v in (far.ratio, far.low, far.high)), far.most,
                r.workload.rpartition("/")[2] if r else None, r.datapath if r else None,
                r.architecture if r else None, p.change if p else None, f.ratio if f else None,
                *(r.gain(what, over) if r else None for what, over in (
                    ("speed", "base"), *((f"energy_{s}", "base") for s in SCOPES), ("crossbars", "base"),
                    ("speed", "own"), *((f"energy_{s}", "own") for s in SCOPES))),
                f.adc_bits if f else None, f.index_bits if f else None])
    return csv(heads, lines)
