"""How many converter bits the sums on bit lines need, seen on given inputs: one look serves every resolution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xbarch.datapaths.base import Block, Geometry
from xbarch.functional.arrays import Ints, Read, low_bits, reads, significance
from xbarch.parts.sensing.base import Sensing
from xbarch.workload.batch import columns, padded
from xbarch.workload.graph import Layer

WIDEST = 64  # bits of a sum


@dataclass(frozen=True)
class Seen:
    """needed: [WIDEST + 1] how many conversions needed so many bits (0: of a sum of zero). drops: how many lost low
    bits other than zeros. largest: magnitude that no bit line's sum can pass with these cells, whatever the inputs."""

    needed: Ints
    drops: int
    largest: int

    @property
    def conversions(self) -> int:
        return int(self.needed.sum())

    @property
    def bits(self) -> int:
        """Converter bits with which nothing that was seen clips."""
        return max(1, int(np.flatnonzero(self.needed).max(initial=1)))

    def clips(self, bits: int) -> int:
        """Conversions that saturate in converters of so many bits."""
        return int(self.needed[bits + 1:].sum())


def seen(blocks: Sequence[Block], layer: Layer, geometry: Geometry, images: NDArray[np.integer],
         sensing: Sensing | None = None) -> Seen:
    """Every sum on a bit line of the packed layer while it reads inputs [images, C, H, W].

    sensing: a unit that drops low bits, set for the layer at the geometry's resolution: what it keeps is looked at;
    None: all bits are kept.

    Raises:
        ConservationError: the blocks contradict one another.
    """
    digit, phases = (1 << geometry.dac_bits) - 1, geometry.phases(layer.input_bits)
    shift = np.arange(phases) * geometry.dac_bits
    maps = np.ascontiguousarray(images.reshape(-1, *layer.in_shape).transpose(1, 0, 2, 3), np.int32)
    digits, nothing = geometry.digits(maps, layer), geometry.offset(layer)
    driven = [columns(padded(digits >> int(s) & digit, layer, nothing >> int(s) & digit), layer) for s in shift]
    needed, drops, largest = np.zeros(WIDEST + 1, np.int64), 0, 0
    for read in reads(blocks, geometry):
        low = low_bits(sensing, layer, shift[:, None, None] + significance(read), geometry.adc_bits)
        step = geometry.ou_rows or len(read.inputs)
        largest = max(largest, worst(read, geometry))
        for phase in range(phases):
            vectors = driven[phase][read.inputs]
            for first in range(0, len(read.inputs), step):
                sums = read.cells[first:first + step].T @ vectors[first:first + step]
                if low is not None:
                    scaled = np.ldexp(sums, -low[phase, 0][:, None])
                    sums = np.trunc(scaled)
                    drops += int(np.count_nonzero(sums != scaled))
                needed += np.bincount(np.frexp(sums)[1].ravel(), minlength=WIDEST + 1)
    return Seen(needed, drops, largest)


def worst(read: Read, geometry: Geometry) -> int:
    """Largest magnitude that a bit line can sum to in a read, all word lines that raise it driven at their most."""
    step, digit = geometry.ou_rows or len(read.inputs), (1 << geometry.dac_bits) - 1
    parts = (read.cells, -read.cells) if geometry.signed else (read.cells,)
    return digit * max(int(np.add.reduceat(np.maximum(part, 0), np.arange(0, len(part), step), axis=0).max(initial=0))
                       for part in parts)
