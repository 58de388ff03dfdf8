"""A model as a graph of layers with their parameters, before it is quantized."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from xbarch.compress.intake.origin import Origin
from xbarch.workload.graph import VIEWS, Layer
from xbarch.workload.outputs import Output

Shape = tuple[int, int, int]
Call = Callable[[Tensor], Tensor]


@dataclass
class Norm:
    """Batch norm after a layer, of F filters."""

    gamma: Tensor  # [F]
    beta: Tensor  # [F]
    mean: Tensor  # running mean [F]
    var: Tensor  # running variance [F]
    eps: float


@dataclass
class Parameters:
    """What a convolution or a linear layer computes with."""

    weight: Tensor
    bias: Tensor | None = None
    norm: Norm | None = None
    source: Origin = field(default_factory=Origin)

    def tensors(self) -> list[Tensor]:
        """Those that are present."""
        n = self.norm
        return [t for t in (self.weight, self.bias, *((n.gamma, n.beta, n.mean, n.var) if n else ())) if t is not None]


@dataclass
class Gains:
    """What a layer multiplies and adds: for each channel (affine, norm), each input (add), each output pixel or all of
    them (avgpool, beyond the mean of its kernel), or each filter, behind batch norm (conv, linear)."""

    gain: Tensor
    shift: Tensor

    @classmethod
    def ones(cls, count: int) -> Gains:
        return cls(torch.ones(count), torch.zeros(count))


@dataclass(frozen=True)
class Rounds:
    """Levels that a user's network gives a layer's output: low to high times `step`, zero at zero. direct: they are
    rounded to before a table clips them."""

    step: float
    low: int
    high: int
    direct: bool = False

    @property
    def bits(self) -> int:
        return max(1, self.high.bit_length()) if self.low >= 0 else \
            1 + max(self.high.bit_length(), (-1 - self.low).bit_length())

    def clip(self, y: Tensor) -> Tensor:
        return y.clamp(self.low * self.step, self.high * self.step)


@dataclass(frozen=True)
class ModelGraph:
    """The layers of a model and their parameters. outputs: what the model returns; their steps are those of real
    numbers."""

    layers: tuple[Layer, ...]  # in topological order, without weights
    parameters: dict[str, Parameters]  # of the convolutions and linear layers, by name
    gains: dict[str, Gains] = field(default_factory=dict)
    limits: dict[str, float] = field(default_factory=dict)  # upper bounds behind ReLU
    functions: dict[str, Call] = field(default_factory=dict)  # of layers with a `function`
    outputs: tuple[Output, ...] = ()
    rounds: dict[str, Rounds] = field(default_factory=dict)  # of layers whose output the model quantizes itself

    def tensors(self, name: str) -> list[Tensor]:
        """All numbers of a layer."""
        found = self.parameters[name].tensors() if name in self.parameters else []
        return [*found, self.gains[name].gain, self.gains[name].shift] if name in self.gains else found


def never_negative(layer: Layer, layers: dict[str, Layer]) -> bool:
    """Whether a layer's output is never negative."""
    if layer.op == "input":
        return layer.signed_out is not True
    if layer.relu:
        return True
    if layer.function:
        return layer.signed_out is False
    if layer.op in (*VIEWS, "maxpool", "avgpool", "resize", "mul", "concat"):
        return all(never_negative(layers[i], layers) for i in layer.inputs)
    return layer.op == "add" and layer.signed_out is not True and all(
        never_negative(layers[i], layers) for i in layer.inputs)
