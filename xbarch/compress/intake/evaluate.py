"""The layer graph in floating point: what each layer computes, without integers."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from xbarch.compress.intake.graph import Gains, ModelGraph, Parameters
from xbarch.workload.graph import Layer
from xbarch.workload.outputs import Output


def outputs(graph: ModelGraph, images: Tensor) -> dict[str, Tensor]:
    """Values [n, C, H, W] of every layer for images of the type that the numbers shall have."""
    found: dict[str, Tensor] = {}
    for la in graph.layers:
        found[la.name] = _output(graph, la, found, images)
    return found


def returned(graph: ModelGraph, images: Tensor) -> list[Tensor]:
    """What the model returns [n, *shape] each; values of other layers are dropped once they were read."""
    last = {name: la.name for la in graph.layers for name in la.inputs}
    last |= dict.fromkeys((output.layer for output in graph.outputs), "")
    found: dict[str, Tensor] = {}
    for la in graph.layers:
        found[la.name] = _output(graph, la, found, images)
        for name in la.inputs:
            if last[name] == la.name:
                found.pop(name, None)
    return [closed(output, found[output.layer].reshape(-1, *output.shape)) for output in graph.outputs]


def closed(output: Output, values: Tensor) -> Tensor:
    """Values [n, *shape] behind the output's closing function."""
    if not output.closing:
        return values
    return (F.softmax if output.closing == "softmax" else F.log_softmax)(values, output.axis + 1)


def _output(graph: ModelGraph, layer: Layer, found: dict[str, Tensor], images: Tensor) -> Tensor:
    if layer.op == "input":
        return activated(layer, images, graph)
    given, gains = [found[name] for name in layer.inputs], graph.gains.get(layer.name)
    y = multiplied(layer, graph.parameters[layer.name], given[0], gains) if layer.compute else \
        digital(layer, given, gains)
    return activated(layer, y, graph)


def multiplied(layer: Layer, parameters: Parameters, x: Tensor, gains: Gains | None) -> Tensor:
    """A convolution or linear layer with its bias, batch norm and what was folded into it."""
    weight = parameters.weight.to(x.dtype)
    y = F.linear(x.flatten(1), weight)[:, :, None, None] if layer.op == "linear" else \
        convolved(layer, x, weight.reshape(*weight.shape[:2], *layer.kernel))

    def wide(t: Tensor) -> Tensor:
        return t.to(x.dtype)[:, None, None]

    if parameters.bias is not None:
        y = y + wide(parameters.bias)
    if (n := parameters.norm) is not None:
        y = (y - wide(n.mean)) / (wide(n.var) + n.eps).sqrt() * wide(n.gamma) + wide(n.beta)
    return y if gains is None else y * wide(gains.gain) + wide(gains.shift)


def convolved(layer: Layer, x: Tensor, weight: Tensor) -> Tensor:
    """A convolution without bias, padded on four sides."""
    padding = layer.padding
    if layer.padding_end is not None:
        x, padding = padded(layer, x), (0, 0)
    return F.conv2d(x, weight, None, layer.stride, padding, layer.dilation, layer.groups)


def padded(layer: Layer, x: Tensor, fill: float = 0.0) -> Tensor:
    rows, columns = layer.pads
    return F.pad(x, (*columns, *rows), value=fill)


def digital(layer: Layer, inputs: list[Tensor], gains: Gains | None, divisor: int = 0) -> Tensor:
    """A layer without weights, of maps [n, C, H, W], before its ReLU or function. divisor: of average pooling; 0: the
    pixels of its window."""
    x, op = inputs[0], layer.op
    if op == "maxpool":
        return F.max_pool2d(padded(layer, x, -torch.inf), layer.kernel, layer.stride, 0, layer.dilation)
    if op == "avgpool":
        mean = F.avg_pool2d(padded(layer, x), layer.kernel, layer.stride,
                            divisor_override=divisor or layer.kernel[0] * layer.kernel[1])
        if gains is None:
            return mean
        gain = gains.gain.to(x.dtype)
        return mean * (gain if len(gain) == 1 else gain.reshape(mean.shape[2:]))
    if op == "resize":
        return F.interpolate(x, layer.out_shape[1:], mode="bilinear", align_corners=layer.aligned)
    if op == "concat":
        return torch.cat(inputs, 1)
    if op == "mul":
        return x * inputs[1]
    if op == "add":
        short = F.pad(inputs[1], (0, 0, 0, 0, 0, x.shape[1] - inputs[1].shape[1]))
        return x + short if gains is None else x * gains.gain[0].to(x.dtype) + short * gains.gain[1].to(x.dtype)
    if op in ("flatten", "view"):
        return viewed(layer, x)
    assert gains is not None
    gain, shift = (t.to(x.dtype)[:, None, None] for t in (gains.gain, gains.shift))
    return (normalized(layer, x) if op == "norm" else x) * gain + shift


def viewed(layer: Layer, x: Tensor) -> Tensor:
    """The values of x under their new names."""
    flat = x.flatten(1)
    if layer.index is not None:
        index = torch.from_numpy(layer.index).flatten()
        flat = torch.where(index < 0, 0, flat[:, index.clamp(min=0)])
    return flat.reshape(len(x), *layer.out_shape)


def normalized(layer: Layer, x: Tensor) -> Tensor:
    """Deviations from the mean over the standard deviation, of each group of channels in each window."""
    parts = x.reshape(len(x), layer.groups, -1, *x.shape[2:])
    over = (2,) if layer.kernel == (1, 1) else (2, 3, 4)
    variance, mean = torch.var_mean(parts, over, correction=0, keepdim=True)
    return ((parts - mean) / (variance + layer.epsilon).sqrt()).reshape(x.shape)


def activated(layer: Layer, y: Tensor, graph: ModelGraph) -> Tensor:
    """Behind its ReLU, clip or function, within the levels that the model gives it."""
    if layer.relu:
        y = y.clamp(0, graph.limits.get(layer.name, torch.inf))
    elif layer.function:
        y = graph.functions[layer.name](y)
    return graph.rounds[layer.name].clip(y) if layer.name in graph.rounds else y
