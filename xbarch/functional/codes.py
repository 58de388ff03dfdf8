"""What converters make of sums, compiled: noise, rounding, saturation and the sum over phases in one pass.

With NumPy alone every step would be a pass over memory, and together they would take longer than the matrix products.
Numba compiles the loops on first use, in about two seconds, and keeps the code.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbarch.functional.normals import Chosen, quantiles
from xbarch.parts.effects.base import Singles
from xbarch.workload.batch import Reals

_NONE: Singles = np.zeros((0, 0), np.float32)


def add_noise(sums: Reals, chosen: Chosen, jitter: float, spread: Singles | None) -> None:
    """Add to sums [bit lines, images * windows], in place, normal numbers of the standard deviation `jitter`; where
    `spread`, the shape of the sums, is given, of the variance jitter**2 + spread.

    chosen: [images, bit lines, windows], numbers of quantiles.
    """
    _compiled(_noisy)(sums, chosen, quantiles(), np.float32(jitter), _NONE if spread is None else spread)


def add_codes(sums: Reals, found: Reals, worth: float, ends: tuple[float, float],
              low: NDArray[np.int64] | None) -> tuple[int, int]:
    """Round sums [bit lines, windows], in steps of a converter, to codes between `ends` and add them to `found`, times
    `worth`; a tie goes to the even code. low: bits that are dropped toward zero of each bit line; the ends are those of
    the bits that are kept.

    Returns:
        How many codes lay beyond the ends (below zero, where that is the lower end, is none), and how many lost bits.
    """
    drop = np.exp2(np.zeros(len(sums)) if low is None else low).astype(sums.dtype)
    kind = sums.dtype.type
    clips, drops = _compiled(_rounded)(sums, found, kind(worth), kind(ends[0]), kind(ends[1]), drop, 1 / drop)
    return clips, drops


@lru_cache(maxsize=8)
def _compiled(plain: Callable[..., Any]) -> Callable[..., Any]:
    from numba import njit

    try:
        found: Callable[..., Any] = njit(cache=True, error_model="numpy")(plain)
    except RuntimeError:  # there is no place to keep the code
        found = njit(error_model="numpy")(plain)
    return found


def _noisy(sums: Any, chosen: Any, values: Any, jitter: Any, spread: Any) -> None:
    images, lines, windows = chosen.shape
    for line in range(lines):
        for image in range(images):
            row, which = sums[line, image * windows:(image + 1) * windows], chosen[image, line]
            if len(spread):
                wide = spread[line, image * windows:(image + 1) * windows]
                for w in range(windows):
                    row[w] += np.sqrt(wide[w] + jitter * jitter) * values[which[w]]
            else:
                for w in range(windows):
                    row[w] += jitter * values[which[w]]


def _rounded(sums: Any, found: Any, worth: Any, least: Any, top: Any, drop: Any, inverse: Any) -> tuple[int, int]:
    clips, drops, under = 0, 0, least < 0
    for line in range(len(sums)):
        row, into, step, part = sums[line], found[line], drop[line], inverse[line]
        lost = 0
        for w in range(len(row)):
            whole = np.rint(row[w])
            code = np.trunc(whole * part)
            lost += code * step != whole
            clips += (code > top) | (under & (code < least))
            into[w] += min(max(code, least), top) * step * worth
        drops += lost
    return clips, drops
