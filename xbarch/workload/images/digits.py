"""The 8 x 8 digits, and pairs of them.

`digits.npz` holds scikit-learn's copy of the test part of "Optical Recognition of Handwritten Digits" (E. Alpaydin and
C. Kaynak, UCI Machine Learning Repository, 1998, doi:10.24432/C50P49, CC BY 4.0): 1,797 images of 0 to 16, as
`sklearn.datasets.load_digits` (BSD) gives them. Pixels are uint8, without mean subtraction, so that padding is zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xbarch.workload.images.draws import Draws, Ints, Reals

TRAINS, VALIDATES = 12_000, 2_000  # pairs to train on where a recipe does not say; pairs that validate
_FILE = Path(__file__).with_name("digits.npz")
_TOGETHER = 1000  # pairs composed from one run of random numbers
_SHARES = {"digits": (0.7, 0.1), "digit_pairs": (0.6, 0.1)}  # train, val; the rest is the test part


@dataclass(frozen=True)
class Part:
    """pixels uint8 [n, C, H, W]; labels int64 [n]."""

    pixels: NDArray[np.uint8]
    labels: Ints


Parts = tuple[Part, Part, Part]


def digits(size: int, channels: int, seed: int) -> Parts:
    """Train, validation and test part of the digits, resized to size x size: 70, 10 and 20 % of every class."""
    source, labels = _source()
    pixels = grey(_resized(source, size), channels)
    train, val, test = (Part(pixels[i], labels[i]) for i in split(labels, _SHARES["digits"], seed))
    return train, val, test


def pairs(counts: tuple[int, int], size: int, channels: int, noise: float, seed: int) -> Parts:
    """Pairs of digits: class 10 * left + right, each shifted, rotated and scaled at random, the larger of both at
    every pixel, Gaussian noise. Source digits are split, 60, 10 and 30 %, before they are composed. counts: images of
    the train and the test part."""
    train, val, test = (_composed(part, count, count, (size, channels, noise), seed)
                        for part, count in enumerate((counts[0], VALIDATES, counts[1])))
    return train, val, test


def pair_test(count: int, wanted: int, size: int, channels: int, noise: float, seed: int) -> Part:
    """The first `wanted` images of a test part of `count` pairs."""
    return _composed(2, count, wanted, (size, channels, noise), seed)


def pair_validation(wanted: int, size: int, channels: int, noise: float, seed: int) -> Part:
    """The first `wanted` images of the part that validates."""
    return _composed(1, VALIDATES, wanted, (size, channels, noise), seed)


def split(labels: Ints, shares: tuple[float, float], seed: int) -> tuple[Ints, Ints, Ints]:
    """Indices of train, val and test, each class split by the same shares."""
    draws = Draws(seed)
    parts: tuple[list[Ints], list[Ints], list[Ints]] = ([], [], [])
    for label in np.unique(labels):
        index = np.flatnonzero(labels == label)
        index = index[draws.order(len(index))]
        first, second = round(shares[0] * len(index)), round((shares[0] + shares[1]) * len(index))
        for part, piece in zip(parts, (index[:first], index[first:second], index[second:]), strict=True):
            part.append(piece)
    train, val, test = (np.sort(np.concatenate(p)) for p in parts)
    return train, val, test


def grey(pixels: Reals, channels: int) -> NDArray[np.uint8]:
    """Grey values of 0 to 1 [n, 1, H, W] as pixels of so many equal channels; halves to even."""
    levels = np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8)
    return np.repeat(levels, channels, axis=1)


@lru_cache(maxsize=1)
def _source() -> tuple[Reals, Ints]:
    """Grey values of 0 to 1 [n, 1, 8, 8] and labels."""
    with np.load(_FILE) as found:
        return found["images"][:, None] / 16, found["labels"].astype(np.int64)


def _resized(source: Reals, size: int) -> Reals:
    """Bilinear, with corners of pixels aligned."""
    at = np.clip((np.arange(size) + 0.5) * (source.shape[-1] / size) - 0.5, 0, None)
    low = at.astype(np.int64)
    high, part = np.minimum(low + 1, source.shape[-1] - 1), at - low
    rows = source[:, :, low] * (1 - part)[:, None] + source[:, :, high] * part[:, None]
    found: Reals = rows[..., low] * (1 - part) + rows[..., high] * part
    return found


def _composed(part: int, count: int, wanted: int, look: tuple[int, int, float], seed: int) -> Part:
    """The first `wanted` of the `count` pairs of a part: 0 train, 1 val, 2 test. look: size, channels, noise."""
    source, labels = _source()
    index, draws = split(labels, _SHARES["digit_pairs"], seed)[part], Draws(seed * 3 + part)
    drawn = index[draws.below(len(index), count, 2)]
    most, (size, channels, noise) = min(count, wanted), look
    made = [grey(_pairs(source, drawn[i:i + _TOGETHER], size, noise, draws), channels)
            for i in range(0, most, _TOGETHER)]
    return Part(np.concatenate(made)[:most], (labels[drawn[:, 0]] * 10 + labels[drawn[:, 1]])[:most])


def _pairs(source: Reals, drawn: Ints, size: int, noise: float, draws: Draws) -> Reals:
    """Grey values of pairs [n, 1, size, size], noise included."""
    n = len(drawn)
    canvas = np.zeros((n, size, size))
    steps = (2 * np.arange(size) + 1) / size - 1  # centres of pixels, from -1 to 1
    for side in (0, 1):
        draw = draws.uniform(n, 4) * 2 - 1
        angle, zoom = draw[:, 0] * 0.4, 1.55 + 0.2 * draw[:, 1]  # up to 23 degrees; a digit spans about 20 of 32 pixels
        x, y = (-0.33, 0.33)[side] + 0.12 * draw[:, 2], 0.15 * draw[:, 3]
        cos, sin = (zoom * f(angle) for f in (np.cos, np.sin))
        across, down = steps[None, None, :] - x[:, None, None], steps[None, :, None] - y[:, None, None]
        columns = cos[:, None, None] * across - sin[:, None, None] * down
        rows = sin[:, None, None] * across + cos[:, None, None] * down
        np.maximum(canvas, _sampled(source[drawn[:, side], 0], rows, columns), out=canvas)
    return canvas[:, None] + noise * draws.normal(n, 1, size, size)


def _sampled(images: Reals, rows: Reals, columns: Reals) -> Reals:
    """Bilinear samples of images [n, h, w] at positions from -1 to 1 [n, size, size]; zero outside."""
    n, h, w = images.shape
    padded = np.pad(images, ((0, 0), (1, 2), (1, 2)))
    y, x = (np.clip(((at + 1) * most - 1) / 2, -1, most) for at, most in ((rows, h), (columns, w)))
    top, left = np.floor(y).astype(np.int64), np.floor(x).astype(np.int64)
    down, right, each = y - top, x - left, np.arange(n)[:, None, None]

    def at(i: int, j: int) -> Reals:
        found: Reals = padded[each, top + 1 + i, left + 1 + j]
        return found

    above, below = (at(i, 0) * (1 - right) + at(i, 1) * right for i in (0, 1))
    return np.asarray(above * (1 - down) + below * down)
