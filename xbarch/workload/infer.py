"""The integer network itself: what a workload computes, layer by layer, in int64 and one rounding a layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbarch.errors import InputError
from xbarch.workload import digital, resize
from xbarch.workload.graph import VIEWS, Ints, Layer, Workload, unroll, windows

Reals = NDArray[np.float64]
Products = Callable[[Layer, Ints], NDArray[np.int64]]
Values = dict[str, NDArray[np.int64] | Reals]


def infer(workload: Workload, image: Ints, *, shifts: bool = False) -> Values:
    """Outputs of every layer for one image of integer pixels (C, H, W): levels, int64; those that the network returns
    and no layer reads are real.

    shifts: no multiplication by a scale anywhere: every scale is a power of two, and integers are added and shifted
    (Huai et al., DATE 2023); real outputs are then whole numbers in the finest of their filters' units.

    Raises:
        InputError: the workload stores no scales (it was never trained); `shifts` and one is no power of two.
    """
    return inferred(workload, [image], shifts=shifts)[0]


def inferred(workload: Workload, images: Sequence[Ints], *, shifts: bool = False,
             products: Products | None = None) -> list[Values]:
    """`infer` of several images, layer by layer. products: sums [windows, filters] of a layer for the input vectors of
    all images, instead of matrix products."""
    found: list[Values] = [{} for _ in images]
    scaled = _shifted if shifts else _scaled
    for layer in workload.layers:
        if layer.op == "input":
            for values, image in zip(found, images, strict=True):
                values[layer.name] = image.astype(np.int64)
            continue
        inputs: list[list[Any]] = [[np.asarray(values[name]) for name in layer.inputs] for values in found]
        if layer.compute:
            vectors = np.concatenate([unroll(x, layer) for x, in inputs])
            sums = np.split((products or _products)(layer, vectors), len(images))
            terms = [[part.T.reshape(layer.out_shape)] for part in sums]
        else:
            terms = [_terms(layer, each) for each in inputs]
        for values, each in zip(found, terms, strict=True):
            values[layer.name] = _out(layer, each, scaled, layer.name in workload.real)
    return found


def _out(layer: Layer, terms: list[NDArray[np.int64]], scaled: Any, last: bool) -> NDArray[np.int64] | Reals:
    if layer.op in VIEWS or layer.op == "maxpool":
        return terms[0]
    if layer.scale is None:
        raise InputError(f"layer {layer.name} stores no scale; only a trained workload can be computed")
    out: NDArray[np.int64] | Reals = scaled(layer, layer.scale, terms, last)
    return out


def multiplies(layer: Layer) -> bool:
    """Whether a multiplier must scale what the layer accumulates. Without stored scales the network is fixed point,
    ISAAC's, whose scaling is a shift."""
    return layer.scale is not None and (layer.op in ("mul", "norm", "resize") or _exponents(layer.scale) is None)


def products_per_output(layer: Layer) -> int:
    """Multiplications of an output level: by a scale for each input of an addition, for the input's own otherwise; the
    product itself; a square and the root's reciprocal of what is normalized; the weights of interpolation."""
    if not multiplies(layer):
        return 0
    return {"add": 2, "mul": 2, "norm": 3, "resize": 1 + prod(layer.kernel)}.get(layer.op, 1)


def _terms(layer: Layer, inputs: list[Any]) -> list[NDArray[np.int64]]:
    """What is scaled and added up in a layer without weights."""
    x: NDArray[np.int64] = inputs[0]
    if layer.op in VIEWS:
        return [digital.viewed(layer, x[:, None])[:, 0]]
    if layer.op == "maxpool":
        return [windows(x, layer, -1 << 62).max(axis=(3, 4))]
    if layer.op == "avgpool":
        return [windows(x, layer).sum(axis=(3, 4))]
    if layer.op == "resize":
        return [resize.interpolated(layer, x)]
    if layer.op != "add":
        return inputs
    short = np.zeros_like(x)
    short[:inputs[1].shape[0]] = inputs[1]
    return [x, short]


def _scaled(layer: Layer, scale: Reals, terms: list[NDArray[np.int64]], last: bool) -> NDArray[np.int64] | Reals:
    """Real scales, one rounding."""
    if layer.compute:
        real = scale[:, None, None] * terms[0]
        if layer.bias is not None:
            real = real + layer.bias[:, None, None]
    elif layer.op in ("avgpool", "resize"):
        real = digital.per_pixel(layer) * terms[0]
    elif layer.op == "add":
        real = scale[0] * terms[0]
        for factor, term in zip(scale[1:], terms[1:], strict=True):
            real = real + factor * term
    else:
        real = digital.real(layer, [term[:, None] for term in terms])[:, 0]
    out = digital.finished(layer, real, last)
    return np.asarray(out) if last else out.astype(np.int64)


def _shifted(layer: Layer, scale: Reals, terms: list[NDArray[np.int64]], last: bool) -> NDArray[np.int64]:
    """Integers alone: sums aligned by left shifts, half a level added, one right shift."""
    pixelwise = layer.op == "avgpool" and len(scale) > 1
    if not (layer.compute or layer.op in ("add", "avgpool")) or layer.function or pixelwise:
        raise InputError(f"layer {layer.name} ({layer.function or layer.op}) needs more than additions and shifts")
    exponents = _exponents(scale)
    if exponents is None:
        raise InputError(f"layer {layer.name} has a scale that is no power of two, so shifts cannot compute it")
    down = np.maximum(-exponents, 0)
    if layer.compute:
        if last:  # filters share one unit, the finest
            down = np.full_like(down, down.max(initial=0))
        up, down = (down + exponents)[:, None, None], down[:, None, None]
        total = terms[0] << up
        if layer.bias is not None:
            bias = layer.bias[:, None, None] * np.exp2(down)
            total = total + _whole(layer, bias)
    else:
        down = down.max()
        total = terms[0] << (down + exponents[0])
        for term, exponent in zip(terms[1:], exponents[1:], strict=True):
            total = total + (term << (down + exponent))
    if last:
        return np.asarray(np.maximum(total, 0) if layer.relu else total)
    levels: NDArray[np.int64] = np.clip((total + ((1 << down) >> 1)) >> down, *layer.levels)
    return levels


def _whole(layer: Layer, bias: Reals) -> NDArray[np.int64]:
    if not np.array_equal(bias, np.rint(bias)):
        raise InputError(f"layer {layer.name} has a bias that is not a whole number of its sums' steps")
    return bias.astype(np.int64)


def _exponents(scale: Reals) -> NDArray[np.int64] | None:
    """Of exact powers of two."""
    mantissa, exponent = np.frexp(scale)
    return exponent.astype(np.int64) - 1 if (mantissa == 0.5).all() else None


def _products(layer: Layer, x: Ints) -> NDArray[np.int64]:
    """[windows, filters], through float64 matrix products, exact below 2**53."""
    matrix, out = layer.matrix.astype(np.float64), np.empty((len(x), layer.filters), np.int64)
    per = layer.filters // layer.groups
    for g in range(layer.groups):
        rows, columns = slice(g * layer.rows, (g + 1) * layer.rows), slice(g * per, (g + 1) * per)
        out[:, columns] = np.rint(x[:, rows].astype(np.float64) @ matrix[:, columns])
    return out
