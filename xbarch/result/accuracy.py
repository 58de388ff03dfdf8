"""Accuracy on a machine: test images through its packed crossbars, converter by converter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod, sqrt

import numpy as np
from numpy.typing import NDArray

from xbarch.datapaths.base import DataPath, Geometry
from xbarch.functional.fast import Prepared
from xbarch.functional.imperfect import Imperfectly
from xbarch.machine.machine import Machine
from xbarch.mapping.pack import Packed
from xbarch.plugins import guard
from xbarch.result import schema
from xbarch.result.correctness import drops_bits
from xbarch.result.devices import Arrays, Devices, drawn, half_width, imperfections
from xbarch.support.progress import Progress
from xbarch.workload.batch import Maps, Reals, products, scores
from xbarch.workload.graph import Layer, Workload
from xbarch.workload.images.shown import Shown
from xbarch.workload.images.shown import shown as images_of

Executor = Prepared | Imperfectly
Classes = NDArray[np.int64]
_TOGETHER, _VALUES = 32, 2**23  # images at most; values of a layer's input vectors
_Z = 1.959963984540054  # of a 95 % interval


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """Share of test images that a network classifies correctly on a machine."""

    workload: str
    datapath: str
    architecture: str
    value: float
    """Through the machine's crossbars and converters; on real devices the mean over draws."""
    images: int
    """Test images, n."""
    interval_95: tuple[float, float]
    """Limits of the 95 % interval: Wilson's over images, or that over several draws and images
    (`xbarch.result.devices.half_width`)."""
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
    devices: Devices | None = field(default=None, repr=False)
    """What draws of devices gave; None: cells and sums are exact integers."""

    def __repr__(self) -> str:
        low, high = self.interval_95
        return (f"Accuracy({self.workload} · {self.datapath} · {self.architecture}: {self.value:.2%} on this machine, "
                f"95 % interval {low:.2%} to {high:.2%}, n = {self.images:,}{self._drawn}; integer network "
                f"{self.integer_network:.2%})")

    @property
    def _drawn(self) -> str:
        return f" on {len(self.devices.values)} devices" if self.devices else ""

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
                "clipped_share": dict(self.clipped_share),
                **({"devices": self.devices.plain()} if self.devices else {})}


def wilson(right: int, count: int) -> tuple[float, float]:
    """Limits of the 95 % interval of a share of `count` independent trials (E. B. Wilson, J. Am. Stat. Assoc. 22, 209,
    1927)."""
    share, z2 = right / count, _Z * _Z
    middle, half = share + z2 / (2 * count), _Z * sqrt(share * (1 - share) / count + z2 / (4 * count * count))
    low, high = (middle - half) / (1 + z2 / count), (middle + half) / (1 + z2 / count)
    return (0.0 if right == 0 else low), (1.0 if right == count else high)


@dataclass(frozen=True)
class Sample:
    """How much is tried. images: test images. draws: devices, where they are not ideal. until: draws end where the
    half-width of the 95 % interval is at most that; None: all are made."""

    images: int
    draws: int = 1
    until: float | None = None


def measure(network: Workload, path: DataPath, machine: Machine, packed: Mapping[str, Packed], sample: Sample,
            progress: Progress | None = None) -> Accuracy:
    """Classify the first test images with the integer network and with the packed one.

    A layer of which no conversion can clip or lose a bit is computed as the integer layer, which is equal by the data
    path's contract; where that holds for all, nothing else runs. Crossbars with noise are drawn, each draw classifies
    all images. progress: called with (images done, images in all, what runs).

    Raises:
        InputError: there are no test images, or the data path's contents break its contract.
    """
    shown = images_of(network, sample.images)
    real = imperfections(machine, packed)
    hard = _unproven(path, machine, packed)
    exact: dict[str, Executor] = {}
    with guard.asking(path, "contents", limited=False):
        for name in hard:
            if name not in real:
                p = packed[name]
                exact[name] = Prepared.of(p.make(), p.layer, machine.of(name).geometry, p.sensing)
    seen = _Seen(network, shown, progress, sample.draws if real else 1)
    ideal = seen.classes({}, 0)
    if not real:
        found, devices = (seen.classes(exact, 0) if exact else ideal)[None], None
        interval = wilson(int((found == shown.labels).sum()), found.size)
    else:
        found, devices, interval = _devices(seen, Arrays.of(network, machine, packed, path), exact, ideal, sample)
    last = seen.last
    return Accuracy(
        workload=network.name, datapath=path.name, architecture=machine.architecture.name,
        value=float((found == shown.labels).mean()), images=len(shown.labels), interval_95=interval,
        integer_network=float((ideal == shown.labels).mean()), same_class=float((ideal == found).mean()),
        proven=not hard and not real, data=str(network.trained_on), devices=devices,
        clipped_share={name: last[name].counted.clipped if name in last else 0.0 for name in packed})


def _devices(seen: _Seen, arrays: Arrays, exact: Mapping[str, Executor], ideal: Classes,
             sample: Sample) -> tuple[Classes, Devices, tuple[float, float]]:
    """Classes [draws, images], what the draws gave, and the interval."""
    rows: list[Classes] = []

    def one(number: int) -> NDArray[np.bool_]:
        rows.append(seen.classes({**exact, **arrays.draw(number)}, number))
        return np.asarray(rows[-1] == seen.shown.labels)

    right = drawn(sample.draws, sample.until, one)
    found, half, values = np.stack(rows), half_width(right), right.mean(axis=1)
    mean = float(right.mean())
    interval = wilson(int(right.sum()), right.size) if half is None else (max(0.0, mean - half), min(1.0, mean + half))
    spread = float(values.std(ddof=1)) if len(values) > 1 else None
    return found, Devices(values=tuple(values.tolist()), same_class=tuple((found == ideal).mean(axis=1).tolist()),
                          spread=spread, half_width=half), interval


def _unproven(path: DataPath, machine: Machine, packed: Mapping[str, Packed]) -> list[str]:
    """Layers that need converters: all of a data path whose contract is not this project's."""
    return [name for name, p in packed.items() if not guard.is_builtin(path) or drops_bits(p, machine.of(name).geometry)
            or not _suffices(p, machine.of(name).geometry)]


def _suffices(packed: Packed, geometry: Geometry) -> bool:
    """Whether no sum can be too large for the converters."""
    return geometry.lossless_bits(packed.layout.largest_sum(geometry)) <= geometry.adc_bits


class _Seen:
    """Test images, classified by the integer network or layer by layer by executors. draws: how often executors will
    be asked, for progress."""

    def __init__(self, network: Workload, shown: Shown, progress: Progress | None, draws: int) -> None:
        self.network, self.shown, self._progress, self._draws = network, shown, progress, draws
        widest = max(prod((la.windows, la.rows, la.groups)) for la in network.compute_layers)
        self._together = max(1, min(_TOGETHER, _VALUES // widest))
        self.last: Mapping[str, Executor] = {}
        """The executors asked last."""

    def classes(self, made: Mapping[str, Executor], draw: int) -> Classes:
        """What every image is taken for, by executors of some layers, integers the others."""
        found, count = [], len(self.shown.labels)
        self.last = made
        for start in range(0, count, self._together):
            if self._progress is not None:
                self._progress(draw * count + start, self._draws * count, "test images")

            def sums(layer: Layer, maps: Maps, start: int = start) -> Reals:
                return made[layer.name].sums(maps, start) if layer.name in made else products(layer, maps)

            found.append(scores(self.network, self.shown.pixels[start:start + self._together], sums).argmax(axis=1))
        if self._progress is not None:
            self._progress((draw + 1) * count, self._draws * count, "test images")
        return np.concatenate(found)
