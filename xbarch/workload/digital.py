"""Layers without weights on integers, one image or many: the rule of inference, of `xbarch.workload.batch` too.

Maps are [channels, images, height, width] of whole numbers. What a layer computes is real until it is rounded once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbarch.workload.graph import Layer

Maps = NDArray[Any]
Reals = NDArray[np.float64]


def viewed(layer: Layer, x: Maps) -> Maps:
    """The values of x under their new names."""
    channels, images, height, width = x.shape
    flat = x.transpose(1, 0, 2, 3).reshape(images, channels * height * width)
    if layer.index is not None:
        flat = np.concatenate([flat, np.zeros((images, 1), flat.dtype)], axis=1)[:, layer.index.ravel()]  # -1: the zero
    found: Maps = flat.reshape(images, *layer.out_shape).transpose(1, 0, 2, 3)
    return found


def per_pixel(layer: Layer) -> Any:
    """The scale of average pooling: of all output pixels, or of each, [oh, ow]."""
    scale = np.asarray(layer.scale)
    return scale[0] if len(scale) == 1 else scale.reshape(layer.out_shape[1:])


def real(layer: Layer, inputs: Sequence[Maps]) -> Reals:
    """The output of mul, concat, affine or norm in levels, before it is rounded."""
    scale, x = np.asarray(layer.scale), inputs[0]
    if layer.op == "concat":
        return np.concatenate([factor * part for factor, part in zip(scale, inputs, strict=True)])
    if layer.op == "mul":
        return np.asarray(scale[0] * (x.astype(np.float64) * inputs[1]))
    assert layer.bias is not None
    gain, shift = scale[:, None, None, None], layer.bias[:, None, None, None]
    found: Reals = gain * (normalized(layer, x) if layer.op == "norm" else x) + shift
    return found


def normalized(layer: Layer, x: Maps) -> Reals:
    """Deviations from the mean over the standard deviation, of each group of channels in each window."""
    parts = x.reshape(layer.groups, -1, *x.shape[1:]).astype(np.int64)
    axes = (1,) if layer.kernel == (1, 1) else (1, 3, 4)
    count = parts.shape[1] * layer.kernel[0] * layer.kernel[1]
    mean = parts.sum(axis=axes, keepdims=True) / count
    variance = np.maximum((parts * parts).sum(axis=axes, keepdims=True) / count - mean * mean, 0)
    found: Reals = ((parts - mean) / np.sqrt(variance + layer.epsilon)).reshape(x.shape)
    return found


def finished(layer: Layer, real: Any, last: bool) -> Any:
    """Levels of what a layer computed, rounded once, through its function. last: whether its outputs stay real, unless
    a table gives them. What is given is overwritten."""
    if last and not layer.function:
        return np.maximum(real, 0) if layer.relu else real
    if layer.to_even:
        nearest = np.rint(real, out=real)
    else:
        real += 0.5
        nearest = np.floor(real, out=real)
    if not layer.function:
        return np.clip(nearest, *layer.levels, out=nearest)
    assert layer.table is not None
    top = (1 << layer.inner_bits - 1) - 1
    return layer.table[np.clip(nearest, -top, top).astype(np.int64) + top]
