"""Weights as the unrolled matrix [rows, filters], and back."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbarch.datapaths.records import Reals
from xbarch.errors import InputError
from xbarch.workload.graph import Layer


def unrolled(weights: Reals, layer: Layer) -> Reals:
    """Weights (F, C / groups, kh, kw) of a layer as [rows, filters].

    Raises:
        InputError: another number of weights than the layer has, or one that is not finite.
    """
    if weights.shape[:1] != (layer.filters,) or weights.size != layer.rows * layer.filters:
        raise InputError(f"must be {layer.filters} filters of {layer.rows} weights for layer {layer.name}, not the "
                         f"shape {weights.shape}", field="weights")
    if not np.isfinite(weights).all():
        raise InputError(f"layer {layer.name} has a weight that is not finite", field="weights")
    return flat(weights)


def flat(weights: NDArray[Any]) -> NDArray[Any]:
    """Values (F, ...) of any kind as [rows, filters]."""
    return weights.reshape(len(weights), -1).T


def folded(matrix: NDArray[Any], weights: NDArray[Any]) -> NDArray[Any]:
    """A matrix [rows, filters] in the shape of `weights`."""
    return np.ascontiguousarray(matrix.T).reshape(weights.shape)
