"""Accuracy on a machine: test images through its packed crossbars, converter by converter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbarch.datapaths.base import DataPath, Geometry
from xbarch.errors import InputError
from xbarch.functional.fast import Prepared
from xbarch.machine.machine import Machine
from xbarch.mapping.pack import Packed
from xbarch.plugins import guard
from xbarch.plugins.measures import find
from xbarch.result import schema
from xbarch.result.correctness import drops_bits
from xbarch.support.progress import Progress
from xbarch.workload.batch import Maps, Reals, outputs, products
from xbarch.workload.graph import Layer, Workload
from xbarch.workload.images.shown import Shown
from xbarch.workload.images.shown import shown as images_of
from xbarch.workload.measures import TOP_ONE, Measure, classes_of

_TOGETHER, _VALUES = 32, 2**23  # images at most; values of a layer's input vectors
_Z = 1.959963984540054  # of a 95 % interval
_DRAWS = 2_000  # of the bootstrap


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """What the outputs of a network are worth on a machine: the share of test images that it classifies correctly, or
    another measure."""

    workload: str
    datapath: str
    architecture: str
    value: float
    """Through the machine's crossbars and converters."""
    images: int
    """Test images, n."""
    interval_95: tuple[float, float]
    """Limits of the 95 % interval (of a share of images Wilson's, else by bootstrap over the images)."""
    integer_network: float
    """Of the integer network on the same images."""
    same_class: float | None
    """Share of the images, or of their pixels, to which both give the same class; None where there are no classes."""
    proven: bool
    """Whether no conversion can clip or lose a bit, so that the integer network is the machine's."""
    clipped_share: Mapping[str, float] = field(repr=False)
    """Share of the conversions of used bit lines that clipped, of each layer."""
    data: str = field(repr=False)
    """What the images are."""
    measure: Measure = field(default=TOP_ONE, repr=False)
    """What `value` is."""

    def __repr__(self) -> str:
        value, low, high, integers = map(self.measure.text, (self.value, *self.interval_95, self.integer_network))
        what = "" if self.measure is TOP_ONE else f"{self.measure.label} "
        return (f"Accuracy({self.workload} · {self.datapath} · {self.architecture}: {what}{value} on this machine, "
                f"95 % interval {low} to {high}, n = {self.images:,}; integer network {integers})")

    @property
    def part(self) -> schema.Measured:
        """As a part of a result."""
        about: dict[str, Any] = {} if self.measure is TOP_ONE else {
            "measure": self.measure.name, "share": self.measure.share, "larger": self.measure.larger}
        return schema.Measured(value=self.value, images=self.images, interval_95=list(self.interval_95),
                               integer_network=self.integer_network, **about)

    def plain(self) -> dict[str, object]:
        """As JSON values."""
        return {"workload": self.workload, "datapath": self.datapath, "architecture": self.architecture,
                "data": self.data, "measure": self.measure.name,
                "value": self.value, "images": self.images, "interval_95": list(self.interval_95),
                "integer_network": self.integer_network, "same_class": self.same_class, "proven": self.proven,
                "clipped_share": dict(self.clipped_share)}


def wilson(right: int, count: int) -> tuple[float, float]:
    """Limits of the 95 % interval of a share of `count` independent trials (E. B. Wilson, J. Am. Stat. Assoc. 22, 209,
    1927)."""
    share, z2 = right / count, _Z * _Z
    middle, half = share + z2 / (2 * count), _Z * sqrt(share * (1 - share) / count + z2 / (4 * count * count))
    low, high = (middle - half) / (1 + z2 / count), (middle + half) / (1 + z2 / count)
    return (0.0 if right == 0 else low), (1.0 if right == count else high)


def bootstrap(judge: Measure, counts: NDArray[np.float64]) -> tuple[float, float]:
    """Limits of the 95 % percentile interval of a measure of images [n, counts]: 2,000 draws of as many images (Efron
    and Tibshirani, 1993)."""
    draws, count = np.random.default_rng(0), len(counts)
    values = [judge.value(draws.multinomial(count, np.full(count, 1 / count)) @ counts) for _ in range(_DRAWS)]
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def measure(network: Workload, path: DataPath, machine: Machine, packed: Mapping[str, Packed], images: int,
            progress: Progress | None = None) -> Accuracy:
    """Measure the outputs for the first `images` test images, of the integer network and of the packed one.

    A layer of which no conversion can clip or lose a bit is computed as the integer layer, which is equal by the data
    path's contract; where that holds for all, nothing else runs. progress: called with (images done, images in all,
    what runs).

    Raises:
        InputError: there are no test images, the measure is not there or does not fit them, or the data path's contents
            break its contract.
    """
    shown, judge = images_of(network, images), find(network.measure)
    if problem := judge.refuse([o.shape for o in network.returned], shown.labels, classes_of(shown.labels)):
        raise InputError(problem, file=network.file or None, field="measure" if judge.name in problem else "outputs")
    hard = _unproven(path, machine, packed)
    made: dict[str, Prepared] = {}
    with guard.asking(path, "contents", limited=False):
        for name in hard:
            p = packed[name]
            made[name] = Prepared.of(p.make(), p.layer, machine.of(name).geometry, p.sensing)
    digital, real, same = _counts(network, shown, judge, made, progress)
    return Accuracy(
        workload=network.name, datapath=path.name, architecture=machine.architecture.name, measure=judge,
        value=float(judge.value(real.sum(axis=0))), images=len(real),
        interval_95=wilson(int(real[:, 0].sum()), len(real)) if judge is TOP_ONE else bootstrap(judge, real),
        integer_network=float(judge.value(digital.sum(axis=0))), same_class=same,
        proven=not hard, data=str(network.trained_on),
        clipped_share={name: made[name].counted.clipped if name in made else 0.0 for name in packed})


def _unproven(path: DataPath, machine: Machine, packed: Mapping[str, Packed]) -> list[str]:
    """Layers that need converters: all of a data path whose contract is not this project's."""
    return [name for name, p in packed.items() if not guard.is_builtin(path) or drops_bits(p, machine.of(name).geometry)
            or not _suffices(p, machine.of(name).geometry)]


def _suffices(packed: Packed, geometry: Geometry) -> bool:
    """Whether no sum can be too large for the converters."""
    return geometry.lossless_bits(packed.layout.largest_sum(geometry)) <= geometry.adc_bits


def _counts(network: Workload, shown: Shown, judge: Measure, made: Mapping[str, Prepared],
            progress: Progress | None) -> tuple[NDArray[np.float64], NDArray[np.float64], float | None]:
    """What the measure counts of every image of the integer network and of the packed one [n, counts], and the share of
    equal classes."""
    widest = max(prod((la.windows, la.rows, la.groups)) for la in network.compute_layers)
    together, count = max(1, min(_TOGETHER, _VALUES // widest)), len(shown.labels)
    digital, real, equal = [], [], []

    def sums(layer: Layer, maps: Maps) -> Reals:
        return made[layer.name].sums(maps) if layer.name in made else products(layer, maps)

    for start in range(0, count, together):
        if progress is not None:
            progress(start, count, "test images")
        some, right = (part[start:start + together] for part in (shown.pixels, shown.labels))
        ours = outputs(network, some, products, judge.order)
        its = outputs(network, some, sums, judge.order) if made else ours
        digital.append(judge.counts(ours, right))
        real.append(judge.counts(its, right) if made else digital[-1])
        classes = judge.classes(ours)
        if classes is not None:
            equal.append((classes == judge.classes(its)).reshape(len(some), -1).mean(axis=1))
    if progress is not None:
        progress(count, count, "test images")
    return np.concatenate(digital), np.concatenate(real), float(np.concatenate(equal).mean()) if equal else None
