"""Operations that only move numbers, and concatenation."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx

from xbarch.compress.intake.graph import Gains
from xbarch.compress.intake.reader import Reader, arguments, kind
from xbarch.compress.intake.scaling import affine
from xbarch.compress.intake.values import Value
from xbarch.errors import InputError
from xbarch.workload.graph import Layer

MOVES = ("view", "reshape", "_unsafe_view", "flatten", "permute", "transpose", "t", "squeeze", "unsqueeze", "slice",
         "select", "split", "split_with_sizes", "chunk", "unbind", "expand", "repeat", "repeat_interleave", "flip",
         "roll", "pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "upsample_nearest1d", "upsample_nearest2d",
         "_upsample_nearest_exact1d", "_upsample_nearest_exact2d",
         "index", "index_select", "narrow", "tile", "movedim", "swapaxes", "unflatten", "reflection_pad1d",
         "reflection_pad2d", "replication_pad1d", "replication_pad2d", "im2col", "unfold", "rot90", "as_strided_copy",
         "atleast_3d", "numpy_T", "mT", "matrix_H", "ravel", "expand_as", "view_as", "diagonal")
SAME = ("clone", "alias", "contiguous", "detach", "lift_fresh_copy", "_to_copy", "to", "identity", "positive")


def move(r: Reader, node: fx.Node) -> None:
    """Runs the operation on positions; a zero that it puts in is position 0."""
    value = r.value(node.args[0])
    target: Any = node.target

    def given(n: fx.Node) -> Any:
        return value.places if n is node.args[0] else r.constants[n]

    try:
        with torch.no_grad():
            found = target(*fx.node.map_arg(node.args, given), **fx.node.map_arg(node.kwargs, given))
    except KeyError:
        raise InputError(f"moves numbers by computed positions in {r.place(node)} ({kind(node)})",
                         field="model") from None
    r.values[node] = [value.moved(part) for part in found] if isinstance(found, (list, tuple)) else value.moved(found)


def same(r: Reader, node: fx.Node) -> None:
    r.values[node] = r.value(node.args[0])


def convert(r: Reader, node: fx.Node) -> None:
    """A copy; of another type only if that is floating point too."""
    found: Any = node.meta["val"]
    if not found.dtype.is_floating_point:
        raise InputError(f"turns values into {found.dtype} in {r.place(node)}", field="model")
    same(r, node)


def dropout(r: Reader, node: fx.Node) -> None:
    if kind(node) == "native_dropout" or arguments(node)[2]:
        raise InputError(f"dropout in {r.place(node)} stays active in evaluation mode; use nn.Dropout, or pass "
                         "training=self.training", field="model")
    same(r, node)


def item(r: Reader, node: fx.Node) -> None:
    """One of several results."""
    source: Any = node.args[0]
    found, number = r.values.get(source), node.args[1]
    if isinstance(found, list):
        assert isinstance(number, int)
        r.values[node] = found[number]
    elif number == 0:
        same(r, node)
    else:
        raise InputError(f"uses a second result of {r.user_words(source)}", field="model")


def pad(r: Reader, node: fx.Node) -> None:
    """Zeros, or numbers of the map again (reflected, repeated). Another constant is taken off the map, and added to the
    map with zeros around it."""
    given = arguments(node)
    constant = kind(node) == "constant_pad_nd" or given[2] == "constant"
    filled = float((given[2] if kind(node) == "constant_pad_nd" else given[3]) or 0) if constant else 0.0
    if not math.isfinite(filled):
        raise InputError(f"pads with {filled} in {r.place(node)}; a constant must be finite, and the padding of max "
                         "pooling is nn.MaxPool2d's own", field="model")
    if not filled:
        move(r, node)
        return
    for value, constant in ((r.value(node.args[0]), -filled), (None, filled)):
        value = value or r.value(node).moved(F.pad(r.value(node).places, list(given[1])))
        ones = torch.ones(value.shape[1])
        affine(r, node, value, 1, Gains(ones, constant * ones))


def concatenate(r: Reader, node: fx.Node) -> None:
    """cat and stack: of one layer's numbers, a movement; of several layers', a layer."""
    parts, axis = (*arguments(node), 0)[:2]
    rank = len(node.meta["val"].shape)
    axis %= rank
    known = [p for p in parts if p in r.values]
    first = r.value(known[0])
    values = [r.value(p) if p in r.values else _zeros(r, p, first, node) for p in parts]
    if kind(node) == "stack":
        values = [v.moved(v.places.unsqueeze(axis)) for v in values]
    values = [v for v in values if v.shape[axis]]
    if axis == 0:
        raise InputError(f"joins along the images of a batch in {r.place(node)}", field="model")
    if len({v.layer for v in values}) == 1:
        r.values[node] = values[0].moved(torch.cat([v.places for v in values], axis))
        return
    names = [r.as_layer(v, v.front(axis), node) for v in values]
    shapes = [r.layers[name].out_shape for name in names]
    r.put(node, Layer(name=r.new_name(node, "concat"), op="concat", inputs=tuple(names), in_shape=shapes[0],
                      out_shape=(sum(s[0] for s in shapes), *shapes[0][1:])), axis)


def _zeros(r: Reader, part: Any, beside: Value, node: fx.Node) -> Value:
    """A constant beside computed values: zeros alone have a place."""
    found = r.constants.get(part)
    if found is None or bool(found.any()):
        raise InputError(f"joins computed values with a constant that is not zero in {r.place(node)}", field="model")
    shape = tuple(found.shape)
    return Value(beside.layer, beside.numbers, shape, torch.zeros(shape, dtype=torch.float64))


def zeros_like(r: Reader, node: fx.Node) -> None:
    shape = tuple(int(n) for n in node.meta["val"].shape)
    r.constants[node] = torch.zeros(shape)
