"""Pooling, means and sums over axes, and bilinear interpolation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx

from xbarch.compress.intake import evaluate
from xbarch.compress.intake.graph import Gains
from xbarch.compress.intake.reader import Reader, arguments
from xbarch.compress.intake.scaling import affine
from xbarch.compress.intake.values import Positions, Value, as_map
from xbarch.compress.intake.weighted import two
from xbarch.errors import InputError
from xbarch.workload.graph import Layer, Op
from xbarch.workload.resize import kernel


def max_pool(r: Reader, node: fx.Node) -> None:
    x, kernel, stride, padding, dilation, _ = arguments(node)
    pool(r, node, "maxpool", x, (two(kernel), two(stride or kernel), two(padding, 0), two(dilation)))


def average_pool(r: Reader, node: fx.Node) -> None:
    x, kernel, stride, padding = arguments(node)[:4]
    pool(r, node, "avgpool", x, (two(kernel), two(stride or kernel), two(padding, 0), (1, 1)))


def pool(r: Reader, node: fx.Node, op: Op, x: Any, window: tuple[tuple[int, int], ...]) -> None:
    """window: kernel, stride, padding, dilation. A size rounded up (ceil_mode) is more padding at the end."""
    value, (kernel, stride, padding, dilation) = r.value(x), window
    source = r.as_layer(value, value.front(1), node)
    shape, size = r.layers[source].out_shape, node_size(node)
    end = tuple(max(p, (o - 1) * s + d * (k - 1) + 1 - n - p) for o, s, d, k, n, p in zip(
        size[1:], stride, dilation, kernel, shape[1:], padding, strict=True))
    layer = Layer(name=r.new_name(node, op), op=op, inputs=(source,), in_shape=shape, out_shape=size, kernel=kernel,
                  stride=stride, padding=padding, padding_end=None if end == padding else (end[0], end[1]),
                  dilation=dilation)
    r.put(node, layer, shape=node_shape(node))
    if op == "avgpool":
        _divide(r, layer, torch.ones(shape[1:]), _run(node, torch.ones(value.shape))[0, 0])


def _run(node: fx.Node, x: Tensor) -> Tensor:
    """The operation itself, of another map."""
    target: Any = node.target
    with torch.no_grad():
        found: Tensor = target(x, *node.args[1:], **node.kwargs)
    return found


def _divide(r: Reader, layer: Layer, ones: Tensor, means: Tensor) -> None:
    """Let an average divide by what the model divides by, where that is not the size of its kernel, as at borders.
    ones: where there are pixels; means: what the model's averages make of them."""
    ours = evaluate.digital(layer, [ones[None, None].double()], None)[0, 0].flatten()
    gain = means.double().flatten() / ours
    if not bool((gain == 1).all()):
        alike = bool((gain == gain[0]).all())
        r.gains[layer.name] = Gains(gain[:1] if alike else gain, torch.zeros(1))


def adaptive(r: Reader, node: fx.Node) -> None:
    """Adaptive pooling. Where windows differ, all get the size of the largest: an average's are filled with zeros, a
    maximum's with the window's first pixel."""
    x, value = node.args[0], r.value(node.args[0])
    op: Op = "maxpool" if "max" in str(node.target) else "avgpool"
    index, size = value.front(1), node_size(node)
    if index.shape == size:
        r.values[node] = Value(value.layer, value.numbers, node_shape(node), value.index)
        return
    if not any(n % o for n, o in zip(index.shape[1:], size[1:], strict=True)):
        kernel = (index.shape[1] // size[1], index.shape[2] // size[2])
        pool(r, node, op, x, (kernel, kernel, (0, 0), (1, 1)))
        return
    (down, inside), (across, within) = (_windows(n, o, op) for n, o in zip(index.shape[1:], size[1:], strict=True))
    there = inside[:, None] & within
    gathered = np.where(there, index[:, down[:, None], across], -1)
    source = r.as_layer(value, gathered, node)
    kernel = (len(down) // size[1], len(across) // size[2])
    layer = Layer(name=r.new_name(node, op), op=op, inputs=(source,), in_shape=r.layers[source].out_shape,
                  out_shape=size, kernel=kernel, stride=kernel)
    r.put(node, layer, shape=node_shape(node))
    if op == "avgpool":
        _divide(r, layer, torch.from_numpy(there).float(), torch.ones(size[1:]))


def _windows(size: int, out: int, op: Op) -> tuple[Positions, NDArray[np.bool_]]:
    """Pixels of all windows of an axis, one window behind the other, and which of them count: window i of `out` has
    pixels floor(i size / out) to ceil((i + 1) size / out) - 1 (PyTorch, AdaptiveAveragePooling.cpp)."""
    i = np.arange(out)
    start, stop = i * size // out, -(-(i + 1) * size // out)
    places = start[:, None] + np.arange(int((stop - start).max()))
    counts = places < stop[:, None]
    if op == "maxpool":
        places, counts = np.where(counts, places, start[:, None]), np.full_like(counts, True)
    return np.minimum(places, size - 1).ravel(), counts.ravel()


def bilinear(r: Reader, node: fx.Node) -> None:
    """Bilinear interpolation, of one axis too."""
    x, _, aligned, factors = arguments(node)
    value, size = r.value(x), node_size(node)
    source = r.as_layer(value, value.front(1), node)
    shape = r.layers[source].out_shape
    used = kernel(shape, size)
    given = [] if factors is None or aligned else [float(f) for f in factors]
    axes = zip(shape[3 - len(given):], given, size[3 - len(given):], strict=True)
    if any(n * f != o for n, f, o in axes):
        raise InputError(f"interpolates in {r.place(node)} by a factor that does not fit {shape[1]} x {shape[2]} pixels"
                         f"; give interpolate() size={size[3 - len(given):]} instead", field="model")
    if used == (1, 1) and shape == size:
        r.values[node] = value
        return
    r.put(node, Layer(name=r.new_name(node, "resize"), op="resize", inputs=(source,), in_shape=shape, out_shape=size,
                      kernel=used, aligned=bool(aligned)))


def mean(r: Reader, node: fx.Node) -> None:
    """Mean, sum or maximum over any axes but the images': pooling of a map that has these axes as its pixels."""
    value = r.value(node.args[0])
    rank = len(value.shape)
    named: Any = arguments(node)[1] if "dim" in str(node.target) else None
    axes = range(1, rank) if named in (None, []) else sorted(int(a) % rank for a in (
        named if isinstance(named, (list, tuple)) else [named]))
    if 0 in axes or named in (None, []):
        raise InputError(f"averages over the images of a batch in {r.place(node)}", field="model")
    kept = [a for a in range(1, rank) if a not in axes]
    places = value.places.permute(0, *kept, *axes)[0]
    places = places.reshape(math.prod(value.shape[a] for a in kept), *(value.shape[a] for a in axes))
    index = as_map(places)
    source = r.as_layer(value, index, node)
    shape, count = r.layers[source].out_shape, index.shape[1] * index.shape[2]
    op: Op = "maxpool" if "max" in str(node.target) else "avgpool"
    layer = Layer(name=r.new_name(node, op), op=op, inputs=(source,), in_shape=shape, out_shape=(shape[0], 1, 1),
                  kernel=shape[1:], stride=shape[1:])
    r.layers[layer.name] = layer
    r.values[node] = Value(layer.name, shape[0], node_shape(node))
    if "sum" in str(node.target):
        ones = torch.ones(shape[0])
        flat = Value(layer.name, shape[0], (1, shape[0]))
        affine(r, node, flat, 1, Gains(count * ones, 0 * ones))
        made = r.value(node)
        r.values[node] = Value(made.layer, made.numbers, node_shape(node))


def node_shape(node: fx.Node) -> tuple[int, ...]:
    found: Any = node.meta["val"]
    return tuple(int(n) for n in (found[0] if isinstance(found, (list, tuple)) else found).shape)


def node_size(node: fx.Node) -> tuple[int, int, int]:
    """(C, H, W) of a pooling operation; one axis is the width."""
    _, channels, *size = node_shape(node)
    return (channels, *((1, size[0]) if len(size) == 1 else (size[0], size[1])))
