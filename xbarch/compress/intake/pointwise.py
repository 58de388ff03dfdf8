"""Functions of single numbers, additions and products."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor, fx

from xbarch.compress.intake.graph import Gains
from xbarch.compress.intake.reader import Reader, arguments, kind
from xbarch.compress.intake.scaling import scale_by
from xbarch.compress.intake.values import Positions, Value, is_plain
from xbarch.errors import InputError
from xbarch.workload.graph import Layer


@cache
def grid() -> Tensor:
    """Numbers on which a function is tried: dense near zero, sparse far from it."""
    return torch.cat([torch.linspace(-32, 32, 65537, dtype=torch.float64),
                      *(sign * torch.logspace(1, 4, 400, dtype=torch.float64) for sign in (1, -1))])


def relu(r: Reader, node: fx.Node) -> None:
    value = r.value(node.args[0])
    if r.never_negative(value):
        r.values[node] = value
    else:
        r.activate(node, value)


def clip(r: Reader, node: fx.Node) -> None:
    """relu6, hardtanh and clamp: a clip at zero is ReLU, with an upper bound if there is one."""
    low: Any
    high: Any
    low, high = (0.0, 6.0) if kind(node) == "relu6" else (*arguments(node)[1:3], None)[:2]
    if any(isinstance(bound, fx.Node) for bound in (low, high)) or kind(node) == "clamp_max" or low != 0 or (
            high is not None and high <= 0):
        pointwise(r, node)
    elif high is None or high == math.inf:
        relu(r, node)
    else:
        r.activate(node, r.value(node.args[0]), float(high))


def pointwise(r: Reader, node: fx.Node) -> None:
    """Any other function of one computed number and constants: a table."""
    computed = [n for n in node.all_input_nodes if n not in r.constants]
    extra = [n for n in node.all_input_nodes if n in r.constants and r.constants[n].numel() > 1]
    if len(computed) != 1 or extra or (node.target is torch.ops.aten.pow.Scalar and node.args[0] == 0):
        raise InputError(f"uses {r.user_words(node)} of more than one computed value; additions and products have a "
                         "place on crossbar accelerators", field="model")
    target: Any = node.target
    given = computed[0]

    def call(x: Tensor) -> Tensor:
        def chosen(n: fx.Node) -> Any:
            return x if n is given else r.constants[n].to(x.dtype).reshape(())
        found: Tensor = target(*fx.node.map_arg(node.args, chosen), **fx.node.map_arg(node.kwargs, chosen))
        return found.to(x.dtype)

    tried = call(grid())
    r.activate(node, r.value(given), function=kind(node).strip("_"), call=call,
               positive=not bool((tried < 0).any()))


def prelu(r: Reader, node: fx.Node) -> None:
    """With one slope a function; with one for each channel, slope * x + (1 - slope) * relu(x)."""
    x, weight = node.args[:2]
    slope = r.constants.get(weight) if isinstance(weight, fx.Node) else None
    if slope is None or slope.numel() == 1:
        pointwise(r, node)
        return
    name, value = r.by_channel(r.value(x), 1, node)
    shape = r.layers[name].out_shape
    made: list[str] = []
    for word, source, gain in (("relu", name, torch.ones(shape[0])), ("behind", "", 1 - slope), ("slope", name, slope)):
        layer = Layer(name=r.new_name(node, word), op="affine", inputs=(source or made[-1],), in_shape=shape,
                      out_shape=shape, relu=word == "relu")
        r.layers[layer.name], r.gains[layer.name] = layer, Gains(gain, 0 * gain)
        made.append(layer.name)
    total = Layer(name=r.new_name(node, "add"), op="add", inputs=(made[1], made[2]), in_shape=shape, out_shape=shape)
    r.layers[total.name] = total
    r.gains[total.name] = Gains(torch.ones(2), torch.zeros(2))
    r.layers[total.name] = total
    r.values[node] = Value(total.name, value.numbers, value.shape, value.index)


def last_only(r: Reader, node: fx.Node) -> None:
    """Softmax, which keeps the order of the scores of a pixel, is left out at the end."""
    value, axis = r.value(node.args[0]), int(arguments(node)[1])
    at_end = all(user.op == "output" for user in node.users)
    axis %= max(1, len(value.shape))
    if not at_end or not axis:
        raise InputError(f"uses {r.user_words(node)} before the end, as attention does; crossbar accelerators run "
                         "softmax nowhere but behind the class scores, where it is left out", field="model")
    r.closings[node] = "softmax" if kind(node).strip("_") == "softmax" else "log_softmax", axis - 1
    r.values[node] = value


# -- of two -----------------------------------------------------------------------------------------------------

def add(r: Reader, node: fx.Node) -> None:
    """add, sub, rsub."""
    first, second, *_ = node.args
    alpha: Any = node.kwargs.get("alpha", node.args[2] if len(node.args) > 2 else 1)
    signs = {"add": (1.0, float(alpha)), "sub": (1.0, -float(alpha)), "rsub": (-float(alpha), 1.0)}[kind(node)]
    one, two = _constant(r, first), _constant(r, second)
    if one is None and two is None:
        combine(r, node, "add", signs)
    else:
        other, constant = (second, one) if two is None else (first, two)
        own, its = signs if two is not None else signs[::-1]
        assert constant is not None
        scale_by(r, node, r.value(other), torch.tensor(own), its * constant)


def multiply(r: Reader, node: fx.Node) -> None:
    first, second = node.args[:2]
    one, two = _constant(r, first), _constant(r, second)
    if one is None and two is None:
        combine(r, node, "mul", (1.0, 1.0))
    else:
        constant = one if two is None else two
        assert constant is not None
        scale_by(r, node, r.value(second if two is None else first), constant, torch.zeros(()))


def divide(r: Reader, node: fx.Node) -> None:
    constant = _constant(r, node.args[1])
    if constant is None or node.kwargs.get("rounding_mode") is not None:
        if _constant(r, node.args[0]) is not None and torch.as_tensor(_constant(r, node.args[0])).numel() == 1:
            pointwise(r, node)
            return
        raise InputError(f"divides by a computed value in {r.place(node)}; crossbar accelerators divide by constants "
                         "alone", field="model")
    scale_by(r, node, r.value(node.args[0]), 1 / constant, torch.zeros(()))


def _constant(r: Reader, given: Any) -> Tensor | None:
    """A number or a parameter; None for what is computed from the image."""
    if isinstance(given, fx.Node):
        found = r.constants.get(given)
        return None if found is None else found.to(torch.get_default_dtype())
    return torch.tensor(float(given))


def combine(r: Reader, node: fx.Node, op: Any, signs: tuple[float, float]) -> None:
    """The sum or product of two computed values, spread as PyTorch does."""
    shape = tuple(int(n) for n in node.meta["val"].shape)
    pairs = [(v if v.shape == shape else v.moved(v.places.expand(shape).clone()), sign)
             for v, sign in zip((r.value(node.args[0]), r.value(node.args[1])), signs, strict=True)]
    pairs.sort(key=lambda pair: not pair[0].whole)  # the map that all numbers of a layer fill comes first
    (base, first), (other, second) = pairs
    name = base.layer
    if not base.whole:
        name, base = r.by_channel(base, 1 if len(shape) > 1 else 0, node)
    out = r.layers[name].out_shape
    there = torch.empty(base.numbers, dtype=torch.float64)
    there[base.places.flatten().long() - 1] = other.places.flatten()
    index = there.reshape(out).long().numpy() - 1
    beside = _factor(r, other, index, op, node)
    plain = (first, second) == (1.0, 1.0)
    layer = Layer(name=r.new_name(node, op), op=op, inputs=(name, beside), in_shape=out, out_shape=out,
                  signed_out=None if plain else True)
    r.layers[layer.name] = layer
    if not plain:
        r.gains[layer.name] = Gains(torch.tensor([first, second]), torch.zeros(2))
    r.values[node] = Value(layer.name, base.numbers, base.shape, base.index)


def _factor(r: Reader, value: Value, index: Positions, op: str, node: fx.Node) -> str:
    """The layer that is the second input: as it is where its channels fit, else a view of it."""
    source = r.layers[value.layer]
    channels, own = index.shape[0], source.out_shape
    if op == "mul" and own == (channels, 1, 1) and bool((index == index[:, :1, :1]).all()) \
            and is_plain(index[:, :1, :1], own):
        return source.name
    if op == "add" and own[0] < channels and own[1:] == index.shape[1:] and is_plain(index[:own[0]], own) \
            and bool((index[own[0]:] < 0).all()):
        return source.name
    return r.as_layer(value, index, node)


HANDLERS: dict[str, Callable[[Reader, fx.Node], None]] = {
    "relu": relu, "relu6": clip, "hardtanh": clip, "clamp": clip, "clamp_min": clip, "clamp_max": clip, "prelu": prelu,
    "pointwise": pointwise, "softmax": last_only, "_softmax": last_only, "log_softmax": last_only,
    "_log_softmax": last_only, "add": add, "sub": add, "rsub": add, "mul": multiply, "div": divide,
}
