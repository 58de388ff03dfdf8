"""Accuracy on real devices: draws of devices times test images, and what is known of the mean over both."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from math import sqrt
from statistics import NormalDist
from typing import Any

import numpy as np

from xbarch.datapaths.base import DataPath
from xbarch.functional.arrays import Crossbar, crossbars
from xbarch.functional.calibrate import ranges, stored
from xbarch.functional.device import Imperfect, Range
from xbarch.functional.imperfect import Imperfectly
from xbarch.machine.machine import Machine
from xbarch.mapping.pack import Packed
from xbarch.plugins import guard
from xbarch.workload.batch import Maps, Reals, products, scores
from xbarch.workload.graph import Layer, Workload
from xbarch.workload.images.shown import shown


@dataclass(frozen=True, kw_only=True)
class Devices:
    """What draws of a machine's devices gave on the same test images."""

    values: tuple[float, ...]
    """Accuracy of each draw."""
    same_class: tuple[float, ...]
    """Share of the images to which each draw gives the ideal network's class."""
    spread: float | None
    """Standard deviation of the accuracy between devices, as seen; None: of one draw."""
    half_width: float | None
    """Of the 95 % interval over devices and images; None: of one draw, whose interval is over images alone."""
    seed: int = 0
    """Of the random numbers of all draws."""

    def plain(self) -> dict[str, object]:
        """As JSON values."""
        return {"draws": len(self.values), "values": list(self.values), "same_class": list(self.same_class),
                "spread": self.spread, "half_width": self.half_width, "seed": self.seed}


@dataclass(frozen=True)
class Arrays:
    """Packed layers whose devices are drawn: made once, whatever the number of draws."""

    machine: Machine
    packed: Mapping[str, Packed]
    crossbars: Mapping[str, list[Crossbar]] = field(repr=False)
    ranges: Mapping[str, Mapping[int, Range]] = field(repr=False)

    @classmethod
    def of(cls, network: Workload, machine: Machine, packed: Mapping[str, Packed], path: DataPath[Any]) -> Arrays:
        """Make the arrays of the layers on crossbars that are not ideal, and calibrate their converters.

        Raises:
            InputError: there are no images to calibrate on.
        """
        named = imperfections(machine, packed)
        with guard.asking(path, "contents", limited=False):
            made = {n: list(crossbars(packed[n].make(), machine.of(n).geometry)) for n in named}
        return cls(machine, packed, made, _calibrated(network, machine, made, named))

    def draw(self, number: int) -> dict[str, Imperfectly]:
        """One draw of all layers."""
        named = imperfections(self.machine, self.packed)
        return {n: Imperfectly.of(self.crossbars[n], self.packed[n].layer, self.machine.of(n).geometry,
                                  im.device(n, number, self.ranges.get(n)), self.packed[n].sensing)
                for n, im in named.items()}


def imperfections(machine: Machine, packed: Mapping[str, Packed]) -> dict[str, Imperfect]:
    """What is not ideal, of each packed layer on crossbars that are not."""
    return {name: found for name in packed if (found := machine.of(name).imperfect) is not None}


def _calibrated(network: Workload, machine: Machine, made: Mapping[str, list[Crossbar]],
                named: Mapping[str, Imperfect]) -> dict[str, Mapping[int, Range]]:
    """What the codes span of layers whose converters are calibrated, on images of the validation part, or stored."""
    asked = {n: im.noise.calibration for n, im in named.items() if im.noise.full_scale == "calibrated"}
    found: dict[str, Mapping[int, Range]] = {
        n: stored(made[n], network[n], machine.of(n).geometry)
        for n, im in named.items() if im.noise.full_scale == "stored"}

    def sums(layer: Layer, maps: Maps) -> Reals:
        if layer.name in asked:
            some = maps[:, :asked[layer.name].images]
            found[layer.name] = ranges(made[layer.name], layer, machine.of(layer.name).geometry, some,
                                       asked[layer.name])
        return products(layer, maps)

    if asked:
        scores(network, shown(network, max(c.images for c in asked.values()), "validation").pixels, sums)
    return found


def drawn(count: int, until: float | None, one: Callable[[int], Reals]) -> Reals:
    """Right or wrong, or another worth of each image, [draws, images], of `count` draws, or fewer where the half-width
    of the interval is at most `until` before (of at least three). one: a draw's, by its number."""
    rows: list[Reals] = []
    for number in range(count):
        rows.append(one(number))
        if until is not None and number >= 2 and (half_width(np.stack(rows)) or 1) <= until:
            break
    return np.stack(rows)


def half_width(right: Reals) -> float | None:
    """Half the width of the 95 % interval of the mean over devices and images, both drawn at random, [draws, images].

    With s_d^2, s_i^2 the sample variances of the means of devices and of images and s_r^2 that of the residuals, the
    variance of the mean of D x M is s_d^2 / D + s_i^2 / M - s_r^2 / (D M) (crossed random effects; A. B. Owen, Ann.
    Appl. Stat. 1(2), 386, 2007, section 3). Devices are few, so their part has Student's quantile of D - 1 degrees of
    freedom, the images' part the normal one.
    """
    draws, images = right.shape
    if draws < 2 or images < 2:
        return None
    x = right.astype(np.float64)
    by_device, by_image, mean = x.mean(axis=1), x.mean(axis=0), x.mean()
    device, image = by_device.var(ddof=1) / draws, by_image.var(ddof=1) / images
    rest = np.square(x - by_device[:, None] - by_image + mean).sum() / ((draws - 1) * (images - 1)) / (draws * images)
    normal = NormalDist().inv_cdf(0.975)
    return sqrt(student(draws - 1) ** 2 * device + normal ** 2 * max(float(image - rest), 0.0))


@lru_cache(maxsize=256)
def student(freedom: int) -> float:
    """The 97.5 % quantile of Student's distribution, by bisection of its distribution function (Abramowitz and Stegun,
    26.7.3 and 26.7.4)."""
    from math import atan, cos, pi, sin

    def inside(t: float) -> float:
        angle = atan(t / sqrt(freedom))
        total, term = 0.0, 1.0
        if freedom % 2:
            term = cos(angle)
            for k in range(1, freedom - 1, 2):
                total += term
                term *= cos(angle) ** 2 * (k + 1) / (k + 2)
            return 2 / pi * (angle + sin(angle) * total)
        for k in range(0, freedom, 2):
            total += term
            term *= cos(angle) ** 2 * (k + 1) / (k + 2)
        return sin(angle) * total

    low, high = 1.9, 13.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if inside(middle) < 0.95 else (low, middle)
    return high
