"""Bilinear interpolation in whole numbers: along each axis an output pixel lies between two input pixels, at a fraction
of their distance that is rational.

Output pixel i of m lies at i (n - 1) / (m - 1) of n input pixels where the corner pixels are aligned, else at
(2 i + 1) n / (2 m) - 1/2, at least 0 (PyTorch, `torch.nn.functional.interpolate`). So both weights are whole numbers of
one denominator, and their sum of products is exact; the layer's scale holds the denominators, and rounds once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbarch.workload.graph import Layer

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Taps:
    """Output pixel i of an axis is ((whole - share[i]) x[first[i]] + share[i] x[second[i]]) / whole."""

    first: Ints
    second: Ints
    share: Ints
    whole: int


@lru_cache(maxsize=256)
def taps(size: int, out: int, aligned: bool) -> Taps:
    """The taps of `out` pixels over `size` ones."""
    pixel = np.arange(out, dtype=np.int64)
    place, whole = (pixel * (size - 1), max(1, out - 1)) if aligned else (
        np.maximum((2 * pixel + 1) * size - out, 0), 2 * out)
    least = int(np.gcd.reduce(np.append(place, whole)))
    place, whole = place // least, whole // least
    first = np.minimum(place // whole, size - 1)
    return Taps(first, np.minimum(first + 1, size - 1), place - first * whole, whole)


def kernel(given: tuple[int, int, int], out: tuple[int, int, int]) -> tuple[int, int]:
    """Pixels of a (C, H, W) map between which each axis interpolates: one where there is nothing between."""
    down, across = (1 if n in (1, m) else 2 for n, m in zip(given[1:], out[1:], strict=True))
    return down, across


def whole(layer: Layer) -> int:
    """What the sums of a `resize` layer are divided by."""
    down, across = _of(layer)
    return down.whole * across.whole


def interpolated(layer: Layer, x: NDArray[Any]) -> Ints:
    """Sums of a `resize` layer for whole numbers [..., H, W]."""
    down, across = _of(layer)
    rows, found = down.share[:, None], x.astype(np.int64)
    found = (down.whole - rows) * found[..., down.first, :] + rows * found[..., down.second, :]
    return (across.whole - across.share) * found[..., across.first] + across.share * found[..., across.second]


def _of(layer: Layer) -> tuple[Taps, Taps]:
    down, across = (taps(n, m, layer.aligned) for n, m in zip(layer.in_shape[1:], layer.out_shape[1:], strict=True))
    return down, across
