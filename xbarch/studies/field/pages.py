"""The finding as sections of a report, and as CSV."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf, isfinite

from xbarch.render.document import Document, Picture, Section, Table
from xbarch.studies.accuracy.pages import reached
from xbarch.studies.comparison import pages as study
from xbarch.studies.comparison.rows import DENSE, Figures, Row
from xbarch.studies.field.rows import BUDGET, LOSSES, NETWORK, Field, Method
from xbarch.support import numbers
from xbarch.support.sheet import sheet as csv

_NONE = "–"
_TINY = 1.02  # gains nearer to 1 than this are none


def document(found: Field, pictures: Sequence[Picture], command: str) -> Document:
    """The report."""
    sections = [Section("What it says", 2, bullets=said(found)), Section("How to read it", 2, _introduction(found)),
                study.machinery(found.asked), Section("How far at equal loss", 2, table=_reaches(found.methods))]
    for place, loss in enumerate(LOSSES):
        sections.append(Section(f"Hardware at a loss of at most {_lost(loss)}", 2, [
            f"Each method's trained point of the highest ratio whose change of accuracy is {_points(-loss)} or better, "
            f"under `{BUDGET}`, on its own machine. Gains are over the dense network of the same bits on "
            f"`{found.asked.architectures[0]}`: FORMS has 8, the others 4."], table=_hardware(found.methods, place)))
    for policy in found.asked.policies:
        rows = [r for r in found.large if r.figures and r.policy == policy and r.datapath != DENSE]
        if rows:
            sections.append(Section(f"VGG-16 at about one ratio, {policy}", 2, [_LARGE[policy]] if policy in _LARGE
                                    else []))
            sections += study.tables(found.asked, policy, rows)[1:]
    if found.large:
        sections.append(study.accuracy(found.asked, found.large))
        refused = [r for r in found.large if r.why]
        if refused:
            sections.append(Section("Not simulated", 2, table=Table(("workload", "data path", "why"), [
                (r.workload, r.label, r.why) for r in refused], 3, cards=True)))
    sections += [Section("What this cannot tell", 2, bullets=_limits(found)),
                 Section("Where the data paths come from", 2, bullets=[
                     f"`{label}`: {text}" for label, text in dict(
                         (r.label, r.provenance) for r in [*found.curves, *found.large]).items()])]
    return Document("The field side by side", command, pictures, sections)


_LARGE = {
    "fit": "Each network on the smallest whole number of tiles that holds one copy of it.",
    "crossbars:4": "Every method has four times the crossbars of its machine's dense network, for copies.",
}


# -- sentences ----------------------------------------------------------------------------------------------------

def said(found: Field) -> list[str]:
    """Sentences whose every name and number is computed."""
    made = []
    for place, loss in enumerate(LOSSES):
        order = sorted(found.methods, key=lambda m: -_far(m, place))
        made.append(f"With {_lost(loss)} lost on {NETWORK} these go farthest in weights: " + ", ".join(
            f"{m.name} {reached(m.reaches[place])}" for m in order[:4]) + "; and these least far: "
            + ", ".join(f"{m.name} {reached(m.reaches[place])}" for m in order[-2:]) + ".")
    for place, loss in enumerate(LOSSES):
        for text, figure, shown, what in _BEST:
            ran = [(m.name, r.figures, r.gain(what)) for m in found.methods
                   if (r := m.runs[place]) is not None and r.figures is not None]
            best = sorted(ran, key=lambda each: figure(each[1]))[:4]
            if best:
                made.append(f"Within {_lost(loss)} and under `{BUDGET}`, {text}: " + ", ".join(
                    f"{name} {shown(figures)} ({_times(gain)})" for name, figures, gain in best) + ".")
    lost = [m.name for m in found.methods for r in m.runs[-1:] if r is not None and (r.gain("energy") or inf) < _TINY]
    if lost:
        made.append(f"No less energy than the dense network, within {_lost(LOSSES[-1])}: {', '.join(lost)}.")
    pairs = [(r.figures.ratio, r.gain("energy") or 0, r.gain("speed") or 0) for r in found.large
             if r.figures and r.policy == found.asked.policies[-1] and r.datapath != DENSE]
    if pairs:
        ratios, energies, speeds = zip(*pairs, strict=True)
        made.append(
            f"On VGG-16, with {min(ratios):.3g} to {max(ratios):.3g} times fewer weights and under "
            f"`{found.asked.policies[-1]}`, energy gains over the dense network of the same bits spread from "
            f"{_times(min(energies))} to {_times(max(energies))} and speed gains from {_times(min(speeds))} to "
            f"{_times(max(speeds))}: the ratio of weights alone says little about a crossbar machine.")
    return made


_BEST: tuple[tuple[str, Callable[[Figures], float], Callable[[Figures], str], str], ...] = (
    ("most images a second (and over dense)", lambda f: -f.images_per_second,
     lambda f: numbers.number(f.images_per_second), "speed"),
    ("least energy an image (and over dense)", lambda f: f.energy["compute"],
     lambda f: numbers.energy(f.energy["compute"]), "energy"),
)


def _lost(loss: float) -> str:
    return numbers.count(round(100 * loss), "point")


def _far(method: Method, place: int) -> float:
    found = method.reaches[place]
    return found.ratio if isfinite(found.ratio) else found.most


def _introduction(found: Field) -> list[str]:
    data = next((m.data for method in found.methods for m in method.measured if m), "")
    return [
        f"Two benches. Accuracy is judged on {NETWORK} with {data}, which tells half a point; every method is trained "
        "there at several ratios, all with the same epochs and seed. A method is then taken at equal loss, not at "
        "equal ratio, and that network is simulated. VGG-16 on digits is large enough for crossbars to matter, but "
        "its accuracy hardly moves, so there all methods keep about the same share.",
        "Between a method's points its curve is a straight line over the logarithm of the ratio, from the unpruned "
        "network on; in brackets where the lower and upper ends of the 95 % intervals of the change (test images, not "
        "seeds) fall below the loss. *Beyond*: not within what was trained.",
        "A method that reads operation units runs on a variant of the base machine; the table *Machines* has the area "
        "of a tile of each. Names are those of the recipes: `magnitude`, `unstructured`, `filters`, `channel`, `ssl`, "
        "`blkrew`, `slices` and `dub` know no crossbar and are references; `hybridp` is an assumed definition.",
    ]


def _limits(found: Field) -> list[str]:
    rows = [r for r in found.large if r.figures and {"pruning", "baseline"} <= set(r.accuracy)]
    changes = [100 * (r.accuracy["pruning"] - r.accuracy["baseline"]) for r in rows]
    spread = f": VGG-16 changes by {min(changes):+.2f} to {max(changes):+.2f} points over all methods, and one test " \
             "image is 0.28 points" if changes else ""
    return [
        f"Digits cannot rank methods by accuracy{spread}. For that one needs CIFAR-10 or ImageNet (`data: {{name: "
        "cifar10, path: ...}` in the recipes) and the papers' hundreds of epochs.",
        f"{NETWORK} has crossbars' worth of few filters in its layers, so methods that remove whole crossbars or align "
        "to them have fewer choices there than on the papers' networks.",
        "One seed, few epochs: differences of less than about a point between methods are not established here; an "
        "interval covers the choice of test images alone.",
        "FORMS has 8-bit weights and activations as published, all others 4 bits: its energy and area carry that. "
        "Definitions of methods whose full text is not public are readings; *Where the data paths come from* says "
        "which.",
    ]


# -- tables -------------------------------------------------------------------------------------------------------

def _reaches(methods: Sequence[Method]) -> Table:
    order = sorted(methods, key=lambda m: -_far(m, 0))
    return Table(["method", "trained points", *(f"weights at {_lost(loss)}" for loss in LOSSES)], [
        [m.name, str(m.points), *(reached(r) for r in m.reaches)] for m in order], 1, cards=True)


_COLUMNS: tuple[tuple[str, Callable[[Row], str]], ...] = (
    ("ratio", lambda r: _times(r.figures.ratio) if r.figures else _NONE),
    ("images/s", lambda r: numbers.number(r.figures.images_per_second) if r.figures else _NONE),
    ("energy an image", lambda r: numbers.energy(r.figures.energy["compute"]) if r.figures else _NONE),
    ("speed", lambda r: _times(r.gain("speed"))),
    ("energy", lambda r: _times(r.gain("energy"))),
    ("crossbars", lambda r: _times(r.gain("crossbars"))),
    ("speed, own base", lambda r: _times(r.gain("speed", "own"))),
    ("energy, own base", lambda r: _times(r.gain("energy", "own"))),
    ("ADC bits", lambda r: str(r.figures.adc_bits) if r.figures else _NONE),
    ("index bits", lambda r: numbers.number(r.figures.index_bits) if r.figures else _NONE),
)


def _hardware(methods: Sequence[Method], place: int) -> Table:
    """The chosen points, those of the least energy first."""
    heads = ["method", "data path", "machine", "point's change, points", *(head for head, _ in _COLUMNS)]
    found = [(m, m.runs[place], m.measured[place]) for m in methods]
    order = sorted(found, key=lambda t: t[1].figures.energy["compute"] if t[1] and t[1].figures else inf)
    return Table(heads, [[
        m.name, r.label if r else "no point within the loss", r.architecture if r else _NONE,
        _points(p.change) if p else _NONE, *(show(r) if r and r.figures else _NONE for _, show in _COLUMNS)]
        for m, r, p in order], 3, cards=True)


def _times(value: float | None) -> str:
    return _NONE if value is None else f"{value:.3g}×"


def _points(value: float) -> str:
    return f"{100 * value:+.2f}".replace("-", "\N{MINUS SIGN}")


def sheet(found: Field) -> str:
    """CSV: a line a method and loss."""
    heads = ["method", "points", "loss", "ratio_at_loss", "ratio_low", "ratio_high", "ratio_most", "workload",
             "datapath", "architecture", "change", "ratio", "speed", "energy", "crossbars", "speed_own", "energy_own",
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
                    ("speed", "base"), ("energy", "base"), ("crossbars", "base"), ("speed", "own"),
                    ("energy", "own"))),
                f.adc_bits if f else None, f.index_bits if f else None])
    return csv(heads, lines)
