"""Workloads made of reference networks with seeded random weights. No torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from xbarch.specs.explain import unknown
from xbarch.specs.stages import Stages, check_stages
from xbarch.support import cache
from xbarch.workload.graph import Ints, Layer, Named, Workload
from xbarch.workload.networks import BLOCKS, NETWORKS, cifar_resnet, network

Shape = tuple[int, int, int]
_AT_ONCE = 2**16  # numbers drawn, where filters are smaller
Bits = Annotated[int, Field(ge=1, le=16)]
SignedBits = Annotated[int, Field(ge=2, le=16)]


def _known(name: str) -> str:
    if name not in NETWORKS:
        raise ValueError(unknown("network", name, NETWORKS))
    return name


class GroupPruning(BaseModel):
    """Whole groups of `group_ch` input channels x kernel of one filter, the lowest L2 norms of each layer removed;
    first layer, 1 x 1 convolutions and linear layers whole (granularity of Meng et al., TCAS-II 2021)."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    method: Literal["meng"]
    group_ch: Literal[16, 8, 4] = 16
    sparsity: float = Field(ge=0, lt=1, description="share of the groups of each pruned layer that are removed")


class SyntheticRecipe(BaseModel):
    """A workload made on the fly: a reference network with seeded random weights, never trained."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    kind: Literal["synthetic"]
    network: Annotated[str, AfterValidator(_known)] = Field(
        description="one of the reference networks")
    weight_bits: SignedBits = Field(description="bits of every weight, sign included")
    input_bits: Bits = Field(description="bits of every activation")
    first_layer_bits: SignedBits | None = Field(None, description="weight bits of the first layer, if others")
    image_bits: Bits | None = Field(None, description="bits of the input image, if others")
    seed: int = Field(0, ge=0, lt=2**32)
    pruning: GroupPruning | None = None
    filters: Stages = Field({}, description="resnet20, resnet56: filters of the stages layer1, layer2, layer3, if not "
                                            "16, 32, 64; none may have fewer than the stage before it")
    kernels: Stages = Field({}, description="resnet20, resnet56: height and width of a stage's kernels, odd, if not 3")
    description: str = Field("", description="one line shown in listings")

    @model_validator(mode="after")
    def _shaped(self) -> SyntheticRecipe:
        check_stages(self.network, BLOCKS, self.filters, self.kernels)
        return self

    def _network(self) -> tuple[Layer, ...]:
        """The layers of the network without weights."""
        if not self.filters and not self.kernels:
            return network(self.network)
        return tuple(cifar_resnet(BLOCKS[self.network], self.filters, self.kernels).layers)

    def build(self, name: str) -> Workload:
        """The workload, under that name."""
        layers = [self._layer(layer) for layer in self._network()]
        first = next(i for i, layer in enumerate(layers) if layer.compute)
        layers[first] = replace(layers[first], weight_bits=self.first_layer_bits or self.weight_bits,
                                input_bits=self.image_bits or self.input_bits)
        made = [self._weighted(i, layer, i != first) if layer.compute else layer for i, layer in enumerate(layers)]
        pruning = self.pruning
        return Workload(
            name=name, layers=tuple(made), datapath=pruning.method if pruning else "dense",
            options={"group_ch": pruning.group_ch} if pruning else {},
            source=f"{self.network} with random weights, seed {self.seed}", manifest={"seed": self.seed})

    def _layer(self, layer: Layer) -> Layer:
        if layer.op == "input":
            return replace(layer, output_bits=self.image_bits or self.input_bits)
        return replace(layer, input_bits=self.input_bits, output_bits=self.input_bits, weight_bits=self.weight_bits)

    def _weighted(self, position: int, layer: Layer, prunable: bool) -> Layer:
        """The layer with its random weights, which depend on the seed and the layer's position alone."""
        group = self.pruning if prunable and layer.op == "conv" and layer.kernel != (1, 1) else None
        tensor = Tensor(layer, self.seed, position, group)
        return replace(layer, weights=Named(tensor.name, tensor.ints, tensor),
                       mask=Named(tensor.name, tensor.mask, tensor) if group else None,
                       side={"group_ch": group.group_ch} if group else {})


def synthetic(name: str, network_name: str, weight_bits: int, input_bits: int, seed: int = 0,
              pruning: GroupPruning | None = None) -> Workload:
    """A reference network with seeded random integer weights, made when they are first used.

    Weights are normal with a third of the range as deviation, rounded and clipped to the odd-symmetric levels
    -(2**(bits-1) - 1) .. 2**(bits-1) - 1. `SyntheticRecipe` has the other choices.
    """
    return SyntheticRecipe(kind="synthetic", network=network_name, weight_bits=weight_bits, input_bits=input_bits,
                           seed=seed, pruning=pruning).build(name)


@dataclass(frozen=True)
class Tensor:
    """Random weights of one layer, kept once made."""

    layer: Layer
    seed: int
    position: int
    pruning: GroupPruning | None

    def ints(self) -> Ints:
        """Integer weights (F, C/groups, kh, kw), int8 or int16, zero where pruned."""
        return self._pruned[0]

    def mask(self) -> NDArray[np.bool_]:
        """True where a weight is kept, the shape of the weights."""
        mask = self._pruned[1]
        assert mask is not None
        shape = self._shape
        wide = np.repeat(mask, self.pruning.group_ch if self.pruning else 1, axis=1)[:, :shape[1]]
        return np.broadcast_to(wide[:, :, None, None], shape)

    @property
    def masked(self) -> bool:
        return self.pruning is not None

    @cached_property
    def kept(self) -> int:
        """Unmasked weights. No weight is drawn where all groups are of one size."""
        if self.pruning is None:
            return prod(self._shape)
        if self._shape[1] % self.pruning.group_ch:
            return int(self.mask().sum())
        size = self.pruning.group_ch * self._shape[2] * self._shape[3]
        groups = prod(self._shape) // size
        return (groups - _removed(self.pruning, groups)) * size

    @cached_property
    def zeros(self) -> int:
        """Unmasked weights that are zero all the same; kept from run to run, since all have to be drawn for it."""
        name = cache.key("zeros", self.name)
        if (known := cache.get(name)) is not None:
            return int(known)
        found = self._drawn_zeros() if self.pruning is None else self.kept - int(np.count_nonzero(self.ints()))
        cache.put(name, str(found).encode())
        return found

    @property
    def name(self) -> str:
        """What its numbers depend on."""
        return f"numpy {np.__version__}: {self._shape} {self._top} {self.seed} {self.position} {self.pruning!r}"

    @property
    def _shape(self) -> tuple[int, int, int, int]:
        layer = self.layer
        return (layer.filters, layer.in_shape[0] // layer.groups, *layer.kernel)

    @property
    def _top(self) -> int:
        """The largest weight."""
        return (1 << self.layer.weight_bits - 1) - 1

    def _drawn(self) -> Iterator[NDArray[np.float32]]:
        """Normal numbers before they are rounded, some filters at a time [filters, C/groups * kh * kw]: a large layer
        is never held in floating point."""
        generator = np.random.default_rng([self.seed, self.position])
        filters, each = self._shape[0], prod(self._shape[1:])
        some = max(1, _AT_ONCE // each)
        for first in range(0, filters, some):
            yield generator.standard_normal((min(some, filters - first), each), np.float32)

    def _drawn_zeros(self) -> int:
        """How many numbers are rounded to zero."""
        scale, found = np.float32(max(self._top, 1.5) / 3), 0
        for numbers in self._drawn():
            numbers *= scale
            found += int(np.count_nonzero(np.abs(numbers, out=numbers) <= 0.5))
        return found

    @cached_property
    def _random(self) -> Ints:
        scale, top = np.float32(max(self._top, 1.5) / 3), self._top
        kind, first = np.int8 if self.layer.weight_bits <= 8 else np.int16, 0
        weights: Ints = np.empty((self._shape[0], prod(self._shape[1:])), kind)
        for numbers in self._drawn():
            numbers *= scale
            weights[first:first + len(numbers)] = np.clip(np.rint(numbers, out=numbers), -top, top, out=numbers)
            first += len(numbers)
        return weights.reshape(self._shape)

    @cached_property
    def _pruned(self) -> tuple[Ints, NDArray[np.bool_] | None]:
        """Weights, and which groups [filters, groups of channels] are kept."""
        weights = self._random
        if self.pruning is None:
            return weights, None
        starts = np.arange(0, weights.shape[1], self.pruning.group_ch)
        energy = np.add.reduceat((weights.astype(np.int32) ** 2).sum(axis=(2, 3)), starts, axis=1)
        kept = np.ones(energy.size, bool)
        kept[np.argsort(energy.ravel(), kind="stable")[:_removed(self.pruning, energy.size)]] = False
        mask = kept.reshape(energy.shape)
        wide = np.repeat(mask, self.pruning.group_ch, axis=1)[:, :weights.shape[1]]
        return weights * wide[:, :, None, None], mask


def _removed(pruning: GroupPruning, groups: int) -> int:
    return round(pruning.sparsity * groups)
