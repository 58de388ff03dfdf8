"""A model as a graph of layers with their parameters, before it is quantized."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from xbarch.workload.graph import Layer

Shape = tuple[int, int, int]


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

    def tensors(self) -> list[Tensor]:
        """Those that are present."""
        n = self.norm
        return [t for t in (self.weight, self.bias, *((n.gamma, n.beta, n.mean, n.var) if n else ())) if t is not None]


@dataclass(frozen=True)
class ModelGraph:
    """The layers of a model and their parameters."""

    layers: tuple[Layer, ...]  # in topological order, without weights
    parameters: dict[str, Parameters]  # of the convolutions and linear layers, by name


def never_negative(layer: Layer, layers: dict[str, Layer]) -> bool:
    """Whether a layer's output is never negative."""
    if layer.op == "input" or layer.relu:
        return True
    if layer.op in ("conv", "linear"):
        return False
    return all(never_negative(layers[i], layers) for i in layer.inputs)
