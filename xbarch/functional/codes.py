"""What converters make of sums, compiled: noise, rounding, saturation and the sum over phases in one pass.

With NumPy alone every step would be a pass over memory, and together they would take longer than the matrix products.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbarch.functional.normals import Chosen, quantiles
from xbarch.parts.effects.base import Singles
from xbarch.support.jit import jit
from xbarch.workload.batch import Reals

_NONE: Singles = np.zeros((0, 0), np.float32)
_DENSE = 8  # a matrix product takes one entry in less than an eighth of the time of a pass over memory


@dataclass(frozen=True)
class Spread:
    """Noise of conversions. chosen: [images, bit lines, windows], numbers of quantiles. jitter: standard deviation.
    variance: what is added to its square [bit lines, images * windows]; None: nothing."""

    chosen: Chosen
    jitter: float
    variance: Singles | None = None


def add_codes(sums: Reals, found: Reals, worth: float, ends: tuple[float, float], low: NDArray[np.int64] | None,
              noise: Spread | None, under: bool) -> tuple[int, int]:
    """Add noise to sums [bit lines, images * windows], in steps of a converter, round them to codes between `ends` and
    add these to `found`, times `worth`; a tie goes to the even code. `sums` are changed. low: bits of each bit line
    that are dropped toward zero; the ends are those of the bits that are kept.

    Returns:
        How many codes lay beyond the ends (below the lower one only if `under`), and how many lost bits.
    """
    noise = noise or _EXACT
    drop = np.exp2(np.zeros(len(sums)) if low is None else low).astype(sums.dtype)
    kind = sums.dtype.type
    clips, drops = _add(sums, found, kind(worth), kind(ends[0]), kind(ends[1]), drop, 1 / drop, noise.chosen,
                        quantiles(), np.float32(noise.jitter), _NONE if noise.variance is None else noise.variance,
                        under)
    return clips, drops


def decoded(factor: Reals, codes: Reals) -> Reals:
    """factor [outputs, bit lines] times codes [bit lines, windows]. Where bit lines feed few outputs each, entry by
    entry: the products with all the zeros would take an eighth of the time of a conversion."""
    outputs, lines = np.nonzero(factor)
    if len(lines) * _DENSE > factor.size:
        return factor @ codes
    found: Reals = np.zeros((len(factor), codes.shape[1]), factor.dtype)
    _add_lines(found, codes, outputs, lines, factor[outputs, lines])
    return found


_EXACT = Spread(np.zeros((0, 0, 0), np.uint16), 0.0)


@jit
def _add(sums: Any, found: Any, worth: Any, least: Any, top: Any, drop: Any, inverse: Any, chosen: Any, values: Any,
         jitter: Any, variance: Any, under: Any) -> tuple[int, int]:
    """Noise in the order in which its numbers lie in memory, then line by line."""
    images, lines, windows = chosen.shape
    for image in range(images):
        first = image * windows
        for line in range(lines):
            if len(variance):
                for w in range(windows):
                    wide = np.sqrt(variance[line, first + w] + jitter * jitter)
                    sums[line, first + w] += wide * values[chosen[image, line, w]]
            else:
                for w in range(windows):
                    sums[line, first + w] += jitter * values[chosen[image, line, w]]
    clips, drops = 0, 0
    for line in range(len(sums)):
        row, into, step, part = sums[line], found[line], drop[line], inverse[line]
        if step == 1:
            for w in range(len(row)):
                code = np.rint(row[w])
                clips += (code > top) | (under & (code < least))
                into[w] += min(max(code, least), top) * worth
            continue
        for w in range(len(row)):
            whole = np.rint(row[w])
            code = np.trunc(whole * part)
            drops += code * step != whole
            clips += (code > top) | (under & (code < least))
            into[w] += min(max(code, least), top) * step * worth
    return clips, drops


@jit
def _add_lines(found: Any, codes: Any, outputs: Any, lines: Any, factors: Any) -> None:
    for entry in range(len(lines)):
        into, row, factor = found[outputs[entry]], codes[lines[entry]], factors[entry]
        for w in range(len(row)):
            into[w] += factor * row[w]


@jit
def count_sums(sums: Reals, lines: NDArray[np.int64], seen: NDArray[np.int64]) -> None:
    """Add to `seen` [bit lines, magnitudes] how often each magnitude occurs in sums [some bit lines, windows], whole
    numbers. lines: which bit lines these are."""
    for line in range(len(lines)):
        row, into = sums[line], seen[lines[line]]
        for w in range(len(row)):
            into[int(abs(row[w]))] += 1
