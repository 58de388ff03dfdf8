"""Groups of weights that are removed together: their norms, the strongest of them, and masks made of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xbarch.datapaths.records import Projection, Reals
from xbarch.errors import InputError
from xbarch.workload.graph import Layer


def strongest(weights: Reals, layer: Layer, size: tuple[int, int], density: float) -> Projection:
    """Keep the groups of largest Euclidean norm, `density` of them: the nearest weights with no more groups. A group is
    `size` = (filters, rows) of the unrolled matrix, smaller at its borders.

    weights: (F, C / groups, kh, kw). side: groups, how many are kept; of, how many there are.

    Raises:
        InputError: a density outside 0 to 1, or too small for a single group.
    """
    flat = np.asarray(weights, np.float64).reshape(layer.groups, layer.filters // layer.groups, layer.rows)
    norms = energies(flat, size)
    keep = round(density * norms.size) if 0 < density <= 1 else 0
    if keep < 1:
        raise InputError(f"must be 1/{norms.size} to 1 for layer {layer.name}, not {density:g}: at least one group of "
                         f"{size[0]} filters and {size[1]} rows is kept", field="density")
    mask = widened(largest(norms, keep), size, flat.shape).reshape(np.shape(weights))
    return Projection(np.where(mask, weights, 0.0), mask, {"groups": keep, "of": norms.size})


def energies(values: Reals, size: tuple[int, int]) -> Reals:
    """Sums of squares of blocks of `size` of the last two axes."""
    sums = np.add.reduceat(np.square(values), np.arange(0, values.shape[-2], size[0]), axis=-2)
    return np.asarray(np.add.reduceat(sums, np.arange(0, values.shape[-1], size[1]), axis=-1))


def largest(values: Reals, count: int) -> NDArray[np.bool_]:
    """True at the `count` largest; of equal values the first are taken."""
    found = np.zeros(values.size, bool)
    found[np.argsort(-values, axis=None, kind="stable")[:count]] = True
    return found.reshape(values.shape)


def widened(blocks: NDArray[np.bool_], size: tuple[int, int], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """The inverse of `energies`: the value of each block at all its entries."""
    wide = blocks.repeat(size[0], axis=-2)[..., :shape[-2], :].repeat(size[1], axis=-1)[..., :shape[-1]]
    return np.ascontiguousarray(wide)
