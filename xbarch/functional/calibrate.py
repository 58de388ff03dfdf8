"""What the codes of converters span: by the sums of the exact network (`full_scale: calibrated`) or the workload."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil

import numpy as np

from xbarch.datapaths.base import Geometry
from xbarch.errors import InputError
from xbarch.functional.arrays import Crossbar, Ints, significance
from xbarch.functional.codes import count_sums
from xbarch.functional.device import Range
from xbarch.functional.fast import Singles, driven, together
from xbarch.specs.noise import Calibration
from xbarch.workload.batch import Maps
from xbarch.workload.graph import Layer


def ranges(crossbars: Sequence[Crossbar], layer: Layer, geometry: Geometry, maps: Maps,
           asked: Calibration) -> dict[int, Range]:
    """What codes span, of every bit line of every crossbar. The full scale is the percentile, by nearest rank, of the
    magnitudes of the sums that exact cells give for feature maps [channels, images, height, width]. The lower end is
    zero or, where it is calibrated too, the same percentile counted from the largest sum down; then sums must not be
    negative. Whole numbers, the full scale by at least 1 above the lower end."""
    width = geometry.columns + geometry.unit_column
    groups = {c.number: _groups(c, asked, width) for c in crossbars}
    found = _found(crossbars, layer, geometry, maps, groups, asked)
    ends = {number: np.array([found.get(group, (0.0, 1.0)) for group in of.tolist()]) for number, of in groups.items()}
    return {number: Range(pair[:, 0], pair[:, 1]) for number, pair in ends.items()}


def by_significance(crossbars: Sequence[Crossbar], layer: Layer, geometry: Geometry, maps: Maps,
                    percentile: float) -> dict[int, float]:
    """Full scales by the significance of bit lines, log2 of what one counts at most, rounded down."""
    asked, width = Calibration(percentile=percentile, per="significance"), geometry.columns + geometry.unit_column
    found = _found(crossbars, layer, geometry, maps, {c.number: _groups(c, asked, width) for c in crossbars}, asked)
    return {group: high for group, (_, high) in found.items()}


def _found(crossbars: Sequence[Crossbar], layer: Layer, geometry: Geometry, maps: Maps, groups: Mapping[int, Ints],
           asked: Calibration) -> dict[int, tuple[float, float]]:
    """The lower end and the full scale of every group of bit lines."""
    counts: dict[int, Ints] = {}
    for some in together(maps, layer):
        digits = driven(maps[:, some], layer, geometry)
        for crossbar in crossbars:
            _add(counts, _seen(crossbar, digits, geometry, len(groups[crossbar.number])), groups[crossbar.number])
    return {group: _ends(seen, asked) for group, seen in counts.items()}


def _add(counts: dict[int, Ints], seen: Ints, groups: Ints) -> None:
    """Add what was seen on the bit lines of a crossbar to the counts of their groups."""
    used = np.flatnonzero(seen.any(axis=1))
    if not len(used):
        return
    used = used[np.argsort(groups[used], kind="stable")]
    names, first = np.unique(groups[used], return_index=True)
    for group, mine in zip(names.tolist(), np.add.reduceat(seen[used], first), strict=True):
        counts[group] = _sum(counts[group], mine) if group in counts else mine


def _sum(one: Ints, other: Ints) -> Ints:
    """The sum of two lists of counts, of which one may be longer."""
    short, long = sorted((one, other), key=len)
    found = long.copy()
    found[:len(short)] += short
    return found


def _ends(seen: Ints, asked: Calibration) -> tuple[float, float]:
    """The lower end and the full scale by how often each sum was seen."""
    low = len(seen) - 1 - _percentile(seen[::-1], asked.percentile) if asked.lower_end == "calibrated" else 0
    return float(low), float(max(low + 1, _percentile(seen, asked.percentile)))


def stored(crossbars: Sequence[Crossbar], layer: Layer, geometry: Geometry) -> dict[int, Range]:
    """What codes span, of every bit line of every crossbar: from zero to the full scales that the layer stores by
    significance; bit lines that it stores none for have that of the nearest one.

    Raises:
        InputError: the layer stores none.
    """
    known = np.flatnonzero(layer.full_scales)
    if not len(known):
        raise InputError("stored needs a workload whose training learned full scales of converters (a recipe's "
                         f"adaptation to a machine with full_scale: stored); layer {layer.name} has none, so choose "
                         "calibrated", field="noise.full_scale")
    asked, width = Calibration(per="significance"), geometry.columns + geometry.unit_column
    of = {c.number: _groups(c, asked, width) for c in crossbars}
    return {number: Range.up_to(np.array([float(layer.full_scales[known[np.abs(known - group).argmin()]])
                                          for group in groups.tolist()])) for number, groups in of.items()}


def _groups(crossbar: Crossbar, asked: Calibration, width: int) -> Ints:
    """Which bit lines of a crossbar share a full scale, [bit lines]: lines of equal numbers do, on all crossbars."""
    found = np.zeros(width, np.int64)
    if asked.per == "column":
        found[:] = crossbar.number * width + np.arange(width)
    elif asked.per == "significance":
        for read in crossbar.reads():
            found[read.columns] = significance(read)
    return found


def _seen(crossbar: Crossbar, digits: list[Singles], geometry: Geometry, width: int) -> Ints:
    """How often each magnitude is seen on each bit line of a crossbar, [bit lines, magnitudes]."""
    top = (1 << geometry.dac_bits) - 1
    wide = max((int(np.abs(read.cells).sum(axis=0).max(initial=0)) for read in crossbar.reads()), default=0) * top + 1
    seen = np.zeros((width, wide), np.int64)
    for read in crossbar.reads():
        step = geometry.ou_rows or len(read.lines)
        lines = np.arange(width)[read.columns]
        for vectors in digits:
            some = vectors[read.inputs]
            for first in range(0, len(read.lines), step):
                count_sums(read.cells[first:first + step].T @ some[first:first + step], lines, seen)
    return seen


def _percentile(seen: Ints, percentile: float) -> int:
    """The smallest value that at least that percentage of the counted values does not pass."""
    return int(np.searchsorted(np.cumsum(seen), ceil(int(seen.sum()) * percentile / 100)))
