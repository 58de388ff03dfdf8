"""Many images through the integer network at once: equal to `xbarch.workload.infer`, one array a layer.

Feature maps are [channels, images, height, width], so that input vectors are copied plane by plane and every layer is
one matrix product whose result has that order again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbarch.errors import InputError
from xbarch.workload import digital, resize
from xbarch.workload.graph import VIEWS, Ints, Layer, Workload
from xbarch.workload.outputs import returned

Maps = NDArray[np.int32]
Reals = NDArray[Any]
Sums = Callable[[Layer, Maps], Reals]
_VALUES = 2**16
SINGLE, DOUBLE = 2.0**24, 2.0**53  # below which every integer has a float32, a float64


def outputs(workload: Workload, images: Ints, sums: Sums, order: bool = False) -> list[Reals]:
    """What the network returns for images of integer pixels [n, C, H, W]: float64 [n, ...] each. order: whether nothing
    but the order of scores is asked for.

    sums: the accumulated sums of a compute layer for the feature maps that it reads, whole numbers [filters, n *
    windows] of a floating type.

    Raises:
        InputError: the workload stores no scales (it was never trained).
    """
    needed = {name: layer.name for layer in workload.layers for name in layer.inputs}  # by which layer, the last time
    needed |= dict.fromkeys((output.layer for output in workload.returned), "")
    maps: dict[str, Any] = {}
    for layer in workload.layers:
        if layer.op == "input":
            maps[layer.name] = np.ascontiguousarray(images.transpose(1, 0, 2, 3), np.int32)
            continue
        given = [maps[name] for name in layer.inputs]
        maps[layer.name] = _out(layer, given, sums, layer.name in workload.real)
        for name in layer.inputs:
            if needed[name] == layer.name:
                maps.pop(name, None)
    last = {output.layer: maps[output.layer].transpose(1, 0, 2, 3) for output in workload.returned}
    return returned(workload.returned, last, order)


def scores(workload: Workload, images: Ints, sums: Sums) -> Reals:
    """All outputs side by side, as they leave the network: float64 [n, values]."""
    return np.concatenate([found.reshape(len(images), -1) for found in outputs(workload, images, sums, True)], axis=1)


def padded(maps: NDArray[Any], layer: Layer, fill: int = 0, kind: Any = np.float32) -> NDArray[Any]:
    """Feature maps as a convolution reads them, as numbers of that type."""
    (top, bottom), (left, right) = layer.pads
    c, n, h, w = maps.shape
    if not (top or bottom or left or right):
        return maps.astype(kind)
    found = np.full((c, n, h + top + bottom, w + left + right), fill, kind)
    found[:, :, top:top + h, left:left + w] = maps
    return found


def columns(maps: NDArray[Any], layer: Layer) -> NDArray[Any]:
    """Input vectors of every window of padded maps: [groups * rows, n * windows], rows in the order of
    `Layer.matrix`."""
    c, n, _, _ = maps.shape
    if layer.op == "linear":
        return np.ascontiguousarray(maps.transpose(0, 2, 3, 1)).reshape(-1, n)
    (kh, kw), (_, oh, ow) = layer.kernel, layer.out_shape
    found = np.empty((c, kh, kw, n, oh, ow), maps.dtype)
    for i in range(kh):
        for j in range(kw):
            found[:, i, j] = _shifted(maps, layer, i, j)
    return found.reshape(c * kh * kw, -1)


def products(layer: Layer, maps: Maps) -> Reals:
    """The sums of a layer as `outputs` asks for them, by matrix products, exact: in single precision where no partial
    sum can reach 2**24."""
    vectors, filters = columns(padded(maps, layer), layer), layer.filters // layer.groups
    most = float(np.abs(layer.matrix).sum(axis=0, dtype=np.int64).max()) * ((1 << layer.input_bits) - 1)
    kind = np.float32 if most < SINGLE else np.float64
    parts = []
    for g in range(layer.groups):
        matrix = layer.matrix[:, g * filters:(g + 1) * filters].T.astype(kind)
        parts.append(matrix @ vectors[g * layer.rows:(g + 1) * layer.rows].astype(kind, copy=False))
    return np.concatenate(parts) if len(parts) > 1 else parts[0]


def _shifted(maps: NDArray[Any], layer: Layer, i: int, j: int) -> NDArray[Any]:
    """What kernel position (i, j) meets in every window."""
    (sh, sw), (dh, dw), (_, oh, ow) = layer.stride, layer.dilation, layer.out_shape
    return maps[:, :, i * dh:i * dh + sh * (oh - 1) + 1:sh, j * dw:j * dw + sw * (ow - 1) + 1:sw]


def _out(layer: Layer, given: list[Any], sums: Sums, last: bool) -> Any:
    if layer.op in VIEWS:
        return digital.viewed(layer, given[0])
    if layer.op == "maxpool":
        return _pooled(given[0], layer, -1 << 31, np.maximum)
    if layer.scale is None:
        raise InputError(f"layer {layer.name} stores no scale; only a trained workload can be computed")
    if layer.compute:
        terms = [sums(layer, given[0]).reshape(layer.filters, given[0].shape[1], *layer.out_shape[1:])]
    elif layer.op == "avgpool":
        terms = [_pooled(given[0], layer, 0, np.add)]
    elif layer.op == "resize":
        terms = [resize.interpolated(layer, given[0])]
    else:
        terms = given
    if not layer.compute or last:
        real = _real(layer, layer.scale, terms) if layer.compute or layer.op in ("avgpool", "add", "resize") \
            else digital.real(layer, given)
        out = digital.finished(layer, real, last)
        return out if last else out.astype(np.int32)
    levels = np.empty(terms[0].shape, np.int32)
    for some in _few(levels):
        levels[:, some] = digital.finished(layer, _real(layer, layer.scale, [terms[0][:, some]]), last)
    return levels


def _few(maps: Maps) -> list[slice]:
    """Images whose values stay in the cache while they are worked on."""
    each = max(1, _VALUES // (maps[:, :1].size or 1))
    return [slice(start, start + each) for start in range(0, maps.shape[1], each)]


def _real(layer: Layer, scale: Reals, terms: list[Any]) -> Any:
    """The same operations on float64 in the same order as `infer`, so that the same levels follow."""
    if layer.compute:
        real = scale[:, None, None, None] * terms[0]
        if layer.bias is not None:
            real += layer.bias[:, None, None, None]
    elif layer.op in ("avgpool", "resize"):
        real = digital.per_pixel(layer) * terms[0]
    else:
        real = scale[0] * terms[0]
        for factor, term in zip(scale[1:], terms[1:], strict=True):
            real[:len(term)] += factor * term  # a shortcut of fewer channels is padded with zeros
    return real


def _pooled(maps: Maps, layer: Layer, fill: int, join: Any) -> Any:
    """Pooling, padded with `fill`."""
    kh, kw = layer.kernel
    maps = np.pad(maps, ((0, 0), (0, 0), *layer.pads), constant_values=fill)
    found = _shifted(maps, layer, 0, 0).copy()
    for i in range(kh):
        for j in range(kw):
            if i or j:
                join(found, _shifted(maps, layer, i, j), out=found)
    return found
