"""Packed blocks executed on integers: bit slices, bit-serial inputs, analog sums, converters that saturate or drop low
bits.

Analog sums run through floating-point matrix products, exact because every partial result is an integer
below 2**24 (single) or 2**53 (double precision); the bounds are checked before each product.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from xbarch.datapaths.base import Block, Geometry
from xbarch.errors import ConservationError, InputError
from xbarch.functional.arrays import Read, low_bits, reads, significance
from xbarch.parts.sensing.base import Sensing
from xbarch.workload.graph import Layer, Workload, unroll

Ints = NDArray[np.int64]
Resolution = int | Literal["lossless"] | None


@dataclass(frozen=True)
class Executed:
    """out: int64 [windows, filters]. clips: conversions that saturated. drops: those that lost low bits other than
    zeros. largest: largest magnitude of a bit line's sum in a phase. bits: resolution of the ADCs (the widest, where
    each has what its bit lines need)."""

    out: Ints
    clips: int
    drops: int
    largest: int
    bits: int


def execute(blocks: Sequence[Block], layer: Layer, geometry: Geometry, x: NDArray[np.integer[Any]],
            adc_bits: Resolution = None, sensing: Sensing | None = None) -> tuple[Ints, int]:
    """Outputs [windows, filters] of the packed layer for input vectors x [windows, groups * rows], and how many
    conversions clipped. adc_bits: None takes the geometry's, "lossless" what the blocks can reach at most.
    sensing: what converts, set for the layer (None: converters that saturate)."""
    done = run(blocks, layer, geometry, x, adc_bits, sensing)
    return done.out, done.clips


def ceiling(block: Block, geometry: Geometry) -> int:
    """Largest magnitude a bit line of the block can sum to in one read."""
    rows = min(block.rows, geometry.ou_rows or block.rows)
    most = rows * ((1 << geometry.cell_bits) - 1) * ((1 << geometry.dac_bits) - 1)
    return most if block.cap is None else min(block.cap, most)


def lossless_bits(blocks: Sequence[Block], geometry: Geometry) -> int:
    """ADC bits with which no bit line of these blocks can saturate, whatever the inputs."""
    return max(geometry.lossless_bits(ceiling(b, geometry)) for b in blocks)


def run(blocks: Sequence[Block], layer: Layer, geometry: Geometry, x: NDArray[np.integer[Any]],
        adc_bits: Resolution = None, sensing: Sensing | None = None) -> Executed:
    """`execute` with the largest sum seen and the resolution used.

    Raises:
        InputError: inputs outside the layer's range, or a resolution outside 1 .. 32 bits.
        ConservationError: the blocks contradict one another (overlapping cells, two inputs on one word line).
    """
    check_range(x, layer)
    if isinstance(adc_bits, int) and not 1 <= adc_bits <= 32:
        raise InputError(f"must be 1 to 32, not {adc_bits}", field="adc_bits")
    windows, shift = len(x), np.arange(geometry.phases(layer.input_bits)) * geometry.dac_bits
    digit = geometry.worth(layer).astype(np.float64)[:, None, None]
    drive = _drive(geometry.digits(x.astype(np.int64), layer), shift, geometry)
    out, clips, drops, largest, widest = np.zeros((windows, layer.filters)), 0, 0, 0, 0
    bound = np.zeros(layer.filters)
    for read in reads(blocks, geometry):
        bits = lossless_bits(read.blocks, geometry) if adc_bits == "lossless" else adc_bits or geometry.adc_bits
        worth = shift[:, None, None] + significance(read)
        low = None if adc_bits == "lossless" else low_bits(sensing, layer, worth, bits)
        digital = np.zeros((windows, read.cells.shape[1]))
        for analog in _analog(read, drive, windows, geometry):
            largest = max(largest, int(analog.max(initial=0)), -int(analog.min(initial=0)))
            codes = _converted(analog, bits, low)
            clips, drops = clips + codes.clips, drops + codes.drops
            digital += (codes.values * digit).sum(axis=0)
        factor = np.zeros((read.cells.shape[1], len(read.targets)))
        np.add.at(factor, (read.column, np.searchsorted(read.targets, read.output)), read.coefficient)
        bound[read.targets] += np.abs(factor).sum(axis=0) * float(np.abs(digital).max(initial=0))
        out[:, read.targets] += digital @ factor
        widest = max(widest, bits)
        for inputs, output, times in read.digital:
            total = (x[:, inputs].astype(np.int64) + geometry.offset(layer)).sum(axis=1)
            np.add.at(out.T, output, times[:, None] * total.astype(np.float64))
            np.add.at(bound, output, np.abs(times) * float(np.abs(total).max(initial=0)))
    if bound.max(initial=0) >= 2.0**53:
        raise ConservationError(f"layer {layer.name}: sums beyond 2**53 cannot be executed exactly")
    return Executed(out.astype(np.int64) - excess(layer, geometry), clips, drops, largest, widest)


def check_range(x: NDArray[np.integer[Any]], layer: Layer) -> None:
    """Refuse input levels that the layer's bits do not hold."""
    least, most = layer.input_range
    if x.size and (x.min() < least or x.max() > most):
        odd = int(x.min() if x.min() < least else x.max())
        raise InputError(f"inputs of layer {layer.name} must be {least} to {most} ({layer.input_bits} bits), not {odd}")


def excess(layer: Layer, geometry: Geometry) -> Ints | int:
    """What the offset of signed inputs adds to the sums of each filter, [filters]; the bias takes it out again."""
    offset = geometry.offset(layer)
    return offset * layer.matrix.sum(axis=0, dtype=np.int64) if offset else 0


def sums(blocks: Sequence[Block], layer: Layer, geometry: Geometry,
         x: NDArray[np.integer[Any]]) -> Iterator[tuple[Read, NDArray[np.float32]]]:
    """Every activation of packed crossbars with the sums on its bit lines, [phases, windows, bit lines], for input
    vectors x [windows, groups * rows] as `Stream.vectors` gives them; in operation units, one after another."""
    drive = _drive(x, np.arange(geometry.phases(layer.input_bits)) * geometry.dac_bits, geometry)
    for read in reads(blocks, geometry):
        for analog in _analog(read, drive, len(x), geometry):
            yield read, analog


def _drive(x: NDArray[np.integer[Any]], shift: Ints, geometry: Geometry) -> NDArray[np.float32]:
    """What drives the word lines in every phase, [phases * windows, groups * rows], for unsigned numbers x."""
    digits = (x.astype(np.int64)[None] >> shift[:, None, None]) & ((1 << geometry.dac_bits) - 1)
    return digits.reshape(len(shift) * len(x), -1).astype(np.float32)


def _analog(read: Read, drive: NDArray[np.float32], windows: int,
            geometry: Geometry) -> Iterator[NDArray[np.float32]]:
    """Sums on bit lines, [phases, windows, bit lines]: of operation units those of few word lines, apart."""
    step = geometry.ou_rows or len(read.inputs)
    for first in range(0, len(read.inputs), step):
        chunk = slice(first, first + step)
        found = _exact(drive[:, read.inputs[chunk]], read.cells[chunk], (1 << geometry.dac_bits) - 1, 24)
        yield found.reshape(-1, windows, found.shape[-1])


def verify(workload: Workload, geometry: Geometry, blocks: Callable[[Layer], Sequence[Block]], *,
           images: int | None = None, adc_bits: Resolution = None,
           sensing: Callable[[Layer], Sensing | None] = lambda layer: None) -> Iterator[dict[str, Any]]:
    """Execute layer by layer on the stored activations and compare with integer arithmetic.

    Args:
        blocks: gives the packed blocks of a layer.
        images: of how many stored images (None: all).
        adc_bits: as for `run`.
        sensing: gives the sensing unit that converts, set for a layer (None: converters that saturate).

    Yields:
        One row per layer: layer, windows, mismatches (outputs that differ), error (the differences' magnitudes over the
        outputs', both summed), clips (conversions that saturated), drops (that lost low bits), max_sum (largest
        magnitude of a bit line's sum in a phase), adc_bits.

    Raises:
        InputError: no activations are stored, or a layer's have another shape than its inputs.
    """
    if not workload.activations:
        raise InputError(f"workload {workload.name} stores no activations, so there is nothing to verify on")
    for layer in workload.compute_layers:
        if layer.name not in workload.activations:
            raise InputError(f"workload {workload.name} stores no activations of layer {layer.name}")
        stored = workload.activations[layer.name][:images]
        if int(np.prod(stored.shape[1:])) != int(np.prod(layer.in_shape)):
            raise InputError(f"activations of layer {layer.name} must have shape {layer.in_shape}, "
                             f"not {stored.shape[1:]}")
        x = np.concatenate([unroll(image.reshape(layer.in_shape), layer) for image in stored])
        done = run(blocks(layer), layer, geometry, x, adc_bits, sensing(layer))
        right = reference(layer, x)
        wrong, whole = np.abs(done.out - right), int(np.abs(right).sum())
        yield {
            "layer": layer.name, "windows": len(x), "mismatches": int(np.count_nonzero(wrong)),
            "error": int(wrong.sum()) / max(1, whole), "clips": done.clips, "drops": done.drops,
            "max_sum": done.largest, "adc_bits": done.bits,
        }


def reference(layer: Layer, x: NDArray[np.integer[Any]]) -> Ints:
    """x [windows, groups * rows] times the layer's integer matrix, group by group: int64 [windows, filters]."""
    filters, parts = layer.filters // layer.groups, []
    for g in range(layer.groups):
        mine = layer.matrix[:, g * filters:(g + 1) * filters].astype(np.float64)
        driven = x[:, g * layer.rows:(g + 1) * layer.rows].astype(np.float64)
        parts.append(_exact(driven, mine, (1 << layer.input_bits) - 1, 53))
    return np.concatenate(parts, axis=1).astype(np.int64)


@dataclass(frozen=True)
class _Codes:
    """What conversions deliver; how many saturated, and how many dropped low bits other than zeros."""

    values: NDArray[np.float32]
    clips: int
    drops: int


def _converted(sums: NDArray[np.float32], bits: int, low: Ints | None) -> _Codes:
    """Sums [phases, windows, bit lines] as codes: magnitudes of at most `bits` bits above the `low` lowest ones, which
    are dropped [phases, 1, bit lines]. Scaling by powers of two is exact."""
    full = float((1 << bits) - 1)
    if low is None:
        wide = max(sums.max(initial=0), -sums.min(initial=0)) > full
        clips = int(np.count_nonzero(np.abs(sums) > full)) if wide else 0
        return _Codes(np.clip(sums, -full, full) if clips else sums, clips, 0)
    scaled = np.ldexp(sums, -low)
    kept = np.trunc(scaled)
    return _Codes(np.ldexp(np.clip(kept, -full, full), low), int(np.count_nonzero(np.abs(kept) > full)),
                  int(np.count_nonzero(kept != scaled)))


def _exact(a: NDArray[Any], b: NDArray[Any], largest: int, mantissa: int) -> NDArray[Any]:
    """a @ b where no partial sum can reach 2**mantissa; |a| is at most `largest`."""
    if float(np.abs(b).sum(axis=0, dtype=np.float64).max(initial=0)) * largest >= 2.0**mantissa:
        raise ConservationError("a matrix product beyond the exact range of floating point")
    return np.asarray(a @ b)
