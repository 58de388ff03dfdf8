"""Where a user's own network quantizes activations: the step and the levels of a layer's output, taken as they are.

In a PyTorch module such a place is the operation `xbarch::rounds`. It clips and does not round, so that the layer graph
can be compared with the model in real numbers; the quantized network rounds there.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, fx

from xbarch.compress.intake.graph import Gains, Rounds, never_negative
from xbarch.compress.intake.reader import Reader
from xbarch.errors import InputError
from xbarch.workload.graph import SCALED, VIEWS, Layer

_BITS = 16  # that levels may have


@torch.library.custom_op("xbarch::rounds", mutates_args=(),
                         schema="(Tensor x, float step, int low, int high) -> Tensor")
def _rounds(x: Tensor, step: float, low: int, high: int) -> Tensor:
    return x.clamp(low * step, high * step)


@_rounds.register_fake
def _(x: Tensor, step: float, low: int, high: int) -> Tensor:
    return torch.empty_like(x)


def place(x: Tensor, step: Any, zero: Any, low: int, high: int) -> Tensor:
    """`x` quantized to integers of low to high by a user's step and zero point.

    Raises:
        InputError: the step is computed, differs between channels or is not above 0.
    """
    step, zero = number(step), number(zero)
    if not 0 < step < math.inf:
        raise InputError(f"quantizes activations with the scale {step:g}, which must be above 0", field="model")
    if zero != round(zero):
        raise InputError(f"quantizes activations with the zero point {zero:g}, which must be whole", field="model")
    found: Tensor = torch.ops.xbarch.rounds(x, step, low - int(zero), high - int(zero))
    return found


def number(value: Any) -> float:
    """A scale or zero point of activations."""
    tensor = torch.as_tensor(value)
    if tensor.numel() != 1:
        raise InputError(f"quantizes activations with {tensor.numel()} scales; give them one scale for all channels, "
                         "since a word line's input goes to all filters", field="model")
    return float(tensor.reshape(()))


def rounds(r: Reader, node: fx.Node) -> None:
    """A layer takes the levels of the quantizer behind it; one that cannot, or whose numbers others read unquantized,
    is followed by a layer that does nothing else."""
    x, step, low, high = node.args
    value, wanted = r.value(x), Rounds(float(step), int(low), int(high))
    target, readers = value.layer, {node}
    while target not in r.rounds and r.layers[target].op in ("maxpool", *VIEWS) and r.is_sole(target, readers):
        readers = r.nodes_of(target)  # rounding commutes with them
        target = r.layers[target].inputs[0]
    if target in r.rounds and _same(r, target, wanted):
        r.values[node] = value
        return
    able = r.layers[target].op in (*SCALED, "input") and target not in r.rounds
    if not (able and r.is_sole(target, readers)):
        name, value = r.by_channel(value, 1 if len(value.shape) > 1 else 0, node)
        shape = r.layers[name].out_shape
        target = r.new_name(node, "quantized")
        r.layers[target] = Layer(name=target, op="affine", inputs=(name,), in_shape=shape, out_shape=shape)
        r.gains[target] = Gains.ones(shape[0])
        value = replace(value, layer=target)
    _take(r, target, wanted)
    r.values[node] = value


def _same(r: Reader, name: str, wanted: Rounds) -> bool:
    """Whether a layer's levels stay as they are in another quantizer."""
    known = r.rounds[name]
    return known.step == wanted.step and known.low >= wanted.low and known.high <= wanted.high


def _take(r: Reader, name: str, wanted: Rounds) -> None:
    layer, limit = r.layers[name], r.limits.get(name, math.inf)
    low, high = wanted.low, wanted.high
    if never_negative(layer, r.layers):
        low = max(low, 0)
    elif low >= 0 and layer.op == "input":
        layer = replace(layer, signed_out=None)
    elif low >= 0 and not layer.function:
        layer = replace(layer, relu=True)
    r.layers[name], r.rounds[name] = layer, replace(wanted, low=low, high=high)
    if layer.function:
        r.layers[name] = replace(layer, signed_out=low < 0)
    elif layer.op != "input" and (limit < high * wanted.step or not _natural(low, high)):
        r.clip_by_table(name)
    if r.rounds[name].bits > _BITS:
        raise InputError(f"quantizes activations to integers of {low} to {high} around zero; xbarch takes up to "
                         f"{_BITS} bits", field="model")


def _natural(low: int, high: int) -> bool:
    """Whether these are all levels of a number of bits."""
    return low in (0, -high) and high > 0 and high & high + 1 == 0
