"""The layer graph as a trainable, fake-quantized network."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from xbarch.compress.intake import Parameters, Taken, unsigned
from xbarch.compress.quant import OddSymmetric, Pact, Signed, rounded
from xbarch.errors import InputError
from xbarch.spec.recipe import Quantization
from xbarch.workload.graph import Layer


class Node(nn.Module):
    """One layer: weight under its mask, quantized; batch norm; quantizer of its output (None: passes on)."""

    mask: Tensor

    def __init__(self, layer: Layer, parameters: Parameters | None, out: nn.Module | None, spec: Quantization) -> None:
        super().__init__()
        self.layer, self.out = layer, out
        self.norm: nn.modules.batchnorm._BatchNorm | None = None
        if parameters is None:
            return
        self.weight = nn.Parameter(parameters.weight)
        self.bias = None if parameters.bias is None else nn.Parameter(parameters.bias)
        self.register_buffer("mask", torch.ones_like(parameters.weight, dtype=torch.bool))
        self.levels = OddSymmetric(spec.weight_bits, spec.weight_scale, spec.scale_factor)
        if parameters.norm is not None:
            self.norm = (nn.BatchNorm2d if layer.op == "conv" else nn.BatchNorm1d)(layer.filters, parameters.norm.eps)
            self.norm.load_state_dict({
                "weight": parameters.norm.gamma, "bias": parameters.norm.beta, "running_mean": parameters.norm.mean,
                "running_var": parameters.norm.var, "num_batches_tracked": torch.tensor(0)})

    def forward(self, *inputs: Tensor) -> Tensor:
        y = self.compute(*inputs)
        return y if self.out is None else self.out(y)

    def compute(self, *inputs: Tensor) -> Tensor:
        """The layer before its output is quantized."""
        la, x = self.layer, inputs[0]
        if la.op == "conv":
            x = F.conv2d(x, self.quantized(), self.bias, la.stride, la.padding, la.dilation, la.groups)
        elif la.op == "linear":
            x = F.linear(x.flatten(1), self.quantized(), self.bias)
        elif la.op == "maxpool":
            return F.max_pool2d(x, la.kernel, la.stride, la.padding, la.dilation)
        elif la.op == "avgpool":
            return F.avg_pool2d(x, la.kernel, la.stride, la.padding)
        elif la.op == "add":
            short = inputs[1]
            return x + F.pad(short, (0, 0, 0, 0, 0, x.shape[1] - short.shape[1]))
        elif la.op == "flatten":
            return x.flatten(1)
        return x if self.norm is None else self.norm(x)

    def quantized(self) -> Tensor:
        out: Tensor = self.levels(self.weight * self.mask)
        return out


class Image(nn.Module):
    """Pixels in [0, 1] on 2**bits levels."""

    def __init__(self, bits: int) -> None:
        super().__init__()
        self.top = (1 << bits) - 1

    @property
    def step(self) -> float:
        return 1 / self.top

    def forward(self, x: Tensor) -> Tensor:
        return rounded(x * self.top) / self.top


class Network(nn.Module):
    """Executes the graph of `Taken`. Quantizers: unsigned (PACT) behind ReLU and average pooling, signed where a
    branch goes into an addition, none behind the last layer.

    Raises:
        InputError: a layer on crossbars may see negative inputs.
    """

    def __init__(self, taken: Taken, spec: Quantization) -> None:
        super().__init__()
        self.spec, self.layers = spec, taken.layers
        by_name = {la.name: la for la in taken.layers}
        used = {name for la in taken.layers for name in la.inputs}
        for la in taken.layers:
            if la.compute and not unsigned(by_name[la.inputs[0]], by_name):
                raise InputError(f"layer {la.name} may see negative inputs (from {la.inputs[0]}), allowed inputs "
                                 "behind ReLU", field="model")
        self.nodes = nn.ModuleDict()
        for la in taken.layers:
            self.nodes[_key(la.name)] = Node(la, taken.parameters.get(la.name), self._out(la, la.name in used), spec)

    def _out(self, layer: Layer, used: bool) -> nn.Module | None:
        if layer.op == "input":
            return Image(self.spec.image_bits)
        if not used or layer.op in ("maxpool", "flatten"):
            return None
        if layer.relu or layer.op == "avgpool":
            return Pact(self.spec.activation_bits, self.spec.clip)
        return Signed(self.spec.branch_bits)

    def node(self, name: str) -> Node:
        found: Any = self.nodes[_key(name)]
        assert isinstance(found, Node)
        return found

    def compute_nodes(self) -> list[Node]:
        return [self.node(la.name) for la in self.layers if la.compute]

    def forward(self, x: Tensor, keep: dict[str, Tensor] | None = None) -> Tensor:
        """Class scores. keep: filled with every layer's (quantized) output when given."""
        last = {name: la.name for la in self.layers for name in la.inputs}
        values: dict[str, Tensor] = {}
        for la in self.layers:
            values[la.name] = self.node(la.name)(*(values[i] for i in la.inputs) if la.inputs else (x,))
            if keep is not None:
                keep[la.name] = values[la.name]
            for name in la.inputs:
                if last[name] == la.name:
                    values.pop(name, None)
        return values[self.layers[-1].name]

    def clips(self) -> Tensor:
        """Sum of squared PACT clips, for the penalty on them."""
        return torch.stack([m.alpha**2 for m in self.modules() if isinstance(m, Pact)]).sum()

    def recalibrate(self, batches: list[Tensor]) -> None:
        """Batch norm statistics afresh as plain means over `batches`: while weights move fast, the running ones
        are stale and accuracy read with them is chance."""
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
