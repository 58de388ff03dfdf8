"""The layer graph as a trainable, fake-quantized network."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from math import inf, log2
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from xbarch.compress.intake.evaluate import closed, convolved, digital
from xbarch.compress.intake.given import Given
from xbarch.compress.intake.graph import Call, Gains, ModelGraph, Parameters, Rounds
from xbarch.compress.intake.origin import Origin
from xbarch.compress.quantizers.levels import Fixed, Pact, Quantizer, Signed, Weights, power, rounded
from xbarch.compress.quantizers.precision import sized
from xbarch.compress.quantizers.scales import FullScales
from xbarch.datapaths.tools.ties import averaged
from xbarch.specs.recipe import Quantization
from xbarch.workload.graph import VIEWS, Layer


class ShiftNorm(nn.BatchNorm2d):
    """Batch norm whose gain gamma / sigma is a power of two, so that hardware shifts instead of multiplying. This class
    is for training; `Node.folded` gives the resulting gain and shift."""

    def forward(self, x: Tensor) -> Tensor:
        assert self.running_mean is not None and self.running_var is not None
        factor = self.momentum
        if factor is None:
            assert self.num_batches_tracked is not None
            self.num_batches_tracked.add_(1)
            factor = 1 / float(self.num_batches_tracked)
        sigma = (x.detach().transpose(0, 1).flatten(1).var(dim=1, correction=0) + self.eps).sqrt()
        gamma = _gain(self.weight, sigma) * sigma
        return F.batch_norm(x, self.running_mean, self.running_var, gamma, self.bias, True, factor, self.eps)


def _gain(gamma: Tensor, sigma: Tensor) -> Tensor:
    """Signed power of two nearest to gamma / sigma; the gradient is that without rounding."""
    size = (gamma.abs() / sigma).clamp(min=2.0**-16)
    return torch.where(gamma < 0, -1.0, 1.0) * power(size)


class Node(nn.Module):
    """One layer: masked and quantized weight; batch norm; quantizer of its output (None: the output is passed on as it
    is). With a `function`, what the layer computes is quantized before it too (`inner`), as a table reads levels.

    source: gives the step of its input's levels, needed when a chain of powers of two must round biases as the integer
    network does.
    """

    mask: Tensor
    ties: NDArray[np.int64] | None = None  # weights of one number stay equal; -1: free (`Projection.ties`)
    own: Tensor | None  # the mask that came in: what it removes stays removed, whatever is pruned later
    given: Given | None = None  # what a checkpoint says of the weight beyond its values
    weight_source = Origin()  # the model's parameter that is the weight
    devices: Callable[[Node, Tensor], Tensor] | None = None  # what computes the sums in place of exact products

    def __init__(self, layer: Layer, parameters: Parameters | None, out: Quantizer | Image | None, spec: Quantization,
                 source: Callable[[], Tensor]) -> None:
        super().__init__()
        self.layer, self.out, self.source, self.chain = layer, out, source, spec.chain == "power_of_two"
        self.norm: nn.modules.batchnorm._BatchNorm | None = None
        self.function: Call | None = None
        self.inner: Signed | Fixed | None = None
        self.gains: Gains | None = None
        self.scales: FullScales | None = None  # of the converters, where `devices` learns them
        self.register_buffer("own", None, persistent=False)
        if parameters is None:
            return
        self.weight, self.weight_source = nn.Parameter(parameters.weight), parameters.source
        self.bias = None if parameters.bias is None else nn.Parameter(parameters.bias)
        self.register_buffer("mask", torch.ones_like(parameters.weight, dtype=torch.bool))
        self.levels = Weights(spec.weight_bits, spec.weight_scale, spec.scale_factor, self.chain, self.weight,
                              spec.weight_step == "filter")
        if parameters.norm is not None:
            kind = ShiftNorm if self.chain else nn.BatchNorm2d if layer.op == "conv" else nn.BatchNorm1d
            self.norm = kind(layer.filters, parameters.norm.eps)
            self.norm.load_state_dict({
                "weight": parameters.norm.gamma, "bias": parameters.norm.beta, "running_mean": parameters.norm.mean,
                "running_var": parameters.norm.var, "num_batches_tracked": torch.tensor(0)})

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.levelled(self.compute(*inputs))

    def compute(self, *inputs: Tensor) -> Tensor:
        """The layer before its function and before its output is quantized."""
        la, x = self.layer, inputs[0]
        if la.compute:
            return self.biased(self.sums(x))
        if la.op == "flatten":
            return x.flatten(1)
        return x if la.op == "input" else digital(la, list(inputs), self.gains, self.divisor)

    def levelled(self, y: Tensor) -> Tensor:
        """What the layer computed, through its function and its quantizers."""
        if self.function is not None:
            assert self.inner is not None
            y = self.function(self.inner(y))
        if self.out is None:
            return y.relu() if self.layer.relu else y
        return self.out(y)

    def add_function(self, call: Call, bits: int, given: Rounds | None) -> None:
        """given: levels that are rounded to before the function clips them."""
        top = (1 << bits - 1) - 1
        self.function, self.inner = call, Signed(bits) if given is None else Fixed(given.step, -top, top)

    def add_gains(self, gains: Gains) -> None:
        """Factors and summands of channels are trained; those of an addition and of pooling are fixed."""
        if self.layer.op not in ("add", "avgpool"):
            gains = Gains(nn.Parameter(gains.gain.clone()), nn.Parameter(gains.shift.clone()))
            self.register_parameter("gain", gains.gain)
            self.register_parameter("shift", gains.shift)
        self.gains = gains

    @property
    def divisor(self) -> int:
        """Divisor of average pooling; a chain takes the nearest power of two, and later weights learn to compensate."""
        window = self.layer.kernel[0] * self.layer.kernel[1]
        return 1 << round(log2(window)) if self.chain else window

    def sums(self, x: Tensor) -> Tensor:
        """Products with the quantized weights, or what devices make of them."""
        return self.products(x, self.quantized()) if self.devices is None else self.devices(self, x)

    def products(self, x: Tensor, weight: Tensor) -> Tensor:
        """Products with weights in the shape of the layer's."""
        return F.linear(x.flatten(1), weight) if self.layer.op == "linear" else convolved(self.layer, x, weight)

    def biased(self, y: Tensor) -> Tensor:
        """Bias and batch norm; in evaluation, a chain rounds the bias to the step of the sums, as the integer network
        does."""
        if self.chain and not self.training:
            gain, shift = (t.to(y.dtype).view(-1, *(1,) * (y.dim() - 2)) for t in self.folded())
            return y * gain + shift
        if self.bias is not None:
            y = y + self.bias.view(-1, *(1,) * (y.dim() - 2))
        y = y if self.norm is None else self.norm(y)
        if self.gains is None:
            return y
        gain, shift = (t.view(-1, *(1,) * (y.dim() - 2)) for t in (self.gains.gain, self.gains.shift))
        return y * gain + shift

    def folded(self) -> tuple[Tensor, Tensor]:
        """Gain and shift [F], float64, of bias and running batch norm statistics."""
        shift = self.weight.new_zeros(self.layer.filters) if self.bias is None else self.bias
        gain, shift = torch.ones(self.layer.filters, dtype=torch.float64, device=shift.device), shift.double()
        if self.norm is not None:
            n = self.norm
            assert n.running_var is not None and n.running_mean is not None
            sigma = (n.running_var.double() + n.eps).sqrt()
            gain = _gain(n.weight.double(), sigma) if self.chain else n.weight.double() / sigma
            shift = (shift - n.running_mean.double()) * gain + n.bias.double()
        if self.gains is not None:
            gain, shift = (t.double() for t in (gain * self.gains.gain, shift * self.gains.gain + self.gains.shift))
        if self.chain:
            unit = gain.abs() * (self.levels.step(self.weight * self.mask).flatten() * self.source()).double()
            shift = rounded(shift / unit) * unit
        return gain, shift

    @torch.no_grad()
    def remove(self, kept: Tensor) -> None:
        """Take the mask that a user's weights come with."""
        self.own = None if bool(kept.all()) else kept.clone()
        self.mask.copy_(kept)
        self.weight.mul_(kept)

    @torch.no_grad()
    def tie(self) -> None:
        """Tied weights become their mean, removed ones zero."""
        if self.ties is not None:
            means = averaged(self.weight.detach().double().cpu().numpy(), self.ties)
            self.weight.copy_(torch.from_numpy(means))
        if self.own is not None:
            self.weight.mul_(self.own)

    def stored(self) -> Layer:
        """The layer with its integer weights and mask."""
        ints, _ = self.levels.integers(self.weight * self.mask)
        shape = tuple(ints.shape) if ints.dim() == 4 else (*ints.shape, 1, 1)
        weights, mask = ints.cpu().numpy().reshape(shape), self.mask.cpu().numpy().reshape(shape)
        return replace(self.layer, weights=lambda: weights, mask=lambda: mask)

    def quantized(self, held: Tensor | None = None) -> Tensor:
        """The weights; held: as levels that devices hold in place of theirs."""
        out: Tensor = self.levels(self.weight * self.mask, held)
        return out


class Image(nn.Module):
    """Pixels on 2**bits levels: of [0, 1] with the step 1 / (2**bits - 1), in a chain 2**-bits; of another span with
    the step that reaches its ends, and a sign where it has values below zero."""

    def __init__(self, bits: int, chain: bool, span: tuple[float, float] = (0.0, 1.0)) -> None:
        super().__init__()
        self.signed = span[0] < 0
        self.top, self.plain = (1 << bits - self.signed) - 1, span == (0.0, 1.0)
        self.step = torch.tensor(max(-span[0], span[1]) / (self.top + chain))

    def forward(self, x: Tensor) -> Tensor:
        if self.plain:
            return rounded(x * self.top) * self.step.to(x.dtype)
        step = self.step.to(x.dtype)
        return rounded(x / step).clamp(-self.top if self.signed else 0, self.top) * step


class Network(nn.Module):
    """Executes the graph of a model on images whose values lie within `span`. Quantizers: unsigned (PACT) where values
    are never negative, as after ReLU, else signed; none after the last layer.

    Raises:
        InputError: a chain of powers of two, and a layer that needs more than additions and shifts.
    """

    def __init__(self, graph: ModelGraph, spec: Quantization, span: tuple[float, float] = (0.0, 1.0)) -> None:
        super().__init__()
        self.spec, self.layers, self.span = spec, sized(graph, spec), span
        self.outputs = graph.outputs
        self.shapes = {la.name: la.out_shape for la in self.layers}
        used = {name for la in self.layers for name in la.inputs}
        self.nodes = nn.ModuleDict()
        for la in self.layers:
            given = graph.rounds.get(la.name)
            out = self._out(la, la.name in used, graph.limits.get(la.name, inf)) if given is None else \
                Fixed(given.step, given.low, given.high)
            node = self.nodes[_key(la.name)] = Node(la, graph.parameters.get(la.name), out, spec,
                                                    partial(self.step, la.inputs[0] if la.inputs else la.name))
            if la.function:
                node.add_function(graph.functions[la.name], la.inner_bits, given if given and given.direct else None)
            if la.name in graph.gains:
                node.add_gains(graph.gains[la.name])

    def _out(self, layer: Layer, used: bool, limit: float) -> Quantizer | Image | None:
        chain = self.spec.chain == "power_of_two"
        if layer.op == "input":
            return Image(self.spec.image_bits, chain, self.span)
        if layer.op == "maxpool" or layer.op in VIEWS or not (used or layer.function):
            return None
        if layer.positive:
            return Pact(layer.output_bits, self.spec.clip, chain, limit)
        return Signed(layer.output_bits, chain)

    def step(self, name: str) -> Tensor:
        """Real value of one level of a layer's output: its quantizer's step; without one, that of its input (pooling,
        flatten), or one (scores)."""
        node = self.node(name)
        if node.out is not None:
            return node.out.step
        if node.layer.op == "maxpool" or node.layer.op in VIEWS:
            return self.step(node.layer.inputs[0])
        return torch.tensor(1.0)

    def node(self, name: str) -> Node:
        found: Any = self.nodes[_key(name)]
        assert isinstance(found, Node)
        return found

    def compute_nodes(self) -> list[Node]:
        return [self.node(la.name) for la in self.layers if la.compute]

    @property
    def kind(self) -> torch.dtype:
        """Of the numbers that it computes with."""
        return self.compute_nodes()[0].weight.dtype

    def forward(self, x: Tensor, keep: dict[str, Tensor] | None = None) -> Tensor:
        """Class scores [n, classes], or maps of them: the first output before its closing function. keep: if given, it
        is filled with every layer's (quantized) output."""
        found = self.run(x, keep)[0]
        return found.flatten(1) if all(n == 1 for n in found.shape[2:]) else found

    @torch.no_grad()
    def answers(self, x: Tensor, order: bool = False) -> list[Tensor]:
        """What the model returns, of the quantized network [n, *shape]; before closing functions where nothing but the
        order of scores is asked for."""
        found = self.run(x, None)
        return found if order else [closed(output, y) for output, y in zip(self.outputs, found, strict=True)]

    def run(self, x: Tensor, keep: dict[str, Tensor] | None) -> list[Tensor]:
        """All outputs [n, *shape] before their closing functions."""
        last = {name: la.name for la in self.layers for name in la.inputs}
        last |= dict.fromkeys((output.layer for output in self.outputs), "")
        values: dict[str, Tensor] = {}
        x = x.to(self.kind)
        for la in self.layers:
            values[la.name] = self.node(la.name)(*self.given(la, values) or (x,))
            if keep is not None:
                keep[la.name] = values[la.name]
            for name in la.inputs:
                if last[name] == la.name:
                    values.pop(name, None)
        return [values[output.layer].reshape(-1, *output.shape) for output in self.outputs]

    def given(self, layer: Layer, values: dict[str, Tensor]) -> list[Tensor]:
        """A layer's inputs; maps, but for linear layers, which may read vectors."""
        found = [values[name] for name in layer.inputs]
        if layer.op in ("linear", "flatten"):
            return found
        return [x.reshape(len(x), *self.shapes[name]) for x, name in zip(found, layer.inputs, strict=True)]

    def tie(self) -> None:
        """Tied weights become equal again, removed ones zero."""
        for node in self.compute_nodes():
            node.tie()

    def clips(self) -> Tensor:
        """Sum of squared PACT clips, for the penalty on them; zero without ReLU or average pooling."""
        clips = [m.alpha**2 for m in self.modules() if isinstance(m, Pact)]
        return torch.stack(clips).sum() if clips else torch.zeros(())

    def keep_statistics(self) -> None:
        """Batch norm goes on with its running statistics in training. All images of a batch are on one draw of devices:
        statistics of the batch would take out what they have in common, which the fixed scales of a machine cannot."""
        for node in self.compute_nodes():
            if node.norm is not None:
                node.norm.eval()

    def recalibrate(self, batches: Iterable[Tensor]) -> None:
        """Recompute batch norm statistics as plain means over `batches`. While weights change fast the running
        statistics are stale, and accuracy measured with them is at chance level."""
        norms = [n.norm for n in self.compute_nodes() if n.norm is not None]
        momenta = [n.momentum for n in norms]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None
        self.train()
        with torch.no_grad():
            for batch in batches:
                self(batch)
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum


def _key(name: str) -> str:
    return name.replace(".", "/")
