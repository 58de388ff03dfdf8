"""Operations with weights: convolutions, linear layers, and norms."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, fx

from xbarch.compress.intake.graph import Gains, Norm, Parameters
from xbarch.compress.intake.reader import Reader, arguments, kind
from xbarch.compress.intake.scaling import affine, scale_by
from xbarch.compress.intake.values import Positions, Value, as_map
from xbarch.errors import InputError
from xbarch.workload.graph import Layer


def convolve(r: Reader, node: fx.Node) -> None:
    """conv1d and conv2d; a convolution of one axis has height 1."""
    x, weight, bias, stride, padding, dilation, groups = arguments(node)
    value, w = r.value(x), weights(r, weight, node)
    if w.dim() == 3:
        w = w[:, :, None]
    if isinstance(padding, str):
        total = [0, 0] if padding == "valid" else [d * (k - 1) for d, k in zip(two(dilation), w.shape[2:], strict=True)]
        before, after = (total[0] // 2, total[1] // 2), (total[0] - total[0] // 2, total[1] - total[1] // 2)
    else:
        before = after = two(padding, 0)
    add_convolution(r, node, value, value.front(1), Parameters(w, tensor(r, bias), source=r.origin(weight)),
                    {"stride": two(stride), "dilation": two(dilation), "groups": int(groups)}, (before, after))


def add_convolution(r: Reader, node: fx.Node, value: Value, index: Positions, parameters: Parameters,
                    about: dict[str, Any], pads: tuple[tuple[int, int], tuple[int, int]]) -> None:
    """pads: ((top, left), (bottom, right))."""
    source, ((top, bottom), (left, right)) = r.padded_layer(value, index, node)
    begin, end = (pads[0][0] + top, pads[0][1] + left), (pads[1][0] + bottom, pads[1][1] + right)
    size = tuple(int(n) for n in node.meta["val"].shape[1:])
    name = layer_of(r, node, parameters.source.name)
    out = (size[0], *((1, size[1]) if len(size) == 2 else size[1:]))
    r.put(node, Layer(name=name, op="conv", inputs=(source,), in_shape=r.layers[source].out_shape,
                      out_shape=(out[0], out[1], out[2]),
                      kernel=(int(parameters.weight.shape[2]), int(parameters.weight.shape[3])), padding=begin,
                      padding_end=None if begin == end else end, **about))
    r.parameters[name] = parameters


def transposed(r: Reader, node: fx.Node) -> None:
    """A transposed convolution is a convolution, its kernel turned, over a map with zeros between its pixels."""
    x, weight, bias, stride, padding, extra, groups, dilation = arguments(node)
    value, w = r.value(x), weights(r, weight, node)
    if w.dim() == 3:
        w = w[:, :, None]
    (sy, sx), (py, px), (ey, ex), (dy, dx) = two(stride), two(padding, 0), two(extra, 0), two(dilation)
    places = value.places[0]
    places = places[:, None] if places.dim() == 2 else places
    channels, height, width = places.shape
    wide = torch.zeros(channels, (height - 1) * sy + 1, (width - 1) * sx + 1, dtype=torch.float64)
    wide[:, ::sy, ::sx] = places
    kh, kw = w.shape[2:]
    top, left = dy * (kh - 1) - py, dx * (kw - 1) - px
    bottom, right = top + ey, left + ex
    if min(top, left, bottom, right) < 0:  # padding beyond the kernel cuts the map
        wide = wide[:, max(0, -top):wide.shape[1] + min(0, bottom), max(0, -left):wide.shape[2] + min(0, right)]
    turn = partial(_turned, groups=int(groups))
    add_convolution(r, node, value, as_map(wide), Parameters(turn(w), tensor(r, bias),
                                                             source=r.origin(weight).then(turn)),
                    {"dilation": (dy, dx), "groups": int(groups)},
                    ((max(0, top), max(0, left)), (max(0, bottom), max(0, right))))


def _turned(weight: Tensor, groups: int) -> Tensor:
    """The kernel [C, F / groups, kh, kw] of a transposed convolution as that of the convolution [F, C / groups, kh,
    kw]."""
    wide = weight if weight.dim() == 4 else weight[:, :, None]
    (kh, kw), per = wide.shape[2:], len(wide) // groups
    return wide.flip(2, 3).reshape(groups, per, -1, kh, kw).transpose(1, 2).reshape(-1, per, kh, kw)


def linear(r: Reader, node: fx.Node) -> None:
    """Over the last axis: a linear layer; where there are other axes, a 1 x 1 convolution over them."""
    x, weight, bias = (*arguments(node), None)[:3]
    value = r.value(x)
    add_linear(r, node, value, Parameters(weights(r, weight, node), tensor(r, bias), source=r.origin(weight)))


def add_linear(r: Reader, node: fx.Node, value: Value, parameters: Parameters) -> None:
    places = value.places
    name = layer_of(r, node, parameters.source.name)
    if places[0].numel() == places.shape[-1]:  # one position
        index = places.flatten().long().numpy()[:, None, None] - 1
        source = r.as_layer(value, index, node)
        shape = r.layers[source].out_shape
        r.put(node, Layer(name=name, op="linear", inputs=(source,), in_shape=shape,
                          out_shape=(int(parameters.weight.shape[0]), 1, 1)), axis=places.dim() - 1)
    else:
        source, found = r.by_channel(value, places.dim() - 1, node)
        shape = r.layers[source].out_shape
        out = (int(parameters.weight.shape[0]), *shape[1:])
        layer = Layer(name=name, op="conv", inputs=(source,), in_shape=shape, out_shape=out)
        r.put_like(node, layer, found, places.dim() - 1)
        parameters = replace(parameters, weight=parameters.weight[:, :, None, None])
    r.parameters[name] = parameters


def product(r: Reader, node: fx.Node) -> None:
    """matmul and its like: a linear layer if the second factor is a weight matrix."""
    if str(node.target).startswith("aten.addmm"):
        bias, first, second = arguments(node)[:3]
    else:
        (first, second), bias = arguments(node)[:2], None
    matrix = r.constants.get(second)
    if matrix is None or matrix.dim() != 2:
        raise InputError(f"multiplies matrices that are both computed, as attention does, in {r.place(node)}; "
                         "crossbars hold one factor, which must be a parameter", field="model")
    add_linear(r, node, r.value(first), Parameters(matrix.T.contiguous(), tensor(r, bias),
                                                    source=r.origin(second).then(Tensor.t)))


def attention(r: Reader, node: fx.Node) -> None:
    raise InputError(f"uses attention in {r.place(node)}; crossbars hold one factor of a product, which must be a "
                     "parameter", field="model")


def batch_norm(r: Reader, node: fx.Node) -> None:
    x, gamma, beta, mean, var, _, eps = arguments(node)
    m, v = r.constants.get(mean), r.constants.get(var)
    assert m is not None and v is not None
    ones, value = torch.ones_like(m), r.value(x)
    g, b = (default if t is None else t for t, default in ((tensor(r, gamma), ones), (tensor(r, beta), 0 * ones)))
    found = r.parameters.get(value.layer)
    free = found is not None and found.norm is None and value.layer not in r.gains and r.bare(value.layer)
    if found is not None and free and r.is_sole(value.layer, {node}) \
            and r.by_channel(value, 1, node)[0] == value.layer:
        found.norm = Norm(g, b, m, v, float(eps))
        r.values[node] = value
        return
    gain = g / (v + eps).sqrt()
    affine(r, node, value, 1, Gains(gain, b - m * gain))


def group_norm(r: Reader, node: fx.Node) -> None:
    x, groups, gamma, beta, eps = arguments(node)[:5]
    value = r.value(x)
    normalize(r, node, value, 1, (int(groups), True), (tensor(r, gamma), tensor(r, beta)), float(eps))


def instance_norm(r: Reader, node: fx.Node) -> None:
    x, gamma, beta, mean, var, by_input, _, eps = arguments(node)[:8]
    value = r.value(x)
    if not by_input:
        m, v = r.constants[mean], r.constants[var]
        gain = (v + eps).rsqrt() * (1 if gamma is None else r.constants[gamma])
        affine(r, node, value, 1, Gains(gain, (0 if beta is None else r.constants[beta]) - m * gain))
        return
    normalize(r, node, value, 1, (value.shape[1], True), (tensor(r, gamma), tensor(r, beta)), float(eps))


def layer_norm(r: Reader, node: fx.Node) -> None:
    """Over the last axis: for each position. Over all axes: of the whole map."""
    x, over, gamma, beta, eps = arguments(node)[:5]
    value = r.value(x)
    g, b = tensor(r, gamma), tensor(r, beta)
    if len(over) == 1:
        normalize(r, node, value, len(value.shape) - 1, (1, False), (g, b), float(eps))
    elif len(over) == len(value.shape) - 1:
        normalize(r, node, value, 1, (1, True), (None, None), float(eps))
        if g is not None or b is not None:
            scale_by(r, node, r.value(node), torch.ones(()) if g is None else g, torch.zeros(()) if b is None else b)
    else:
        raise InputError(f"layer norm in {r.place(node)} must be over the last axis or over all", field="model")


def normalize(r: Reader, node: fx.Node, value: Value, axis: int, over: tuple[int, bool],
              scales: tuple[Tensor | None, Tensor | None], eps: float) -> None:
    """over: groups of channels, and whether over the whole map instead of each position."""
    name, found = r.by_channel(value, axis, node)
    shape = r.layers[name].out_shape
    layer = Layer(name=r.new_name(node, "norm"), op="norm", inputs=(name,), in_shape=shape, out_shape=shape,
                  kernel=shape[1:] if over[1] else (1, 1), groups=over[0], epsilon=eps)
    ones = Gains.ones(shape[0])
    r.layers[layer.name] = layer
    r.gains[layer.name] = Gains(ones.gain if scales[0] is None else scales[0],
                                ones.shift if scales[1] is None else scales[1])
    r.values[node] = Value(layer.name, found.numbers, found.shape, found.index)


def layer_of(r: Reader, node: fx.Node, weight: str) -> str:
    """The layer's name: that of the module that calls it; where it is called again, another. weight: the model's name
    of the layer's parameter."""
    own = r.module(node).lower().removeprefix("parametrized")
    named = weight.removesuffix(".weight") if weight.endswith(".weight") else ""
    path = r.path(node)
    leaf = path if path and own.startswith(("conv", "linear")) else ""
    return r.unique(leaf or named or r.new_name(node, "conv" if "conv" in kind(node) else "linear"))


def weights(r: Reader, node: Any, call: fx.Node) -> Tensor:
    found = r.constants.get(node)
    if not isinstance(found, Tensor):
        raise InputError(f"{r.place(call)} multiplies by weights that it computes from the image; crossbars hold "
                         "weights that are parameters", field="model")
    return found


def tensor(r: Reader, node: Any) -> Tensor | None:
    if node is None:
        return None
    found = r.constants.get(node)
    if not isinstance(found, Tensor):
        raise InputError(f"the operation that reads {node} needs a parameter there, not a computed value",
                         field="model")
    return found


def two(value: Any, default: int = 1) -> tuple[int, int]:
    """(vertical, horizontal) of an argument; of one axis alone, the vertical one is `default`."""
    if isinstance(value, int):
        return value, value
    items = [int(v) for v in value] or [default]
    return (default, items[0]) if len(items) == 1 else (items[0], items[1])
