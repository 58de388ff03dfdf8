"""The pseudo-random numbers that PyTorch's generator draws on a CPU, so that data made with it are made again without.

Mersenne Twister of 32 bits (Matsumoto and Nishimura, ACM TOMACS 1998), seeded as there; what follows from its numbers
is PyTorch's (ATen/core/DistributionsHelper.h, ATen/native/cpu/DistributionTemplates.h): a tensor's uniform numbers have
24 bits, its normal ones are Box and Muller's (1958), eight and eight of them from sixteen uniform ones.
"""

from __future__ import annotations

from math import prod

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float64]
Ints = NDArray[np.int64]


class Draws:
    """A stream of numbers, seeded as `torch.Generator().manual_seed(seed)`."""

    def __init__(self, seed: int) -> None:
        self._twister = np.random.MT19937()
        self._twister._legacy_seeding(seed & 0xFFFFFFFF)

    def _raw(self, count: int) -> NDArray[np.uint64]:
        return np.asarray(self._twister.random_raw(count), np.uint64)

    def uniform(self, *shape: int) -> Reals:
        """`torch.rand`: from 0 to below 1."""
        return ((self._raw(prod(shape)) & np.uint64(0xFFFFFF)).astype(np.float64) / 2**24).reshape(shape)

    def below(self, most: int, *shape: int) -> Ints:
        """`torch.randint(most, shape)`, most < 2**28."""
        return (self._raw(prod(shape)) % np.uint64(most)).astype(np.int64).reshape(shape)

    def order(self, count: int) -> Ints:
        """`torch.randperm`."""
        found = np.arange(count)
        for i, drawn in enumerate(self._raw(max(count - 1, 0)).tolist()):
            j = i + drawn % (count - i)
            found[i], found[j] = found[j], found[i]
        return found

    def normal(self, *shape: int) -> Reals:
        """`torch.randn` of 16 numbers or more, in double precision. Where they are no multiple of 16, the last 16 are
        drawn anew."""
        count = prod(shape)
        drawn, found = self.uniform(count), np.empty(count)
        whole = count - count % 16
        found[:whole] = _box_muller(drawn[:whole])
        if whole < count:
            found[-16:] = _box_muller(self.uniform(16))
        return found.reshape(shape)


def _box_muller(drawn: Reals) -> Reals:
    pairs = drawn.reshape(-1, 2, 8)
    radius, angle = np.sqrt(-2 * np.log1p(-pairs[:, 0])), 2 * np.pi * pairs[:, 1]
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).ravel()
