"""Accuracy on a machine: test images through its packed crossbars, converter by converter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import prod, sqrt
from typing import Any

import numpy as np

from xbarch.datapaths.base import DataPath, Geometry
from xbarch.errors import InputError
from xbarch.functional.fast import Prepared
from xbarch.functional.imperfect import Imperfectly
from xbarch.machine.machine import Machine
from xbarch.mapping.pack import Packed
from xbarch.plugins import guard
from xbarch.plugins.measures import find
from xbarch.result import looks, schema
from xbarch.result.correctness import drops_bits
from xbarch.result.devices import Arrays, Devices, drawn, half_width, imperfections
from xbarch.result.looks import Classes, Look
from xbarch.support.progress import Progress
from xbarch.workload.batch import Maps, Reals, outputs, products
from xbarch.workload.graph import Layer, Workload
from xbarch.workload.images.shown import Shown
from xbarch.workload.images.shown import shown as images_of
from xbarch.workload.measures import TOP_ONE, Measure, classes_of

Executor = Prepared | Imperfectly
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
    """Through the machine's crossbars and converters; on real devices the mean over draws."""
    images: int
    """Test images, n."""
    interval_95: tuple[float, float]
    """Limits of the 95 % interval: Wilson's over images, or that over several draws and images
    (`xbarch.result.devices.half_width`); of other measures than top-1 by bootstrap."""
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
    devices: Devices | None = field(default=None, repr=False)
    """What draws of devices gave; None: cells and sums are exact integers."""

    def __repr__(self) -> str:
        value, low, high, integers = map(self.measure.text, (self.value, *self.interval_95, self.integer_network))
        what = "" if self.measure is TOP_ONE else f"{self.measure.label} "
        return (f"Accuracy({self.workload} · {self.datapath} · {self.architecture}: {what}{value} on this machine, "
                f"95 % interval {low} to {high}, n = {self.images:,}{self._drawn}; integer network {integers})")

    @property
    def _drawn(self) -> str:
        return f" on {len(self.devices.values)} devices" if self.devices else ""

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
                "clipped_share": dict(self.clipped_share),
                **({"devices": self.devices.plain()} if self.devices else {})}


def wilson(right: int, count: int) -> tuple[float, float]:
    """Limits of the 95 % interval of a share of `count` independent trials (E. B. Wilson, J. Am. Stat. Assoc. 22, 209,
    1927)."""
    share, z2 = right / count, _Z * _Z
    middle, half = share + z2 / (2 * count), _Z * sqrt(share * (1 - share) / count + z2 / (4 * count * count))
    low, high = (middle - half) / (1 + z2 / count), (middle + half) / (1 + z2 / count)
    return (0.0 if right == 0 else low), (1.0 if right == count else high)


def bootstrap(judge: Measure, counts: Reals) -> tuple[float, float]:
    """Limits of the 95 % percentile interval of a measure, from its counts [draws, images, counts]: 2,000 times as many
    images, and devices where there are several, are drawn from them (A. B. Owen, The pigeonhole bootstrap, Ann. Appl.
    Stat. 1(2), 386, 2007)."""
    chance, (draws, images, _) = np.random.default_rng(0), counts.shape
    values = []
    for _ in range(_DRAWS):
        rows, columns = (chance.multinomial(n, np.full(n, 1 / n)) if n > 1 else np.ones(1) for n in (draws, images))
        values.append(judge.value(np.einsum("d,i,dik->k", rows, columns, counts)))
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


@dataclass(frozen=True)
class Sample:
    """How much is tried. images: test images. draws: devices, where they are not ideal. until: draws end where the
    half-width of the 95 % interval is at most that; None: all are made. name: of all that a draw depends on, by which
    finished draws are kept and not made again; empty: none are."""

    images: int
    draws: int = 1
    until: float | None = None
    name: str = ""


def measure(network: Workload, path: DataPath, machine: Machine, packed: Mapping[str, Packed], sample: Sample,
            progress: Progress | None = None) -> Accuracy:
    """Measure the outputs for the first test images, of the integer network and of the packed one.

    A layer of which no conversion can clip or lose a bit is computed as the integer layer, which is equal by the data
    path's contract; where that holds for all, nothing else runs. Crossbars with noise are drawn, each draw classifies
    all images; where no effect is random there is one. progress: called with (images done, images in all, what runs).

    Raises:
        InputError: there are no test images, the measure is not there or does not fit them, or the data path's contents
            break its contract.
    """
    shown, judge = images_of(network, sample.images), find(network.measure)
    if problem := judge.refuse([o.shape for o in network.returned], shown.labels, classes_of(shown.labels)):
        raise InputError(problem, file=network.file or None, field="measure" if judge.name in problem else "outputs")
    real = imperfections(machine, packed)
    if not any(found.effects for found in real.values()):
        sample = replace(sample, draws=1)  # nothing is random, so all draws are equal
    hard = _unproven(path, machine, packed)
    exact: dict[str, Executor] = {}
    with guard.asking(path, "contents", limited=False):
        for name in hard:
            if name not in real:
                p = packed[name]
                exact[name] = Prepared.of(p.make(), p.layer, machine.of(name).geometry, p.sensing)
    seen = _Seen(network, shown, judge, progress, sample.draws)
    ideal = seen.look({}, 0)
    if not real:
        found = [seen.look(exact, 0) if exact else ideal]
    else:
        found = _devices(seen, Arrays.of(network, machine, packed, path), exact, sample)
    counts, last = np.stack([look.counts for look in found]), found[-1].clipped
    devices = _drawn(judge, found, ideal, next(iter(real.values())).noise.seed) if real else None
    return Accuracy(
        workload=network.name, datapath=path.name, architecture=machine.architecture.name, measure=judge,
        value=float(judge.value(counts.sum(axis=(0, 1)))), images=len(shown.labels),
        interval_95=_interval(judge, counts, devices), integer_network=float(judge.value(ideal.counts.sum(axis=0))),
        same_class=_equal(ideal, found), proven=not hard and not real, data=str(network.trained_on), devices=devices,
        clipped_share={name: last.get(name, 0.0) for name in packed})


def _devices(seen: _Seen, arrays: Arrays, exact: Mapping[str, Executor], sample: Sample) -> list[Look]:
    """What every draw of devices gives."""
    found: list[Look] = []

    def one(number: int) -> Reals:
        found.append(looks.kept(sample.name, number, lambda: seen.look({**exact, **arrays.draw(number)}, number)))
        return seen.judge.value(found[-1].counts)

    drawn(sample.draws, sample.until, one)
    return found


def _drawn(judge: Measure, found: list[Look], ideal: Look, seed: int) -> Devices:
    values = [float(judge.value(look.counts.sum(axis=0))) for look in found]
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else None
    half = half_width(np.stack([judge.value(look.counts) for look in found]))
    if judge is not TOP_ONE and half is not None:
        low, high = bootstrap(judge, np.stack([look.counts for look in found]))
        half = (high - low) / 2
    same = [_equal(ideal, [look]) for look in found]
    return Devices(values=tuple(values), same_class=tuple(share for share in same if share is not None),
                   spread=spread, half_width=half, seed=seed)


def _interval(judge: Measure, counts: Reals, devices: Devices | None) -> tuple[float, float]:
    """Of the measure, from its counts [draws, images, counts]."""
    if judge is not TOP_ONE:
        return bootstrap(judge, counts)
    right, half = int(counts[..., 0].sum()), None if devices is None else devices.half_width
    count = counts.shape[0] * counts.shape[1]
    mean = right / count
    return wilson(right, count) if half is None else (max(0.0, mean - half), min(1.0, mean + half))


def _equal(ideal: Look, found: list[Look]) -> float | None:
    """Share of the images, or pixels, that get the ideal network's class."""
    if ideal.classes is None:
        return None
    return float(np.mean([look.classes == ideal.classes for look in found]))


def _unproven(path: DataPath, machine: Machine, packed: Mapping[str, Packed]) -> list[str]:
    """Layers that need converters: all of a data path whose contract is not this project's."""
    return [name for name, p in packed.items() if not guard.is_builtin(path) or drops_bits(p, machine.of(name).geometry)
            or not _suffices(p, machine.of(name).geometry)]


def _suffices(packed: Packed, geometry: Geometry) -> bool:
    """Whether no sum can be too large for the converters."""
    return geometry.lossless_bits(packed.layout.largest_sum(geometry)) <= geometry.adc_bits


class _Seen:
    """Test images, measured by the integer network or layer by layer by executors. draws: how often executors will be
    asked, for progress."""

    def __init__(self, network: Workload, shown: Shown, judge: Measure, progress: Progress | None, draws: int) -> None:
        self.network, self.shown, self.judge, self._progress, self._draws = network, shown, judge, progress, draws
        widest = max(prod((la.windows, la.rows, la.groups)) for la in network.compute_layers)
        self._together = max(1, min(_TOGETHER, _VALUES // widest))

    def look(self, made: Mapping[str, Executor], draw: int) -> Look:
        """What the images give by executors of some layers, integers the others."""
        counts, classes, images = list[Reals](), list[Classes](), len(self.shown.labels)
        for start in range(0, images, self._together):
            if self._progress is not None:
                self._progress(draw * images + start, self._draws * images, "test images")

            def sums(layer: Layer, maps: Maps, start: int = start) -> Reals:
                return made[layer.name].sums(maps, start) if layer.name in made else products(layer, maps)

            some = slice(start, start + self._together)
            found = outputs(self.network, self.shown.pixels[some], sums, self.judge.order)
            counts.append(self.judge.counts(found, self.shown.labels[some]))
            if (taken := self.judge.classes(found)) is not None:
                classes.append(taken)
        if self._progress is not None:
            self._progress((draw + 1) * images, self._draws * images, "test images")
        return Look(np.concatenate(counts), np.concatenate(classes) if classes else None,
                    {name: executor.counted.clipped for name, executor in made.items()})
