"""A layer on one draw of real devices, on many windows: as `plain.run`, which stays the rule and the test.

Bit lines that no converter rounds or saturates are folded into one matrix of effective weights, whatever their cells
hold. The others are read phase by phase: a sum, in steps of its converter, is distorted, gets its noise, is rounded to
the nearest code (a tie to the even one) and saturates. Noise from read to read is one normal number per sum of a bit
line; of folded bit lines that feed one output alone one per output, whose variances add up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from xbarch.datapaths.base import Geometry
from xbarch.functional.arrays import Crossbar, Ints, Read, low_bits, significance
from xbarch.functional.codes import Spread, add_codes, decoded
from xbarch.functional.device import Device, Drawn, Range
from xbarch.functional.execute import check_range, excess
from xbarch.functional.fast import Conversions, contiguous, driven, together, whole
from xbarch.functional.normals import Normals
from xbarch.parts.effects.base import Singles, Transfer
from xbarch.parts.sensing.base import Sensing
from xbarch.workload.batch import SINGLE, Maps, Reals
from xbarch.workload.graph import Layer

Bools = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class _Converted:
    """The bit lines of a read that are converted.

    inputs: what drives the word lines. units: (word lines, levels, variances) of each operation unit, [bit lines, word
    lines], in steps of the converters, or levels times `top` where `scale` [bit lines, 1], the width of their range in
    levels, still divides them. base: what code 0 stands for, as the units' sums [bit lines, 1]; None: zero. top: the
    largest code. low: bits dropped [phases, bit lines, 1]. factor: [targets, bit lines], times a step [bit lines].
    worth: log2 of what a bit line counts [bit lines].
    """

    inputs: slice | Ints
    units: list[tuple[slice, Reals, Singles | None]]
    scale: Reals | None
    base: Reals | None
    top: float
    low: Ints | None
    transfers: list[Transfer]
    factor: Reals
    step: Reals
    worth: Ints
    targets: Ints

    def steps(self, unit: int, vectors: Singles) -> Reals:
        """Sums of an operation unit in steps of the converters, as they distort them, [bit lines, windows]. vectors:
        what drives the read's word lines [word lines, windows]."""
        lines, levels, _ = self.units[unit]
        sums = levels @ vectors[lines]
        if self.base is not None:
            sums -= self.base
        if self.scale is not None:
            sums /= self.scale
        for transfer in self.transfers:
            sums = transfer(sums)
        return sums


@dataclass(kw_only=True)
class Imperfectly:
    """A layer on a device, ready to be executed; `counted` grows with every run."""

    layer: Layer
    geometry: Geometry
    device: Device
    matrix: Reals
    """Effective weights of the bit lines that are not converted, [filters, groups * rows]."""
    varies: list[tuple[Reals, Reals | None]]
    """Variances of their weights from read to read [sums, groups * rows], and how the sums enter the outputs [filters,
    sums]; None: each is an output's."""
    converted: list[_Converted]
    constant: Reals
    """What outputs get besides, as codes do not start at zero, [filters]."""
    conversions: int
    """Of one window."""
    counted: Conversions = field(default_factory=Conversions)

    @classmethod
    def of(cls, crossbars: Sequence[Crossbar], layer: Layer, geometry: Geometry, device: Device,
           sensing: Sensing | None = None) -> Imperfectly:
        """Draw the device of packed crossbars, sensed by `sensing`, set for the layer."""
        made = _Making(layer, geometry, device, sensing)
        for crossbar in crossbars:
            drawn = device.drawn(crossbar)
            for read in crossbar.reads():
                made.add(crossbar, read, drawn)
        return cls(layer=layer, geometry=geometry, device=device, matrix=made.matrix.T.astype(made.kind),
                   varies=made.varies, converted=made.converted, constant=made.constant, conversions=made.conversions)

    @cached_property
    def folded(self) -> bool:
        """Whether any bit line is not converted."""
        return bool(self.matrix.any())

    def sums(self, maps: Maps, first: int = 0) -> Reals:
        """Sums of all windows of feature maps [channels, images, height, width]: real numbers [filters, images *
        windows]. first: number of the first image, which seeds what varies from read to read."""
        check_range(maps, self.layer)
        parts = [self._some(maps[:, some], first + some.start) for some in together(maps, self.layer)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)

    def _some(self, maps: Maps, first: int) -> Reals:
        layer, images = self.layer, maps.shape[1]
        if self.folded:
            out: Reals = self.matrix @ whole(maps, layer, self.geometry).astype(self.matrix.dtype, copy=False)
        else:
            out = np.zeros((layer.filters, images * layer.windows), self.matrix.dtype)
        normals = Normals(self.device, layer, first, images)
        digits = driven(maps, layer, self.geometry) if self.converted or self.varies else []
        if self.varies:
            squares = sum(np.square(vectors) * np.float32(worth) ** 2 for vectors, worth in zip(
                digits, self.geometry.worth(layer).tolist(), strict=True))
            for variance, factor in self.varies:
                found = np.sqrt(variance @ squares) * normals.draw(len(variance))
                out += found if factor is None else factor @ found
        self.counted.made += self.conversions * out.shape[1]
        if self.converted:
            for read in self.converted:
                out[read.targets] += decoded(read.factor, self._codes(read, digits, normals))
            if self.constant.any():
                out += self.constant[:, None].astype(out.dtype)
        if self.geometry.offset(layer):
            out -= np.asarray(excess(layer, self.geometry))[:, None]
        return out

    def _codes(self, read: _Converted, digits: list[Singles], normals: Normals) -> Reals:
        """Codes added up over phases and operation units, [bit lines, windows]."""
        jitter, lines = self.device.machine.jitter, read.factor.shape[1]
        found = np.zeros((lines, digits[0].shape[1]), read.factor.dtype)
        least = -read.top if self.geometry.signed else 0.0
        under = least < 0 or read.base is not None
        for number, (unit, _, variance) in enumerate(read.units):
            noisy = bool(jitter) or variance is not None
            chosen = normals.chosen(len(digits) * lines) if noisy else None
            for phase, worth in enumerate(self.geometry.worth(self.layer).tolist()):
                some = digits[phase][read.inputs]
                sums = read.steps(number, some)
                noise = None if chosen is None else Spread(
                    chosen[:, phase * lines:(phase + 1) * lines], jitter,
                    None if variance is None else variance @ np.square(some[unit]))
                clips, drops = add_codes(sums, found, worth, (least, read.top),
                                         None if read.low is None else read.low[phase, :, 0], noise, under)
                self.counted.clips, self.counted.drops = self.counted.clips + clips, self.counted.drops + drops
        return found

    def slopes(self, maps: Maps) -> dict[int, Reals]:
        """How the sums of all windows [filters, images * windows] grow with the full scale, in levels, of the bit lines
        of each significance: a code that saturates counts its whole share of the full scale, any other the error of
        its rounding (Esser et al., ICLR 2020). What varies from read to read is left out."""
        found: dict[int, Reals] = {}
        digits, least = driven(maps, self.layer, self.geometry), self.geometry.signed
        for read in self.converted:
            slope = np.zeros((read.factor.shape[1], digits[0].shape[1]), np.float32)
            for vectors, worth in zip(digits, self.geometry.worth(self.layer).tolist(), strict=True):
                for unit in range(len(read.units)):
                    sums = read.steps(unit, vectors[read.inputs])
                    codes = np.clip(np.rint(sums), -read.top if least else 0.0, read.top)
                    slope += worth * np.where(np.abs(codes - sums) <= 0.5, codes - sums, codes)
            for group in np.unique(read.worth).tolist():
                of = read.worth == group
                into = found.setdefault(group, np.zeros((self.layer.filters, slope.shape[1]), np.float32))
                into[read.targets] += (read.factor[:, of] / (read.step[of] * read.top)) @ slope[of]
        return found


class _Making:
    """Takes the reads of a layer apart into what is folded and what is converted."""

    def __init__(self, layer: Layer, geometry: Geometry, device: Device, sensing: Sensing | None) -> None:
        self.layer, self.geometry, self.device, self.sensing = layer, geometry, device, sensing
        self.matrix = np.zeros((layer.groups * layer.rows, layer.filters))
        self.converted: list[_Converted] = []
        self.constant = np.zeros(layer.filters)
        self.conversions = 0
        self._own = np.zeros_like(self.matrix.T)
        self._shared: list[tuple[Reals, Reals]] = []

    @property
    def kind(self) -> type:
        """The type of the sums: single precision where that rounds no whole number."""
        most = np.abs(self.matrix).sum(axis=0).max(initial=0) * ((1 << self.layer.input_bits) - 1)
        return np.float32 if most < SINGLE else np.float64

    @property
    def varies(self) -> list[tuple[Reals, Reals | None]]:
        found: list[tuple[Reals, Reals | None]] = [(self._own.astype(np.float32), None)] if self._own.any() else []
        if self._shared:
            found.append((np.concatenate([v for v, _ in self._shared]).astype(np.float32),
                          np.concatenate([f for _, f in self._shared], axis=1).astype(np.float32)))
        return found

    def add(self, crossbar: Crossbar, read: Read, drawn: Drawn) -> None:
        """A read of a crossbar whose cells were drawn."""
        place = np.ix_(read.lines, read.columns)
        levels, variance = drawn.levels[place], None if drawn.variance is None else drawn.variance[place]
        rows, lines = levels.shape
        step = self.geometry.ou_rows or rows
        units = [slice(first, min(first + step, rows)) for first in range(0, rows, step)]
        self.conversions += self.geometry.phases(self.layer.input_bits) * lines * len(units)
        factor = np.zeros((lines, len(read.targets)))
        np.add.at(factor, (read.column, np.searchsorted(read.targets, read.output)), read.coefficient)
        hard, ends, low = self._hard(crossbar, read, levels, units)
        soft = ~hard
        if soft.any():
            weights = levels[:, soft].astype(np.float64) @ factor[soft]
            np.add.at(self.matrix, (read.inputs[:, None], read.targets), weights)
            if variance is not None:
                self._vary(read, variance[:, soft], factor[soft])
        for inputs, output, times in read.digital:  # as weights that are all alike
            np.add.at(self.matrix, (inputs[:, None], output[None]), times[None])
        if hard.any():
            self._keep(crossbar, read, (levels, variance), units, hard, factor, ends, low)

    def _hard(self, crossbar: Crossbar, read: Read, levels: Singles,
              units: list[slice]) -> tuple[Bools, Range, Ints | None]:
        """Which bit lines are converted, what their codes span, the bits dropped [phases, 1, bit lines]."""
        machine, g, lines = self.device.machine, self.geometry, len(read.columns)
        ends = self.device.range(crossbar, read)
        if machine.noise.full_scale == "ideal":
            return np.zeros(lines, bool), ends, None
        shift = np.arange(g.phases(self.layer.input_bits)) * g.dac_bits
        low = low_bits(self.sensing, self.layer, shift[:, None, None] + significance(read), g.adc_bits)
        top = float((1 << g.adc_bits) - 1)
        if not machine.exact or machine.jitter or self.device.transfers(crossbar, read):
            return np.ones(lines, bool), ends, low
        most = np.zeros(lines)
        for unit in units:
            for part in (levels[unit], -levels[unit]):
                np.maximum(most, np.maximum(part, 0).sum(axis=0, dtype=np.float64) * ((1 << g.dac_bits) - 1), out=most)
        hard = (most > top) | (ends.high != top) | (ends.low != 0)
        return (hard if low is None else hard | (low > 0).any(axis=(0, 1))), ends, low

    def _vary(self, read: Read, variance: Singles, factor: Reals) -> None:
        """Variances of folded bit lines: of one output each, or shared by several."""
        feeds = np.count_nonzero(factor, axis=1)
        own, shared = feeds == 1, feeds > 1
        np.add.at(self._own.T, (read.inputs[:, None], read.targets),
                  variance[:, own].astype(np.float64) @ np.square(factor[own]))
        if shared.any():
            spread = np.zeros((int(shared.sum()), len(self.matrix)))
            np.add.at(spread.T, read.inputs, variance[:, shared])
            into = np.zeros((self.layer.filters, len(spread)))
            into[read.targets] = factor[shared].T
            self._shared.append((spread, into))

    def _keep(self, crossbar: Crossbar, read: Read, cells: tuple[Singles, Singles | None], units: list[slice],
              hard: Bools, factor: Reals, ends: Range, low: Ints | None) -> None:
        top, levels, exact = float((1 << self.geometry.adc_bits) - 1), cells[0][:, hard].T, self.device.machine.exact
        ends, drive = ends[hard], (1 << self.geometry.dac_bits) - 1
        step = (ends.width / top)[:, None]
        most = max(float(np.abs(levels[:, u]).sum(axis=1).max()) for u in units) * drive
        kind = np.float32 if not exact or 2 * top * max(most, float(ends.high.max())) < SINGLE else np.float64
        whole = top * len(units) * (1 << self.layer.input_bits) * (1 if low is None else 1 << int(low.max()))
        steps = (levels * top if exact else levels / step).astype(kind)
        base = ends.low[:, None] * (top if exact else 1 / step)
        spread = None if cells[1] is None else (cells[1][:, hard].T / np.square(step)).astype(np.float32)
        self.constant[read.targets] += factor[hard].T @ ends.low * len(units) * self.geometry.worth(self.layer).sum()
        self.converted.append(_Converted(
            inputs=contiguous(read.inputs), top=top, targets=read.targets,
            units=[(u, np.ascontiguousarray(steps[:, u]), None if spread is None else spread[:, u]) for u in units],
            scale=ends.width[:, None].astype(kind) if exact else None,
            base=base.astype(kind) if ends.low.any() else None, transfers=self.device.transfers(crossbar, read),
            low=None if low is None else low[:, 0, hard, None],
            factor=(factor[hard] * step).T.astype(np.float32 if whole < SINGLE else np.float64),
            step=step[:, 0], worth=significance(read)[hard]))
