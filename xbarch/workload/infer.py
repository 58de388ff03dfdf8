"""The integer network itself: what a workload computes, layer by layer, in int64 and one rounding a layer."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbarch.errors import InputError
from xbarch.workload.graph import Ints, Layer, Workload, unroll

Reals = NDArray[np.float64]


def infer(workload: Workload, image: Ints) -> dict[str, NDArray[np.int64] | Reals]:
    """Outputs of every layer for one image of integer pixels (C, H, W): levels, int64; the last layer's are real.

    Raises:
        InputError: the workload stores no scales (it was never trained).
    """
    values: dict[str, NDArray[np.int64] | Reals] = {}
    last = workload.layers[-1].name
    for layer in workload.layers:
        if layer.op == "input":
            values[layer.name] = image.astype(np.int64)
            continue
        inputs = [np.asarray(values[name]) for name in layer.inputs]
        values[layer.name] = _layer(layer, inputs, layer.name == last)
    return values


def _layer(layer: Layer, inputs: list[Any], last: bool) -> NDArray[np.int64] | Reals:
    x: NDArray[np.int64] = inputs[0]
    if layer.op == "flatten":
        return x.reshape(-1, 1, 1)
    if layer.op == "maxpool":
        largest: NDArray[np.int64] = _windows(x, layer, -1 << 62).max(axis=(3, 4))
        return largest
    if layer.scale is None:
        raise InputError(f"layer {layer.name} stores no scale, allowed a trained workload")
    if layer.compute:
        sums = _products(layer, unroll(x, layer)).T.reshape(layer.out_shape)
        real = layer.scale[:, None, None] * sums
        if layer.bias is not None:
            real = real + layer.bias[:, None, None]
    elif layer.op == "avgpool":
        real = layer.scale[0] * _windows(x, layer, 0).sum(axis=(3, 4))
    else:
        short = np.zeros_like(x)
        short[:inputs[1].shape[0]] = inputs[1]
        real = layer.scale[0] * x + layer.scale[1] * short
    if last:
        return real
    positive = layer.relu or layer.op == "avgpool"
    top = (1 << layer.output_bits) - 1 if positive else (1 << layer.output_bits - 1) - 1
    return np.clip(np.rint(real), 0 if positive else -top, top).astype(np.int64)


def _products(layer: Layer, x: Ints) -> NDArray[np.int64]:
    """[windows, filters], through float64 matrix products, exact below 2**53."""
    matrix, out = layer.matrix.astype(np.float64), np.empty((len(x), layer.filters), np.int64)
    per = layer.filters // layer.groups
    for g in range(layer.groups):
        rows, columns = slice(g * layer.rows, (g + 1) * layer.rows), slice(g * per, (g + 1) * per)
        out[:, columns] = np.rint(x[:, rows].astype(np.float64) @ matrix[:, columns])
    return out


def _windows(x: NDArray[np.int64], layer: Layer, fill: int) -> NDArray[np.int64]:
    """[C, oh, ow, kh, kw] of a pooling layer."""
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = layer.kernel, layer.stride, layer.padding, layer.dilation
    padded = np.pad(x, ((0, 0), (ph, ph), (pw, pw)), constant_values=fill)
    view = np.lib.stride_tricks.sliding_window_view(padded, ((kh - 1) * dh + 1, (kw - 1) * dw + 1), axis=(1, 2))
    return view[:, ::sh, ::sw, ::dh, ::dw][:, :layer.out_shape[1], :layer.out_shape[2]]
