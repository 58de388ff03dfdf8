"""Values of an exported program: which numbers of which layer they are, whatever order the program keeps them in.

An operation that only moves numbers (view, permute, slice, padding with zeros, ...) is run on positions instead of
numbers. So it needs no rule of its own, and a layer's input that is not in the layer's order becomes one index map.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xbarch.compress.intake.graph import Shape

Positions = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Value:
    """layer: whose numbers; it has `numbers`. shape: in the program, a batch of one first. index: where in the layer's
    (C, H, W) each number lies, counted from 1, and 0 for a zero, as float64 [shape]; None: all of them in order."""

    layer: str
    numbers: int
    shape: tuple[int, ...]
    index: Tensor | None = None

    @cached_property
    def places(self) -> Tensor:
        """`index`, also where all are in order."""
        if self.index is not None:
            return self.index
        return torch.arange(1, self.numbers + 1, dtype=torch.float64).reshape(self.shape)

    def moved(self, places: Tensor) -> Value:
        """The same layer's numbers in another order."""
        places = places.contiguous()
        plain = places.numel() == self.numbers and bool((places.flatten() == torch.arange(1, self.numbers + 1)).all())
        return Value(self.layer, self.numbers, tuple(places.shape), None if plain else places)

    @cached_property
    def whole(self) -> bool:
        """Whether these are all numbers of the layer, each once."""
        if self.index is None or self.index.numel() != self.numbers:
            return self.index is None
        seen = torch.zeros(self.numbers + 1, dtype=torch.bool)
        seen[self.index.flatten().long()] = True
        return bool(seen[1:].all())

    def front(self, axis: int) -> Positions:
        """Positions from 0 (-1: zero) as [C, H, W] whose channels lie along `axis` (from 1) of the program's value."""
        places = self.places[0]
        places = places.movedim(axis - 1, 0) if places.dim() else places.reshape(1)
        return as_map(places)


def as_map(places: Tensor) -> Positions:
    """Places as [C, H, W] positions from 0; one more axis is the width, of more than two all but the last the
    height."""
    sizes = places.shape[1:]
    height = math.prod(sizes[:-1]) if len(sizes) > 1 else 1
    return places.reshape(places.shape[0], height, sizes[-1] if len(sizes) else 1).long().numpy() - 1


def is_plain(index: Positions, shape: Shape) -> bool:
    """Whether these are all of a layer's numbers in its own order."""
    return index.shape == shape and bool((index.ravel() == np.arange(index.size)).all())


def zero_borders(index: Positions, shape: Shape) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """((top, bottom), (left, right)) if the map is a layer's with zeros around it; None if it is not."""
    if index.shape[0] != shape[0] or index.shape[1] < shape[1] or index.shape[2] < shape[2]:
        return None
    rows, columns = (np.flatnonzero((index >= 0).any(axis=axes)) for axes in ((0, 2), (0, 1)))
    if not rows.size:
        return None
    top, left = int(rows[0]), int(columns[0])
    inside = index[:, top:top + shape[1], left:left + shape[2]]
    if not is_plain(inside, shape) or int((index >= 0).sum()) != index.size // (index.shape[1] * index.shape[2]) \
            * shape[1] * shape[2]:
        return None
    return (top, index.shape[1] - top - shape[1]), (left, index.shape[2] - left - shape[2])
