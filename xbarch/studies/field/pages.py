"""The field report's sections and its CSV table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf, isfinite

from xbarch.render.document import Document, Picture, Section, Table
from xbarch.result.summary import speed
from xbarch.studies.accuracy.pages import format_reach
from xbarch.studies.comparison import pages as study
from xbarch.studies.comparison.lines import DENSE
from xbarch.studies.comparison.rows import Row
from xbarch.studies.field.charts import method
from xbarch.studies.field.findings import ERRORS, LAST, architect, far, loss_of, points, pruner, times
from xbarch.studies.field.rows import BUDGET, LOSSES, NETWORK, Field, Method
from xbarch.support import numbers
from xbarch.support.defaults import SCOPES, Scope
from xbarch.support.sheet import sheet as csv

_NONE = "–"


def document(found: Field, pictures: Sequence[Picture], command: str) -> Document:
    """Return the report."""
    sections = [Section("For an architect", 2, bullets=architect(found)),
                Section("For someone who prunes", 2, bullets=pruner(found)),
                Section("All in one table", 2, [_ALL], table=_everything(found)),
                Section("What these data cannot say", 2, bullets=_limits(found)),
                Section("How to read it", 2, _introduction(found)), study.machinery(found.asked),
                Section("Compression ratio at equal loss", 2, table=_reaches(found.methods))]
    for place, loss in enumerate(LOSSES):
        sections.append(Section(f"Hardware at a loss of at most {loss_of(place)}", 2, [
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
    sections.append(study.origins([*found.curves, *found.large]))
    return Document("All methods compared", command, pictures, sections)


_LARGE = {
    "fit": "Each network runs on the smallest whole number of tiles that holds one copy of it.",
    "crossbars:4": "For weight replication, every method has four times the crossbars of the dense network on its "
                   "machine.",
}


# -- words --------------------------------------------------------------------------------------------------------

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


def _of_devices(found: Field) -> str:
    if not found.evidence.accuracy:
        return "No report on devices lies beside this one, so nothing is said of errors; `reports/noise.py` writes it."
    return ("Accuracy with errors is of few devices and images: half a 95 % interval is "
            f"{points(found.evidence.unsure)} points in the median, so only large differences count.")


def _limits(found: Field) -> list[str]:
    rows = [r for r in found.large if r.figures and {"pruning", "baseline"} <= set(r.accuracy)]
    changes = [100 * (r.accuracy["pruning"] - r.accuracy["baseline"]) for r in rows]
    spread = f": VGG-16 changes by {numbers.signed(min(changes))} to {numbers.signed(max(changes))} points over all " \
             "methods, and one test image is 0.28 points" if changes else ""
    return [
        f"Digits cannot rank methods by accuracy{spread}. That takes CIFAR-10 or ImageNet (`data: {{name: cifar10, "
        "path: ...}` in the recipes) and hundreds of epochs, as in the papers.",
        f"The layers of {NETWORK} fill few crossbars, so methods that remove whole crossbars or align to them have "
        "fewer choices there than on the papers' networks.",
        f"On {NETWORK}, with one seed and few epochs, differences of less than about a point between methods are not "
        "significant; the intervals cover the choice of test images only.",
        _of_devices(found),
        "Speeds are of one periphery and one placement each; energies are sums of prices that are partly assumed, and "
        "say nothing of a chip that was built.",
        "FORMS has 8-bit weights and activations as published, all others have 4 bits, which shows in its energy and "
        "area. Where the full text of a paper is not public, the definition of its method is an interpretation; *Where "
        "the data paths come from* says which.",
    ]


# -- tables -------------------------------------------------------------------------------------------------------

_ALL = (
    f"One line for each method on {NETWORK}: the compression ratio at equal loss, then the trained point of the "
    f"highest ratio within {loss_of(LAST)} of loss under `{BUDGET}`, with its savings over the dense network on the "
    "base machine and on its own; last, the points of accuracy that errors cost its network in "
    "`studies/noise.yaml`, where `reports/noise.py` measured them.")


def _saving(method: Method) -> float:
    """Order methods by their energy saving, the largest first."""
    run = method.runs[LAST]
    return -(run.gain("energy") or 0) if run else 0.0


def _everything(found: Field) -> Table:
    heads = ["method", "machine", *(f"ratio at {loss_of(place)}" for place in range(len(LOSSES))), "energy saving",
             "own base", "speed-up (bound by: dense / this)", "crossbar saving",
             *(f"lost: {errors}" for errors, _ in ERRORS)]
    order = sorted(found.methods, key=_saving)
    return Table(heads, [[
        m.title, r.architecture if r else _NONE, *(format_reach(reached) for reached in m.reaches),
        *((times(r.gain("energy")), times(r.gain("energy", "own")), study.speed_cell(r), times(r.gain("crossbars")))
          if r and r.figures else [_NONE] * 4),
        *(_NONE if (lost := found.evidence.lost(m.name, errors)) is None else points(lost) for errors, _ in ERRORS)]
        for m in order for r in m.runs[LAST:]], 2)


def _reaches(methods: Sequence[Method]) -> Table:
    order = sorted(methods, key=lambda m: -far(m, 0))
    return Table(["method", "trained points", *(f"ratio at {loss_of(place)}" for place in range(len(LOSSES)))], [
        [m.title, str(m.points), *(format_reach(r) for r in m.reaches)] for m in order], 1)


_COLUMNS: tuple[tuple[str, Callable[[Row], str]], ...] = (
    ("compression ratio", lambda r: times(r.figures.ratio) if r.figures else _NONE),
    ("images/s", lambda r: speed(r.figures.images_per_second) if r.figures else _NONE),
    ("energy per image (scope {scope})", lambda r: numbers.energy(r.figures.energy[r.scope]) if r.figures else _NONE),
    ("speed-up (bound by: dense / this)", study.speed_cell),
    ("energy saving", lambda r: times(r.gain("energy"))),
    ("crossbar saving", lambda r: times(r.gain("crossbars"))),
    ("speed-up, own base", lambda r: study.speed_cell(r, "own")),
    ("energy saving, own base", lambda r: times(r.gain("energy", "own"))),
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


def _points(value: float) -> str:
    return numbers.signed(100 * value)


def sheet(found: Field) -> str:
    """Return the table as CSV, one line per method and loss."""
    heads = ["method", "points", "loss", "ratio_at_loss", "ratio_low", "ratio_high", "ratio_most", "workload",
             "datapath", "architecture", "change", "ratio", "speed", *(f"energy_{s}" for s in SCOPES), "crossbars",
             "speed_own", *(f"energy_{s}_own" for s in SCOPES),
             "adc_bits", "index_bits"]
    lines = []
    for m in found.methods:
        for loss, at, r, p in zip(LOSSES, m.reaches, m.runs, m.measured, strict=True):
            f = r.figures if r else None
            lines.append([
                m.name, m.points, loss, *(v if isfinite(v) else None for v in (at.ratio, at.low, at.high)), at.most,
                r.workload.rpartition("/")[2] if r else None, r.datapath if r else None,
                r.architecture if r else None, p.change if p else None, f.ratio if f else None,
                *(r.gain(what, over) if r else None for what, over in (
                    ("speed", "base"), *((f"energy_{s}", "base") for s in SCOPES), ("crossbars", "base"),
                    ("speed", "own"), *((f"energy_{s}", "own") for s in SCOPES))),
                f.adc_bits if f else None, f.index_bits if f else None])
    return csv(heads, lines)
