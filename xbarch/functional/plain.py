"""The rule of a read on real devices, one phase and one operation unit after another, cell by cell: what
`xbarch.functional.imperfect` must equal, in the mean and variance where reads vary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbarch.datapaths.base import Block, Geometry
from xbarch.functional.arrays import crossbars, low_bits, significance
from xbarch.functional.device import Device, Range
from xbarch.functional.execute import check_range, excess
from xbarch.parts.sensing.base import Sensing
from xbarch.workload.batch import Reals
from xbarch.workload.graph import Layer


def run(blocks: Sequence[Block], layer: Layer, geometry: Geometry, x: NDArray[np.integer[Any]], device: Device,
        sensing: Sensing | None = None, random: np.random.Generator | None = None) -> Reals:
    """Outputs [windows, filters], float64, for input vectors x [windows, groups * rows]. random: draws every cell anew
    for every window, phase and conversion, where cells or conversions vary from read to read."""
    check_range(x, layer)
    rng = np.random.default_rng(0) if random is None else random
    digits, bits = geometry.digits(x.astype(np.int64), layer), geometry.dac_bits
    out = np.zeros((len(x), layer.filters))
    for crossbar in crossbars(blocks, geometry):
        drawn = device.drawn(crossbar)
        for read in crossbar.reads():
            place, step = np.ix_(read.lines, read.columns), geometry.ou_rows or len(read.lines)
            levels, ends = drawn.levels[place].astype(np.float64), device.range(crossbar, read)
            spread = np.zeros_like(levels) if drawn.variance is None else np.sqrt(drawn.variance[place])
            transfers = device.transfers(crossbar, read)
            digital = np.zeros((len(x), len(read.columns)))
            for phase, worth in enumerate(geometry.worth(layer)):
                driven = (digits[:, read.inputs] >> phase * bits) & ((1 << bits) - 1)
                low = low_bits(sensing, layer, phase * bits + significance(read), geometry.adc_bits)
                for first in range(0, len(read.lines), step):
                    some = slice(first, first + step)
                    cells = levels[some]
                    if spread.any():
                        cells = cells + spread[some] * rng.standard_normal((len(x), *cells.shape))
                    sums = np.einsum("wi,wic->wc" if cells.ndim == 3 else "wi,ic->wc", driven[:, some], cells)
                    digital += int(worth) * _code(sums, ends, device, geometry, transfers, low, rng)
            for line, output, coefficient in zip(read.column, read.output, read.coefficient, strict=True):
                out[:, output] += coefficient * digital[:, line]
            for inputs, output, times in read.digital:
                total = (x[:, inputs].astype(np.int64) + geometry.offset(layer)).sum(axis=1)
                np.add.at(out.T, output, times[:, None] * total)
    return out - excess(layer, geometry)


def _code(sums: Reals, ends: Range, device: Device, geometry: Geometry, transfers: Sequence[Any],
          low: NDArray[np.int64] | None, rng: np.random.Generator) -> Reals:
    """What converters make of sums [windows, bit lines], in cell levels again."""
    if device.machine.noise.full_scale == "ideal":
        return sums
    top = (1 << geometry.adc_bits) - 1
    steps = (sums - ends.low) * top / ends.width
    for transfer in transfers:
        steps = transfer(steps.T.astype(np.float32)).T
    steps = np.rint(steps + device.machine.jitter * rng.standard_normal(steps.shape))
    down = np.exp2(np.zeros(steps.shape[1]) if low is None else low)
    codes = np.clip(np.trunc(steps / down), -top if geometry.signed else 0, top)
    return np.asarray(ends.low + codes * down * ends.width / top)
