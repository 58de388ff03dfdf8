"""Whether the shapes of a network's layers fit together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from xbarch.errors import InputError
from xbarch.workload import resize
from xbarch.workload.graph import Layer
from xbarch.workload.outputs import Output

MOST = 2**28  # weights of a network, values of a feature map or of stored activations
Shape = tuple[int, int, int]


def check_shapes(layer: Layer, known: Mapping[str, Layer], place: str, path: Path) -> None:
    """Refuse a layer whose shapes disagree with the layers before, `known`, or with its own window.

    place: of the layer in the file `path`, for messages.
    """

    def refuse(message: str, part: str) -> InputError:
        return InputError(message, file=path, field=f"{place}.{part}")

    if layer.name in known:
        raise refuse(f"{layer.name!r} is the name of an earlier layer", "name")
    wanted = {"input": 0, "add": 2, "mul": 2, "concat": max(2, len(layer.inputs))}.get(layer.op, 1)
    if len(layer.inputs) != wanted or (layer.op == "input") != (not known):
        raise refuse(f"a layer of op {layer.op} must have {wanted} inputs, not {len(layer.inputs)}, and the first "
                     "layer alone is of op input", "inputs")
    for position, name in enumerate(layer.inputs):
        if name not in known:
            raise refuse(f"must be earlier layers, not {name!r}", "inputs")
        if position == 0 and known[name].out_shape != layer.in_shape:
            raise refuse(f"must be {known[name].out_shape}, the output of {name}, not {layer.in_shape}", "in_shape")
    c, h, w = layer.in_shape
    window = tuple((n + sum(p) - d * (k - 1) - 1) // s + 1 for n, p, d, k, s in zip(
        (h, w), layer.pads, layer.dilation, layer.kernel, layer.stride, strict=True))
    if min(window) < 1:
        raise refuse(f"must fit in the padded input, {h} x {w} before padding, which {layer.kernel} with dilation "
                     f"{layer.dilation} does not", "kernel")
    beside = [known[name].out_shape for name in layer.inputs[1:]]
    if layer.shares and ((other := known.get(layer.shares)) is None or other.shares or not layer.compute
                         or _weighs(other) != _weighs(layer)):
        raise refuse(f"must be an earlier layer with weights of the same shape and bits, not {layer.shares!r}",
                     "shares")
    if problem := _unequal(layer, beside):
        raise refuse(problem, "inputs")
    if layer.op == "norm" and (layer.kernel not in ((1, 1), (h, w)) or not layer.epsilon or c % layer.groups):
        raise refuse(f"must be (1, 1) or {(h, w)}, with an epsilon above 0 and groups that divide {c} channels",
                     "kernel")
    if layer.op == "resize" and layer.kernel != (kernel := resize.kernel(layer.in_shape, layer.out_shape)):
        raise refuse(f"must be {kernel}, the pixels between which a resize interpolates, not {layer.kernel}", "kernel")
    same = dict.fromkeys(("input", "add", "mul", "affine", "norm"), layer.in_shape)
    out = {**same, "flatten": (c * h * w, 1, 1), "view": layer.out_shape, "resize": (c, *layer.out_shape[1:]),
           "concat": (c + sum(shape[0] for shape in beside), h, w),
           "conv": (layer.filters, *window), "maxpool": (c, *window), "avgpool": (c, *window),
           "linear": (layer.filters, 1, 1)}[layer.op]
    if out != layer.out_shape:
        raise refuse(f"must be {out}, not {layer.out_shape}", "out_shape")
    if layer.op != "norm" and (c % layer.groups or layer.filters % layer.groups):
        raise refuse(f"must divide {c} channels and {layer.filters} filters, which {layer.groups} does not", "groups")
    for part, shape in (("in_shape", layer.in_shape), ("out_shape", layer.out_shape)):
        if math.prod(shape) > MOST:
            raise refuse(f"must have at most {MOST:,} values, not {math.prod(shape):,}", part)


def check_outputs(outputs: Sequence[Output], layers: Mapping[str, Layer], path: Path) -> None:
    """Refuse outputs of layers that are not there, or of other sizes."""
    for number, output in enumerate(outputs):
        layer, place = layers.get(output.layer), f"outputs.{number}"
        if layer is None:
            raise InputError(f"must be a layer of the network, not {output.layer!r}", file=path, field=f"{place}.layer")
        if math.prod(output.shape) != math.prod(layer.out_shape):
            raise InputError(f"must hold the {math.prod(layer.out_shape):,} values of layer {output.layer}, not "
                             f"{math.prod(output.shape):,}", file=path, field=f"{place}.shape")
        if output.closing and output.axis >= len(output.shape):
            raise InputError(f"must be below {len(output.shape)}, the axes of the output, not {output.axis}", file=path,
                             field=f"{place}.axis")


def _weighs(layer: Layer) -> tuple[object, ...]:
    return layer.compute, layer.filters, layer.rows, layer.groups, layer.kernel, layer.weight_bits


def _unequal(layer: Layer, beside: list[Shape]) -> str:
    """Why the shapes of further inputs do not fit that of the first; empty if they do."""
    c, h, w = layer.in_shape
    if layer.op in ("add", "concat") and any(shape[1:] != (h, w) for shape in beside):
        return f"must be inputs of {h} x {w} pixels each"
    if layer.op == "add" and beside[0][0] > c:
        return f"must be a second summand of at most {c} channels, not {beside[0][0]}"
    if layer.op == "mul" and beside[0] not in ((c, h, w), (c, 1, 1)):
        return f"must be factors of equal shape, or a second one of shape {(c, 1, 1)}, not {beside[0]}"
    return ""
