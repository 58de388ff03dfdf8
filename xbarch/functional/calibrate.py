"""Full scales of converters: from the sums of the exact network (`full_scale: calibrated`) or from the workload."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil

import numpy as np

from xbarch.datapaths.base import Geometry
from xbarch.errors import InputError
from xbarch.functional.arrays import Crossbar, Ints, significance
from xbarch.functional.fast import Singles, driven, together
from xbarch.specs.noise import Calibration
from xbarch.workload.batch import Maps, Reals
from xbarch.workload.graph import Layer


def full_scales(crossbars: Sequence[Crossbar], layer: Layer, geometry: Geometry, maps: Maps,
                asked: Calibration) -> dict[int, Reals]:
    """Full scales in cell levels, of every bit line of every crossbar: the percentile, by nearest rank, of the
    magnitudes of the sums that exact cells give for feature maps [channels, images, height, width]. Whole numbers, at
    least 1."""
    width = geometry.columns + geometry.unit_column
    groups = {c.number: _groups(c, asked, width) for c in crossbars}
    found = _found(crossbars, layer, geometry, maps, groups, asked.percentile)
    return {number: np.array([found.get(group, 1.0) for group in of.tolist()]) for number, of in groups.items()}


def by_significance(crossbars: Sequence[Crossbar], layer: Layer, geometry: Geometry, maps: Maps,
                    percentile: float) -> dict[int, float]:
    """`full_scales` by the significance of bit lines, log2 of what one counts at most, rounded down."""
    asked, width = Calibration(percentile=percentile, per="significance"), geometry.columns + geometry.unit_column
    return _found(crossbars, layer, geometry, maps, {c.number: _groups(c, asked, width) for c in crossbars}, percentile)


def _found(crossbars: Sequence[Crossbar], layer: Layer, geometry: Geometry, maps: Maps, groups: Mapping[int, Ints],
           percentile: float) -> dict[int, float]:
    """The full scale of every group of bit lines."""
    counts: dict[int, Ints] = {}
    for some in together(maps, layer):
        digits = driven(maps[:, some], layer, geometry)
        for crossbar in crossbars:
            _count(counts, crossbar, groups[crossbar.number], digits, geometry)
    return {group: float(max(1, _percentile(seen, percentile))) for group, seen in counts.items()}


def stored(crossbars: Sequence[Crossbar], layer: Layer, geometry: Geometry) -> dict[int, Reals]:
    """Full scales in cell levels, of every bit line of every crossbar, as the layer stores them by significance; those
    that it stores none for have that of the nearest one.

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
    return {number: np.array([float(layer.full_scales[known[np.abs(known - group).argmin()]])
                              for group in groups.tolist()]) for number, groups in of.items()}


def _groups(crossbar: Crossbar, asked: Calibration, width: int) -> Ints:
    """Which bit lines of a crossbar share a full scale, [bit lines]: lines of equal numbers do, on all crossbars."""
    found = np.zeros(width, np.int64)
    if asked.per == "column":
        found[:] = crossbar.number * width + np.arange(width)
    elif asked.per == "significance":
        for read in crossbar.reads():
            found[read.columns] = significance(read)
    return found


def _count(counts: dict[int, Ints], crossbar: Crossbar, groups: Ints, digits: list[Singles],
           geometry: Geometry) -> None:
    """Add how often each magnitude is seen, by group."""
    for read in crossbar.reads():
        step = geometry.ou_rows or len(read.lines)
        names, place = np.unique(groups[read.columns], return_inverse=True)
        for vectors in digits:
            some = vectors[read.inputs]
            for first in range(0, len(read.lines), step):
                sums = np.abs(read.cells[first:first + step].T @ some[first:first + step]).astype(np.int64)
                wide = int(sums.max(initial=0)) + 1
                sums += place[:, None] * wide
                found = np.bincount(sums.ravel(), minlength=len(names) * wide).reshape(-1, wide)
                for group, seen in zip(names.tolist(), found, strict=True):
                    before = counts.get(group, np.zeros(0, np.int64))
                    if len(before) < wide:
                        counts[group] = before = np.pad(before, (0, wide - len(before)))
                    before[:wide] += seen


def _percentile(seen: Ints, percentile: float) -> int:
    """The smallest value that at least that percentage of the counted values does not pass."""
    return int(np.searchsorted(np.cumsum(seen), ceil(int(seen.sum()) * percentile / 100)))
