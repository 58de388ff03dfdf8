"""Packed layers on many windows: as `execute.run`, which stays the rule and the test, converter by converter, but with
all that does not depend on the inputs prepared once.

A bit line whose largest possible sum fits its converter, and of which no low bits are dropped, needs no converter: such
bit lines are folded into one matrix of effective weights. The others are read phase by phase. The rule of a converter
is the executor's: a sum above the full scale becomes the full scale and counts as clipped (one that equals it does
not), low bits are dropped toward zero, and sums are whole steps of a converter, so that there are no ties.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbarch.datapaths.base import Block, Geometry
from xbarch.errors import ConservationError
from xbarch.functional.arrays import Ints, Read, low_bits, reads, significance
from xbarch.functional.execute import check_range, excess
from xbarch.parts.sensing.base import Sensing
from xbarch.workload.batch import DOUBLE, SINGLE, Maps, Reals, columns, padded
from xbarch.workload.graph import Layer

_TOGETHER = 2048  # windows of a product: its operands stay in the cache
Singles = NDArray[np.float32]


@dataclass
class Conversions:
    """What conversions did. made: all, those that cannot clip included. clips: saturated. drops: lost low bits other
    than zeros."""

    made: int = 0
    clips: int = 0
    drops: int = 0

    @property
    def clipped(self) -> float:
        """Share of the conversions that clipped."""
        return self.clips / self.made if self.made else 0.0


@dataclass(frozen=True, kw_only=True)
class _Serial:
    """The bit lines of a read that need converters.

    inputs: what drives the word lines. units: (word lines, cells [bit lines, word lines]) of each operation unit.
    full: largest code. low: bits dropped [phases, bit lines]. factor: [targets, bit lines].
    """

    inputs: slice | Ints
    units: list[tuple[slice, Singles]]
    full: float
    low: Ints | None
    factor: Reals
    targets: Ints


@dataclass(kw_only=True)
class Prepared:
    """A layer's blocks, prepared to be executed; `counted` grows with every run."""

    layer: Layer
    geometry: Geometry
    matrix: Reals
    """Effective weights of the bit lines that need no converter, [filters, groups * rows]."""
    serial: list[_Serial]
    conversions: int
    """Of one window."""
    counted: Conversions = field(default_factory=Conversions)

    @classmethod
    def of(cls, blocks: Sequence[Block], layer: Layer, geometry: Geometry, sensing: Sensing | None = None) -> Prepared:
        """Prepare blocks for the converters of the geometry, sensed by `sensing`, set for the layer (None: converters
        that saturate).

        Raises:
            ConservationError: the blocks contradict one another, or sums would not be exact.
        """
        made = _Making(layer, geometry, sensing)
        for read in reads(blocks, geometry):
            made.add(read)
        return cls(layer=layer, geometry=geometry, matrix=made.matrix.T.astype(made.kind), serial=made.serial,
                   conversions=made.conversions)

    def sums(self, maps: Maps, first: int = 0) -> Reals:
        """Sums of all windows of feature maps [channels, images, height, width]: [filters, images * windows]. first:
        number of the first image, on which nothing depends here."""
        check_range(maps, self.layer)
        parts = [self._some(maps[:, some]) for some in together(maps, self.layer)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)

    def _some(self, maps: Maps) -> Reals:
        layer, kind, offset = self.layer, self.matrix.dtype, self.geometry.offset(self.layer)
        if self.matrix.any():
            out: Reals = self.matrix @ whole(maps, layer, self.geometry).astype(kind, copy=False)
        else:
            out = np.zeros((layer.filters, maps.shape[1] * layer.windows), kind)
        self.counted.made += self.conversions * out.shape[1]
        if self.serial:
            driven = phases(maps, layer, self.geometry)
            for serial in self.serial:
                out[serial.targets] += serial.factor @ self._converted(serial, driven)
        if offset:
            out -= np.asarray(excess(layer, self.geometry))[:, None]
        return out

    def _converted(self, serial: _Serial, driven: list[Singles]) -> Reals:
        """Codes added up over phases and operation units, [bit lines, windows]."""
        found: Reals = np.zeros((serial.factor.shape[1], driven[0].shape[1]), serial.factor.dtype)
        room = np.empty(found.shape, np.float32)
        for phase, (vectors, counts) in enumerate(zip(driven, self.geometry.worth(self.layer), strict=True)):
            some, worth = vectors[serial.inputs], float(abs(counts))
            low = None if serial.low is None else serial.low[phase]
            for lines, cells in serial.units:
                sums = np.matmul(cells, some[lines], out=room)
                if low is None or not low.any():
                    self._clip(sums, serial.full * worth)
                else:
                    self._drop(sums, serial.full, np.ldexp(np.float32(worth), low)[:, None])
                found += sums if counts > 0 else -sums
        return found

    def _clip(self, sums: Singles, full: float) -> None:
        if sums.max(initial=0) > full:
            self.counted.clips += int(np.count_nonzero(sums > full))
            np.minimum(sums, full, out=sums)
        if self.geometry.signed and sums.min(initial=0) < -full:
            self.counted.clips += int(np.count_nonzero(sums < -full))
            np.maximum(sums, -full, out=sums)

    def _drop(self, sums: Singles, full: float, step: Singles) -> None:
        """Whole steps toward zero, at most `full` of them; powers of two divide exactly."""
        sums /= step
        kept = np.trunc(sums)
        self.counted.drops += int(np.count_nonzero(kept != sums))
        self.counted.clips += int(np.count_nonzero(np.abs(kept) > full))
        np.multiply(np.clip(kept, -full, full), step, out=sums)


class _Making:
    """Takes the reads of a layer apart into what is folded and what is converted."""

    def __init__(self, layer: Layer, geometry: Geometry, sensing: Sensing | None) -> None:
        self.layer, self.geometry, self.sensing = layer, geometry, sensing
        self.matrix = np.zeros((layer.groups * layer.rows, layer.filters))
        self.serial: list[_Serial] = []
        self.conversions = 0
        self._bound = np.zeros(layer.filters)  # of sums that were converted

    @property
    def kind(self) -> Any:
        """The type in which sums of a filter are exact."""
        drive = (1 << self.layer.input_bits) - 1
        most = float((self._bound + np.abs(self.matrix).sum(axis=0) * drive).max(initial=0))
        if most >= DOUBLE:
            raise ConservationError(f"layer {self.layer.name}: sums beyond 2**53 cannot be executed exactly")
        return np.float32 if most < SINGLE else np.float64

    def add(self, read: Read) -> None:
        """A read: its bit lines that cannot saturate are folded, the others kept."""
        geometry, (rows, lines) = self.geometry, read.cells.shape
        phases, full = geometry.phases(self.layer.input_bits), float((1 << geometry.adc_bits) - 1)
        shift = np.arange(phases) * geometry.dac_bits
        low = low_bits(self.sensing, self.layer, shift[:, None, None] + significance(read), geometry.adc_bits)
        step = geometry.ou_rows or rows
        units = [slice(first, min(first + step, rows)) for first in range(0, rows, step)]
        self.conversions += phases * lines * len(units)
        factor = np.zeros((lines, len(read.targets)))
        np.add.at(factor, (read.column, np.searchsorted(read.targets, read.output)), read.coefficient)
        hard = self._largest(read, units) > full
        if low is not None:
            hard |= (low > 0).any(axis=(0, 1))
        weights = read.cells[:, ~hard].astype(np.float64) @ factor[~hard]
        np.add.at(self.matrix, (read.inputs[:, None], read.targets), weights)
        for inputs, output, times in read.digital:  # as weights that are all alike
            np.add.at(self.matrix, (inputs[:, None], output[None]), times[None])
        if hard.any():
            self._keep(read, units, hard, factor[hard], None if low is None else low[:, 0, hard])

    def _largest(self, read: Read, units: list[slice]) -> Reals:
        """Largest magnitude that each bit line can sum to in a read, [bit lines]."""
        drive = (1 << self.geometry.dac_bits) - 1
        found = np.zeros(read.cells.shape[1])
        for lines in units:
            cells = read.cells[lines]
            for part in (cells, -cells) if self.geometry.signed else (cells,):
                np.maximum(found, np.maximum(part, 0).sum(axis=0, dtype=np.float64) * drive, out=found)
        if found.max(initial=0) >= SINGLE:
            raise ConservationError("a matrix product beyond the exact range of floating point")
        return found

    def _keep(self, read: Read, units: list[slice], hard: NDArray[np.bool_], factor: Reals, low: Ints | None) -> None:
        digits = float((1 << self.layer.input_bits) - 1)
        code = float(np.abs(read.cells).sum(axis=0, dtype=np.float64).max()) * digits  # no code passes its sum
        bound = np.abs(factor).sum(axis=0) * code
        self._bound[read.targets] += bound
        kind = np.float32 if max(code, float(bound.max(initial=0))) < SINGLE else np.float64
        cells = read.cells[:, hard].T
        self.serial.append(_Serial(
            inputs=contiguous(read.inputs), units=[(u, np.ascontiguousarray(cells[:, u])) for u in units],
            full=float((1 << self.geometry.adc_bits) - 1), low=low, factor=np.ascontiguousarray(factor.T, kind),
            targets=read.targets))


def together(maps: Maps, layer: Layer) -> list[slice]:
    """Images whose windows are computed together."""
    each = max(1, _TOGETHER // layer.windows)
    return [slice(start, start + each) for start in range(0, maps.shape[1], each)]


def whole(maps: Maps, layer: Layer, geometry: Geometry) -> Singles:
    """Input vectors of all windows, with the offset of signed inputs, [groups * rows, images * windows]."""
    offset = geometry.offset(layer)
    return columns(padded(maps + offset, layer, offset), layer)


def phases(maps: Maps, layer: Layer, geometry: Geometry) -> list[Singles]:
    """Input vectors of every phase, worth what the phase is worth but for its sign."""
    bits, digits, offset = geometry.dac_bits, geometry.digits(maps, layer), geometry.offset(layer)
    masks = [((1 << bits) - 1) << phase * bits for phase in range(geometry.phases(layer.input_bits))]
    return [columns(padded(digits & mask, layer, offset & mask), layer) for mask in masks]


def driven(maps: Maps, layer: Layer, geometry: Geometry) -> list[Singles]:
    """What drives the word lines in every phase, for all windows: digits of the inputs, whatever they are worth."""
    bits, count = geometry.dac_bits, geometry.phases(layer.input_bits)
    kind = next(k for k in (np.uint8, np.uint16, np.uint32, np.uint64) if count * bits <= np.iinfo(k).bits)
    every, mask = int(np.iinfo(kind).max), (1 << bits) - 1
    digits = (geometry.digits(maps, layer) & every).astype(kind)  # few bytes are copied for every window
    levels = columns(padded(digits, layer, geometry.offset(layer) & every, kind), layer)
    return [(levels >> kind(phase * bits) & kind(mask)).astype(np.float32) for phase in range(count)]


def contiguous(indices: Ints) -> slice | Ints:
    """Indices as a slice where they follow one another."""
    first = int(indices[0])
    return slice(first, first + len(indices)) if (np.diff(indices) == 1).all() else indices
