"""Pooling, and means and sums over axes."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import fx

from xbarch.compress.intake.graph import Gains
from xbarch.compress.intake.reader import Reader, arguments
from xbarch.compress.intake.scaling import affine
from xbarch.compress.intake.values import Value, as_map
from xbarch.compress.intake.weighted import two
from xbarch.errors import InputError
from xbarch.workload.graph import Layer, Op


def max_pool(r: Reader, node: fx.Node) -> None:
    x, kernel, stride, padding, dilation, _ = arguments(node)
    pool(r, node, "maxpool", x, (two(kernel), two(stride or kernel), two(padding, 0), two(dilation)))


def average_pool(r: Reader, node: fx.Node) -> None:
    x, kernel, stride, padding, _, with_padding, *divisor = arguments(node)
    window = two(kernel), two(stride or kernel), two(padding, 0), (1, 1)
    if any(divisor) or (not with_padding and any(window[2])):
        raise InputError(f"average pooling {r.place(node)} must divide by the size of its kernel "
                         "(count_include_pad=True, no divisor_override)", field="model")
    pool(r, node, "avgpool", x, window)


def pool(r: Reader, node: fx.Node, op: Op, x: Any, window: tuple[tuple[int, int], ...]) -> None:
    """window: kernel, stride, padding, dilation. A size rounded up (ceil_mode) is more padding at the end."""
    value, (kernel, stride, padding, dilation) = r.value(x), window
    source = r.as_layer(value, value.front(1), node)
    shape, size = r.layers[source].out_shape, node_size(node)
    end = tuple(max(p, (o - 1) * s + d * (k - 1) + 1 - n - p) for o, s, d, k, n, p in zip(
        size[1:], stride, dilation, kernel, shape[1:], padding, strict=True))
    if op == "avgpool" and end != padding:
        raise InputError(f"average pooling {r.place(node)} rounds its size up (ceil_mode=True) and so divides by fewer "
                         "pixels at the border; only sizes that divide evenly can be mapped", field="model")
    r.put(node, Layer(name=r.new_name(node, op), op=op, inputs=(source,), in_shape=shape, out_shape=size, kernel=kernel,
                      stride=stride, padding=padding, padding_end=None if end == padding else (end[0], end[1]),
                      dilation=dilation))


def adaptive(r: Reader, node: fx.Node) -> None:
    """Adaptive pooling whose windows are all alike."""
    x, value = node.args[0], r.value(node.args[0])
    op: Op = "maxpool" if "max" in str(node.target) else "avgpool"
    index, size = value.front(1), node_size(node)
    if index.shape == size:
        r.values[node] = Value(value.layer, value.numbers, node_shape(node), value.index)
        return
    if any(n % o for n, o in zip(index.shape[1:], size[1:], strict=True)):
        raise InputError(f"adaptive pooling {r.place(node)} must divide {index.shape[1]} x {index.shape[2]} pixels "
                         f"evenly, which {size[1]} x {size[2]} does not", field="model")
    kernel = (index.shape[1] // size[1], index.shape[2] // size[2])
    pool(r, node, op, x, (kernel, kernel, (0, 0), (1, 1)))


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
