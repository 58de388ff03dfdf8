"""Accuracy on a machine: test images through its packed crossbars, converter by converter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod, sqrt

import numpy as np
from numpy.typing import NDArray

from xbarch.datapaths.base import DataPath, Geometry
from xbarch.functional.fast import Prepared
from xbarch.machine.machine import Machine
from xbarch.mapping.pack import Packed
from xbarch.plugins import guard
from xbarch.result import schema
from xbarch.result.correctness import drops_bits
from xbarch.support.progress import Progress
from xbarch.workload.batch import Maps, Reals, products, scores
from xbarch.workload.graph import Layer, Workload
from xbarch.workload.images.shown import Shown
from xbarch.workload.images.shown import shown as images_of

_TOGETHER, _VALUES = 32, 2**23  # images at most; values of a layer's input vectors
_Z = 1.959963984540054  # of a 95 % interval


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """Share of test images that a network classifies correctly on a machine."""

    workload: str
    datapath: str
    architecture: str
    value: float
    """Through the machine's crossbars and converters."""
    images: int
    """Test images, n."""
    interval_95: tuple[float, float]
    """Limits of the 95 % interval (Wilson)."""
    integer_network: float
    """Of the integer network on the same images."""
    same_class: float
    """Share of the images to which both give the same class."""
    proven: bool
    """Whether no conversion can clip or lose a bit, so that the integer network is the machine's."""
    clipped_share: Mapping[str, float] = field(repr=False)
    """Share of the conversions of used bit lines that clipped, of each layer."""
    data: str = field(repr=False)
    """What the images are."""

    def __repr__(self) -> str:
        low, high = self.interval_95
        return (f"Accuracy({self.workload} · {self.datapath} · {self.architecture}: {self.value:.2%} on this machine, "
                f"95 % interval {low:.2%} to {high:.2%}, n = {self.images:,}; integer network "
                f"{self.integer_network:.2%})")

    @property
    def part(self) -> schema.Measured:
        """As a part of a result."""
        return schema.Measured(value=self.value, images=self.images, interval_95=list(self.interval_95),
                               integer_network=self.integer_network)

    def plain(self) -> dict[str, object]:
        """As JSON values."""
        return {"workload": self.workload, "datapath": self.datapath, "architecture": self.architecture,
                "data": self.data, "value": self.value, "images": self.images, "interval_95": list(self.interval_95),
                "integer_network": self.integer_network, "same_class": self.same_class, "proven": self.proven,
                "clipped_share": dict(self.clipped_share)}


def wilson(right: int, count: int) -> tuple[float, float]:
    """Limits of the 95 % interval of a share of `count` independent trials (E. B. Wilson, J. Am. Stat. Assoc. 22, 209,
    1927)."""
    share, z2 = right / count, _Z * _Z
    middle, half = share + z2 / (2 * count), _Z * sqrt(share * (1 - share) / count + z2 / (4 * count * count))
    low, high = (middle - half) / (1 + z2 / count), (middle + half) / (1 + z2 / count)
    return (0.0 if right == 0 else low), (1.0 if right == count else high)


def measure(network: Workload, path: DataPath, machine: Machine, packed: Mapping[str, Packed], images: int,
            progress: Progress | None = None) -> Accuracy:
    """Classify the first `images` test images with the integer network and with the packed one.

    A layer of which no conversion can clip or lose a bit is computed as the integer layer, which is equal by the data
    path's contract; where that holds for all, nothing else runs. progress: called with (images done, images in all,
    what runs).

    Raises:
        InputError: there are no test images, or the data path's contents break its contract.
    """
    shown = images_of(network, images)
    hard = _unproven(path, machine, packed)
    made: dict[str, Prepared] = {}
    with guard.asking(path, "contents", limited=False):
        for name in hard:
            p = packed[name]
            made[name] = Prepared.of(p.make(), p.layer, machine.of(name).geometry, p.sensing)
    digital, real = _classes(network, shown, made, progress)
    right = int((real == shown.labels).sum())
    return Accuracy(
        workload=network.name, datapath=path.name, architecture=machine.architecture.name,
        value=right / len(real), images=len(real), interval_95=wilson(right, len(real)),
        integer_network=float((digital == shown.labels).mean()), same_class=float((digital == real).mean()),
        proven=not hard, data=str(network.trained_on),
        clipped_share={name: made[name].counted.clipped if name in made else 0.0 for name in packed})


def _unproven(path: DataPath, machine: Machine, packed: Mapping[str, Packed]) -> list[str]:
    """Layers that need converters: all of a data path whose contract is not this project's."""
    return [name for name, p in packed.items() if not guard.is_builtin(path) or drops_bits(p, machine.of(name).geometry)
            or not _suffices(p, machine.of(name).geometry)]


def _suffices(packed: Packed, geometry: Geometry) -> bool:
    """Whether no sum can be too large for the converters."""
    return geometry.lossless_bits(packed.layout.largest_sum(geometry)) <= geometry.adc_bits


def _classes(network: Workload, shown: Shown, made: Mapping[str, Prepared],
             progress: Progress | None) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """What the integer network and the packed one take every image for."""
    widest = max(prod((la.windows, la.rows, la.groups)) for la in network.compute_layers)
    together, count = max(1, min(_TOGETHER, _VALUES // widest)), len(shown.labels)
    digital, real = [], []

    def sums(layer: Layer, maps: Maps) -> Reals:
        return made[layer.name].sums(maps) if layer.name in made else products(layer, maps)

    for start in range(0, count, together):
        if progress is not None:
            progress(start, count, "test images")
        some = shown.pixels[start:start + together]
        digital.append(scores(network, some, products).argmax(axis=1))
        real.append(scores(network, some, sums).argmax(axis=1) if made else digital[-1])
    if progress is not None:
        progress(count, count, "test images")
    return np.concatenate(digital), np.concatenate(real)
