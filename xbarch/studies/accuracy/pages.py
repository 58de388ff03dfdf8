"""The report's sections and its table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from functools import partial
from math import isfinite, isinf

from xbarch.kept.measured import ARCHITECTURE, DEVICES, NOISY_IMAGES, Measured
from xbarch.render.document import Document, Picture, Section, Table
from xbarch.render.interactive.pages import Chart
from xbarch.studies.accuracy.axes import SAID
from xbarch.studies.accuracy.rows import LONGER, Reach, Row, reach
from xbarch.studies.accuracy.seeds import LOSSES as OF_SEEDS
from xbarch.studies.accuracy.seeds import Order, lost, noisy
from xbarch.support import numbers
from xbarch.support.sheet import sheet

MISSING = "not trained yet"
_MADE = {"digit_pairs": "digit_pairs: two overlapping digits, 100 classes, made from scikit-learn's digits",
         "mnist": "MNIST", "speech": "spoken words, synthesised"}
_NONE = "–"
LOSSES = (0.005, 0.01, 0.02, 0.04)  # of accuracy
_SINGLE = ("no measurable loss", "intervals overlap", "against longer training")  # columns of single networks alone
_SURELY = 0.02  # of accuracy


def document(rows: Sequence[Row], charts: Sequence[Chart], left: Sequence[str] = (),
             orders: Sequence[Order] = ()) -> Document:
    """Return the report with its picture, accuracy.svg.

    rows: of single networks, or averaged over seeds. charts: stand for the picture on the page. left: what was left
    out, and why. orders: of methods, compared with other data.
    """
    measured, seeded = [r.measured for r in rows if r.measured], any(r.seeds > 1 for r in rows)
    sections = [Section("How to read it", 2, [*(_of_seeds(rows) if seeded else _of_one_seed(measured)), SAID,
                                              *_of_sizes(measured)]),
                *(_surely(rows) if seeded else [
                    Section("Highest compression ratio without measurable loss", 2,
                            table=_highest(rows, lambda m: m.holds)),
                    Section("Highest compression ratio whose interval overlaps the dense network's", 2,
                            table=_highest(rows, lambda m: m.overlaps))])]
    sections += _at_losses(rows, OF_SEEDS if seeded else LOSSES)
    if orders:
        sections.append(Section("Order of the methods on other data", 2, [_ORDERS], table=_taus(orders)))
    accuracy = {title: show for title, show in _ACCURACY.items() if not (seeded and title in _SINGLE)}
    accuracy |= {f"under {name}": partial(_under, preset=name) for name in _presets(measured)}
    under = [o for network in dict.fromkeys(r.network for r in rows) for o in noisy(
        [r for r in rows if r.network == network])]
    if under:
        sections.append(Section("Order of the methods under noise", 2, [_NOISY], table=_taus(under)))
    for network in dict.fromkeys(r.network for r in rows if r.measured):
        own = [r for r in rows if r.network == network and r.measured]
        sections += [Section(network, 2), Section("Weights and crossbars", 3, table=_measured(own, _KEPT)),
                     Section("Accuracy", 3, table=_measured(own, accuracy))]
    missing: dict[str, list[str]] = {}
    for row in rows:
        if row.measured is None:
            missing.setdefault(row.network, []).append(f"`{row.name}`")
    if missing:
        sections.append(Section(MISSING.capitalize(), 2, bullets=[", ".join(names) for names in missing.values()]))
    if left:
        sections.append(Section("Left out", 2, bullets=list(left)))
    return Document("Accuracy against compression", "xbarch report accuracy",
                    [Picture("accuracy.svg", "Change in accuracy", charts)], sections)


def table(rows: Sequence[Row]) -> str:
    """Return the CSV table: one line per recipe, one column per field, empty for recipes not trained yet."""
    names = [f.name for f in fields(Measured) if f.name != "accuracy_noise"]
    derived = ["ratio", "pruned_ratio", "crossbar_ratio", "holds", "overlaps"]
    presets = _presets([r.measured for r in rows if r.measured])
    return sheet(["network", "method", "point", "status", *names, *derived, *(f"accuracy_{p}" for p in presets)], (
        [r.network, r.method, r.point, "trained" if r.measured else MISSING,
         *(getattr(r.measured, n, None) for n in (*names, *derived)),
         *(r.measured and r.measured.accuracy_noise.get(p) for p in presets)] for r in rows))


# -- words --------------------------------------------------------------------------------------------------------

_ORDERS = (
    "Two methods are in the same order on both sets of data where the better one here is the better one there. "
    "Kendall's τ (tau-b) is 1 where all pairs are, \N{MINUS SIGN}1 where none is, and near 0 where the order says "
    "nothing. Changes are those against the reference that trained as long. Of a ratio beyond what was trained, the "
    "highest that was trained counts.")


_NOISY = (
    f"Under a noise preset: accuracy of the first {NOISY_IMAGES} test images of each seed on {DEVICES} devices drawn "
    "with that noise, on the machine on which crossbars are counted. Kendall's τ says whether methods are in the same "
    "order as without noise at the point that is named.")


def _taus(orders: Sequence[Order]) -> Table:
    return Table(["ordered by", "methods", "Kendall's τ"], [
        [o.what, str(len(o.methods)), numbers.signed(o.tau)] for o in orders], 1)


def _presets(found: Sequence[Measured]) -> list[str]:
    return list(dict.fromkeys(name for m in found for name in m.accuracy_noise))


def _under(measured: Measured, preset: str) -> str:
    return _share(measured.accuracy_noise.get(preset))


def _data(found: Sequence[Measured]) -> str:
    return ", ".join(dict.fromkeys(_MADE.get(m.data, m.data) for m in found))


def _of_one_seed(found: Sequence[Measured]) -> list[str]:
    return [
        f"Every network was trained here for a few epochs ({_range(m.epochs_dense for m in found)} dense, then "
        f"{_range(m.epochs_pruning for m in found)} with its method) on {_data(found)}, with one seed each "
        f"({_range(m.seed for m in found)}). The figures compare methods at this scale and are not those of the "
        "papers.",
        "*Change* is the accuracy after fine-tuning minus that of the same dense network before pruning, in points, "
        f"with its 95 % interval by paired bootstrap over the {_range(m.test_images for m in found)} test images. The "
        "interval covers the choice of test images only, not the seed. *No measurable loss* means that the interval "
        "reaches 0: its upper end is 0 or above. *Intervals overlap* means that the accuracy's own 95 % interval "
        "(unpaired) still reaches the lower end of the dense network's, a weaker requirement.",
        f"*Against longer training*: `{LONGER}` trains for the same number of additional epochs and removes nothing, "
        "so it is the fair reference; its own change is the effect of longer training alone. The column is the "
        "accuracy after fine-tuning minus that of this network: an unpaired difference of two accuracies, without an "
        "interval. A method that also quantizes differently, as Huai et al. with powers of two, differs from the "
        "reference in this respect too.",
    ]


def _of_seeds(rows: Sequence[Row]) -> list[str]:
    found, seeds = [r.measured for r in rows if r.measured], [r.seeds for r in rows if r.measured]
    return [
        f"Every network was trained here for a few epochs ({_range(m.epochs_dense for m in found)} dense, then "
        f"{_range(m.epochs_pruning for m in found)} with its method) on {_data(found)}, with {_range(seeds)} seeds a "
        "point: images are split, weights drawn and batches ordered anew with each. Figures are means over the seeds. "
        "They compare methods at this scale and are not those of the papers.",
        f"*Change* is the accuracy after fine-tuning minus that of `{LONGER}` with the same seed, in points. That "
        "network starts from the same dense one, sees the same images, trains for the same number of epochs and "
        "removes nothing. The 95 % interval is that of the mean of these differences over the seeds (Student's t); it "
        "covers the choice of images and the seed, and with few seeds it is wide. A method that also quantizes "
        "differently, as Huai et al. with powers of two, differs from the reference in this respect too.",
    ]


def _of_sizes(found: Sequence[Measured]) -> list[str]:
    crossbars = ", ".join(dict.fromkeys(f"{m.rows} × {m.columns} cells of {m.cell_bits} bits" for m in found))
    through = [m for m in found if m.crossbar_images and m.accuracy_crossbars is not None]
    text = [
        "*Compression ratio* is the number of weights of all conv and linear layers over the number kept. A point such "
        "as `4x` names the ratio aimed at in the layers that the method prunes; the first layer and those it leaves "
        "alone (for Meng et al. linear and 1 × 1 layers) stay dense, so the ratio over all weights is lower. *Ratio in "
        "pruned layers* counts only layers from which weights were removed.",
        "*Crossbar saving* compares one copy of each layer: the dense network on data path `dense` over this one on "
        f"its own data path, on `{ARCHITECTURE}` with crossbars of {crossbars}; below 1 the method takes more. A "
        "method that was trained for operation units runs on `sre_like` or `forms_like`. *ADC bits* are those of the "
        "machine as built for the method.",
    ]
    if through:
        enough = all(m.crossbar_images >= 1000 for m in through)
        text.append(
            f"*On its recipe's crossbars*: the first {_range(m.crossbar_images for m in through)} test images computed "
            "through packed crossbars and the method's ADCs. One image is "
            f"{_range(round(100 / m.crossbar_images, 2) for m in through)} points{_ENOUGH if enough else _FEW}")
    return text


_FEW = ": this shows that nothing breaks, not how much is lost, which `xbarch accuracy` measures on any machine."
_ENOUGH = ". On other machines, and with devices that are not ideal, `xbarch accuracy` measures it."


def _range(values: Iterable[float]) -> str:
    """Return the value, or the smallest and the largest of several."""
    found = sorted(values)
    return " to ".join(numbers.number(v) for v in dict.fromkeys([*found[:1], *found[-1:]])) or _NONE


# -- tables -------------------------------------------------------------------------------------------------------

_KEPT: Mapping[str, Callable[[Measured], str]] = {
    "weights": lambda m: numbers.number(m.weights),
    "kept": lambda m: numbers.number(m.kept),
    "compression ratio": lambda m: _times(m.ratio),
    "ratio in pruned layers": lambda m: _times(m.pruned_ratio),
    "crossbars, dense": lambda m: numbers.number(m.dense_crossbars),
    "crossbars": lambda m: numbers.number(m.crossbars),
    "crossbar saving": lambda m: _times(m.crossbar_ratio),
    "ADC bits": lambda m: str(m.adc_bits),
}
_ACCURACY: Mapping[str, Callable[[Measured], str]] = {
    "dense baseline": lambda m: _share(m.accuracy_dense),
    "after pruning": lambda m: _share(m.accuracy_cut),
    "after fine-tuning": lambda m: _share(m.accuracy_pruned),
    "on its recipe's crossbars": lambda m: _share(m.accuracy_crossbars, m.crossbar_images),
    "change, points": lambda m: _points(m.change),
    "95 % interval": lambda m: _interval(m),
    "no measurable loss": lambda m: "yes" if m.holds else "no",
    "intervals overlap": lambda m: "yes" if m.overlaps else "no",
    "against longer training": lambda m: _points(m.against_longer),
}


def _measured(rows: Sequence[Row], columns: Mapping[str, Callable[[Measured], str]]) -> Table:
    seeds = any(r.seeds > 1 for r in rows)
    return Table(["method", "point", *(["seeds"] if seeds else []), *columns],
                 [[r.title, r.point, *([str(r.seeds)] if seeds else []),
                   *(show(r.measured) for show in columns.values())] for r in rows if r.measured],
                 2, [r.title for r in rows if r.measured])


def _highest(rows: Sequence[Row], good: Callable[[Measured], bool]) -> Table:
    """Return one line per network and method: its point with the highest ratio that is `good`. The reference network
    has no line."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if not row.longer:
            groups.setdefault((row.network, row.title), []).append(row)
    return Table(["network", "method", "trained", "compression ratio", "point", "crossbar saving", "change, points",
                  "95 % interval", "against longer training"], [
        [*key, f"{sum(r.measured is not None for r in own)} of {len(own)}", *_best(own, good)]
        for key, own in groups.items()], 3, [title for _, title in groups])


def _surely(rows: Sequence[Row]) -> list[Section]:
    """Return one line per method: its point of the highest ratio that loses little with confidence. A wide interval
    that reaches 0 is no evidence that nothing is lost, so it does not count."""
    text = (f"The trained point of the highest ratio whose whole interval lies above a loss of {100 * _SURELY:g} "
            "points.")
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if not row.longer:
            groups.setdefault((row.network, row.title), []).append(row)
    return [Section(f"Highest compression ratio that loses at most {100 * _SURELY:g} points with 95 % confidence", 2,
                    [text], table=Table(
        ["network", "method", "points", "compression ratio", "point", "crossbar saving", "change, points",
         "95 % interval"],
        [[*key, str(len(own)), *_best(own, lambda m: m.change_low >= -_SURELY)[:-1]]
         for key, own in groups.items()], 2))]


def _at_losses(rows: Sequence[Row], losses: Sequence[float]) -> list[Section]:
    """Return compression ratios and crossbar savings at equal losses."""
    groups: dict[tuple[str, str], list[Measured]] = {}
    for row in rows:
        if row.measured is not None and not row.longer:
            groups.setdefault((row.network, row.title), []).append(row.measured)
    text = ("Between the points of a method, its curve is a straight line over the logarithm of the ratio, starting at "
            "the unpruned network. The table shows where the curve falls below the loss, and in brackets where the "
            "lower and upper ends of the 95 % intervals do. *Beyond* means beyond the trained range.")
    across: dict[str, Callable[[Measured], float]] = {
        "Compression ratio": lambda m: m.ratio, "Crossbar saving": lambda m: m.crossbar_ratio}
    return [Section(f"{title} at equal loss of accuracy", 2, [] if i else [text], table=Table(
        ["network", "method", "points", *map(lost, losses)], [
            [*key, str(len(found)), *(_reach(found, loss, value) for loss in losses)]
            for key, found in groups.items()], 2, [method for _, method in groups]))
        for i, (title, value) in enumerate(across.items())]


def _reach(found: Sequence[Measured], loss: float, across: Callable[[Measured], float]) -> str:
    return format_reach(reach(found, loss, across)) if min(map(across, found)) >= 1 else "below 1×"


def format_reach(found: Reach) -> str:
    """Return a reach as text, such as 3.1× [2.6, 3.7]."""
    def shown(value: float) -> str:
        return f"{value:.3g}" if isfinite(value) else "beyond"

    middle = f"{found.ratio:.3g}×" if isfinite(found.ratio) else f"beyond {found.most:.3g}×"
    return middle if isinf(found.low) else f"{middle} [{shown(found.low)}, {shown(found.high)}]"


def _best(rows: Sequence[Row], good: Callable[[Measured], bool]) -> list[str]:
    trained = [(r.point, r.measured) for r in rows if r.measured]
    holding = [(point, m) for point, m in trained if good(m)]
    if not holding:
        return ["no trained point" if trained else MISSING, *[_NONE] * 5]
    point, m = max(holding, key=lambda pair: pair[1].ratio)
    return [_times(m.ratio), point, _times(m.crossbar_ratio), _points(m.change), _interval(m),
            _points(m.against_longer)]


def _times(value: float) -> str:
    return f"{numbers.number(value)}×"


def _share(value: float | None, images: int = 0) -> str:
    """Format a share. images: how many it was measured on, if not all."""
    return _NONE if value is None else f"{value:.2%}" + (f" of {numbers.number(images)}" if images else "")


def _points(value: float | None) -> str:
    return _NONE if value is None else numbers.signed(100 * value)


def _interval(m: Measured) -> str:
    return f"{_points(m.change_low)} to {_points(m.change_high)}"
