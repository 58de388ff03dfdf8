"""Statistics over the seeds of a grid, and the order of methods on two sets of data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp, isfinite, log, sqrt
from statistics import fmean, stdev

from xbarch.kept.measured import Measured
from xbarch.result.devices import student
from xbarch.studies.accuracy.rows import FEWEST, Reach, Row, reach, references
from xbarch.support.ranks import kendall

LOSSES = (0.005, 0.01, 0.02)  # of accuracy


def averaged(rows: Sequence[Row]) -> list[Row]:
    """Return a row for each point that was trained with two seeds or more, whose reference was trained with the same
    seeds too: means over the seeds. Each change is against the reference of its own seed, which saw the same images in
    the same order from the same dense network, so the 95 % interval of their mean (Student's t) is paired."""
    longer = references(rows)
    groups: dict[tuple[str, str, str], list[tuple[Row, Measured, Measured]]] = {}
    for row in rows:
        if row.measured is not None and (reference := longer.get((row.network, row.seed))) is not None:
            groups.setdefault((row.network, row.method, row.point), []).append((row, row.measured, reference))
    return [_mean(own) for own in groups.values() if len(own) >= FEWEST]


def _mean(own: Sequence[tuple[Row, Measured, Measured]]) -> Row:
    row, first, _ = own[0]
    each = [m for _, m, _ in own]
    change, low, high = interval([m.accuracy_pruned - reference.accuracy_pruned for _, m, reference in own])
    through = [m.accuracy_crossbars for m in each if m.accuracy_crossbars is not None]
    cut = [m.accuracy_cut for m in each if m.accuracy_cut is not None]

    def typical(values: Sequence[float]) -> int:
        """The geometric mean, as curves are drawn over the logarithm of ratios."""
        return round(exp(fmean(map(log, values))))

    return replace(row, seed=None, seeds=len(own), measured=replace(
        first, kept=typical([m.kept for m in each]), crossbars=typical([m.crossbars for m in each]),
        pruned_weights=typical([m.pruned_weights for m in each]) if all(m.pruned_weights for m in each) else 0,
        adc_bits=max(m.adc_bits for m in each), accuracy_dense=fmean(m.accuracy_dense for m in each),
        accuracy_cut=fmean(cut) if cut else None, accuracy_pruned=fmean(m.accuracy_pruned for m in each),
        accuracy_crossbars=fmean(through) if len(through) == len(own) else None,
        accuracy_noise={name: fmean(m.accuracy_noise[name] for m in each) for name in first.accuracy_noise
                        if all(name in m.accuracy_noise for m in each)},
        crossbar_images=sum(m.crossbar_images for m in each), test_images=sum(m.test_images for m in each),
        change=change, change_low=low, change_high=high, against_longer=None))


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the mean of two values or more, and the ends of its 95 % interval by Student's t."""
    mean = fmean(values)
    half = student(len(values) - 1) * stdev(values) / sqrt(len(values))
    return mean, mean - half, mean + half


@dataclass(frozen=True)
class Order:
    """Whether methods come in the same order by two measures."""

    what: str
    methods: tuple[str, ...]
    """Those with a value of both."""
    tau: float
    """Kendall's rank correlation, tau-b."""


def orders(here: Sequence[Row], there: Sequence[Row]) -> list[Order]:
    """Return the rank correlation of methods by their change against the reference at every point that both have, and
    by the compression ratio at which they lose so much; of ratios beyond what was trained the highest trained counts.
    Where fewer than three methods are on both, or all are equal, there is none.

    here: averaged rows of one network; there: rows of another grid, of one network.
    """
    points = list(dict.fromkeys(r.point for r in here if not r.longer))
    compared: list[tuple[str, Mapping[str, float], Mapping[str, float]]] = [
        (f"change at {point}", _changes(here, point), _changes(there, point)) for point in points]
    compared += [(f"compression ratio at {lost(loss)} lost", _ratios(here, loss), _ratios(there, loss))
                 for loss in LOSSES]
    return list(_ordered(compared))


def noisy(rows: Sequence[Row]) -> list[Order]:
    """Return the rank correlation of methods by their accuracy as trained and by that under a noise preset, at every
    point, where three methods or more have both.

    rows: averaged, of one network.
    """
    found = [r for r in rows if r.measured is not None]
    points = list(dict.fromkeys(r.point for r in found if not r.longer))
    presets = list(dict.fromkeys(name for r in found if r.measured for name in r.measured.accuracy_noise))
    return list(_ordered((f"accuracy at {point}, as trained and under {name}", *_with_and_without(found, point, name))
                         for name in presets for point in points))


def _with_and_without(rows: Sequence[Row], point: str, preset: str) -> tuple[dict[str, float], dict[str, float]]:
    """Accuracy of every method at a point, as trained and under a noise preset."""
    own = {r.method: r.measured for r in rows
           if r.point == point and r.measured is not None and preset in r.measured.accuracy_noise}
    return ({method: m.accuracy_pruned for method, m in own.items()},
            {method: m.accuracy_noise[preset] for method, m in own.items()})


def _ordered(compared: Iterable[tuple[str, Mapping[str, float], Mapping[str, float]]]) -> Iterator[Order]:
    for what, one, other in compared:
        common = tuple(method for method in one if method in other)
        ours, theirs = ([values[method] for method in common] for values in (one, other))
        if len(common) > 2 and len(set(ours)) > 1 and len(set(theirs)) > 1:
            yield Order(what, common, kendall(ours, theirs))


def lost(loss: float) -> str:
    """Return a loss of accuracy in points, as text."""
    return f"{100 * loss:g} point{'' if loss == 0.01 else 's'}"


def _changes(rows: Sequence[Row], point: str) -> dict[str, float]:
    """Change of every method against the reference at a point."""
    return {r.method: _against(m) for r in rows if (m := r.measured) is not None and r.point == point and not r.longer}


def _against(measured: Measured) -> float:
    return measured.change if measured.against_longer is None else measured.against_longer


def _ratios(rows: Sequence[Row], loss: float) -> dict[str, float]:
    """Compression ratio of every method at a loss against the reference."""
    groups: dict[str, list[Measured]] = {}
    for row in rows:
        if row.measured is not None and not row.longer:
            groups.setdefault(row.method, []).append(replace(row.measured, change=_against(row.measured)))
    found: dict[str, Reach] = {method: reach(own, loss, lambda m: m.ratio) for method, own in groups.items()}
    return {method: at.ratio if isfinite(at.ratio) else at.most for method, at in found.items()}
