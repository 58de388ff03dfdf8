"""Nine reference networks as layer graphs, and workloads made of them with seeded random weights. No torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import prod
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from xbarch.errors import InputError
from xbarch.specs.explain import unknown
from xbarch.support import cache
from xbarch.workload.graph import Ints, Layer, Named, Op, Workload

Shape = tuple[int, int, int]
_AT_ONCE = 2**16  # numbers drawn, where filters are smaller
Bits = Annotated[int, Field(ge=1, le=16)]
SignedBits = Annotated[int, Field(ge=2, le=16)]


# -- networks -------------------------------------------------------------------------------------------------

@dataclass
class Net:
    """A network while it is written down: every method adds a node and returns its name."""

    image: Shape
    layers: list[Layer] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.layers.append(Layer(name="input", op="input", inputs=(), in_shape=self.image, out_shape=self.image))

    def shape(self, name: str) -> Shape:
        return next(la.out_shape for la in reversed(self.layers) if la.name == name)

    def conv(self, name: str, source: str, filters: int, kernel: int = 3, stride: int = 1, relu: bool = True) -> str:
        """Convolution padded by half its kernel."""
        return self._window("conv", name, source, filters, (kernel, stride, kernel // 2), relu)

    def unpadded(self, name: str, source: str, filters: int, kernel: int) -> str:
        """Convolution without padding and without ReLU."""
        return self._window("conv", name, source, filters, (kernel, 1, 0), False)

    def pool(self, name: str, source: str, kernel: int = 2, stride: int = 2, padding: int = 0,
             op: Literal["maxpool", "avgpool"] = "maxpool") -> str:
        return self._window(op, name, source, self.shape(source)[0], (kernel, stride, padding), False)

    def average(self, name: str, source: str) -> str:
        """Global average pooling."""
        size = self.shape(source)[1]
        return self.pool(name, source, size, size, op="avgpool")

    def add(self, name: str, main: str, shortcut: str) -> str:
        """Residual addition, then ReLU. A shortcut of fewer channels is padded with zero channels."""
        shape = self.shape(main)
        return self._node(Layer(name=name, op="add", inputs=(main, shortcut), in_shape=shape, out_shape=shape,
                                relu=True))

    def flatten(self, name: str, source: str) -> str:
        shape = self.shape(source)
        return self._node(Layer(name=name, op="flatten", inputs=(source,), in_shape=shape,
                                out_shape=(shape[0] * shape[1] * shape[2], 1, 1)))

    def linear(self, name: str, source: str, filters: int, relu: bool = False) -> str:
        return self._node(Layer(name=name, op="linear", inputs=(source,), in_shape=self.shape(source),
                                out_shape=(filters, 1, 1), relu=relu))

    def _window(self, op: Op, name: str, source: str, filters: int, window: tuple[int, int, int], relu: bool) -> str:
        """window: kernel, stride, padding."""
        (channels, height, width), (kernel, stride, padding) = self.shape(source), window
        out = (filters, (height + 2 * padding - kernel) // stride + 1, (width + 2 * padding - kernel) // stride + 1)
        return self._node(Layer(name=name, op=op, inputs=(source,), in_shape=(channels, height, width), out_shape=out,
                                kernel=(kernel, kernel), stride=(stride, stride), padding=(padding, padding),
                                relu=relu))

    def _node(self, layer: Layer) -> str:
        self.layers.append(layer)
        return layer.name


def lenet5() -> Net:
    """Caffe's LeNet for MNIST, 20 and 50 filters, 500 hidden units (LeCun et al., Proc. IEEE 1998, enlarged)."""
    net = Net((1, 28, 28))
    at = net.pool("pool1", net.unpadded("conv1", "input", 20, 5))
    at = net.pool("pool2", net.unpadded("conv2", at, 50, 5))
    net.linear("fc2", net.linear("fc1", net.flatten("flatten", at), 500, relu=True), 10)
    return net


def vgg7() -> Net:
    """VGG-7 for CIFAR-10 as Meng et al. use it, VGG-8 as NeuroSim calls it: 2 x 128, 2 x 256, 2 x 512, 1024 hidden
    units."""
    net = Net((3, 32, 32))
    at = _convs(net, "input", ((128, 2), (256, 2), (512, 2)))
    net.linear("fc2", net.linear("fc1", net.flatten("flatten", at), 1024, relu=True), 10)
    return net


def vgg16() -> Net:
    """VGG-16's thirteen convolutions for CIFAR-10 with one linear layer (Simonyan and Zisserman, ICLR 2015)."""
    net = Net((3, 32, 32))
    at = _convs(net, "input", ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)))
    net.linear("fc", net.flatten("flatten", at), 10)
    return net


def vgg_imagenet(*convolutions: int, third: int = 3) -> Net:
    """VGG with so many convolutions before each pooling; configurations A, B, C, D and E of Simonyan and Zisserman
    (ICLR 2015, table 1) have 1 1 2 2 2, 2 2 2 2 2, 2 2 3 3 3, the same and 2 2 4 4 4. third: height and width of the
    third kernels; those of C are 1."""
    net = Net((3, 224, 224))
    plan = zip((64, 128, 256, 512, 512), convolutions, strict=True)
    at = net.flatten("flatten", _convs(net, "input", tuple(plan), third))
    at = net.linear("fc7", net.linear("fc6", at, 4096, relu=True), 4096, relu=True)
    net.linear("fc8", at, 1000)
    return net


def _convs(net: Net, at: str, plan: tuple[tuple[int, int], ...], third: int = 3) -> str:
    for stage, (filters, count) in enumerate(plan, 1):
        for i in range(1, count + 1):
            at = net.conv(f"conv{stage}_{i}", at, filters, third if i == 3 else 3)
        at = net.pool(f"pool{stage}", at)
    return at


def cifar_resnet(blocks: int) -> Net:
    """6 * blocks + 2 layers of 16, 32, 64 filters; shortcuts without weights, subsampled and padded with zero
    channels, option A (He et al., CVPR 2016, section 4.2)."""
    net = Net((3, 32, 32))
    at = net.conv("conv1", "input", 16)
    for stage, filters in enumerate((16, 32, 64), 1):
        for i in range(blocks):
            name, stride = f"layer{stage}.{i}", 2 if stage > 1 and i == 0 else 1
            short = net.pool(f"{name}.shortcut", at, 1, 2) if stride == 2 else at
            main = net.conv(f"{name}.conv2", net.conv(f"{name}.conv1", at, filters, stride=stride), filters, relu=False)
            at = net.add(f"{name}.add", main, short)
    net.linear("fc", net.flatten("flatten", net.average("avgpool", at)), 10)
    return net


def resnet18() -> Net:
    """ResNet-18 for CIFAR-10: a 3 x 3 first layer, no first pooling, 64 to 512 filters."""
    net = Net((3, 32, 32))
    return _residual(net, net.conv("conv1", "input", 64), (2, 2, 2, 2), _basic, 10)


def resnet18_imagenet() -> Net:
    """ResNet-18 (He et al., CVPR 2016, table 1)."""
    net = Net((3, 224, 224))
    return _residual(net, _stem(net), (2, 2, 2, 2), _basic, 1000)


def resnet50_imagenet() -> Net:
    """ResNet-50 with the stride in the 3 x 3 layers, as torchvision has it (He et al., CVPR 2016, table 1)."""
    net = Net((3, 224, 224))
    return _residual(net, _stem(net), (3, 4, 6, 3), _bottleneck, 1000)


def _stem(net: Net) -> str:
    return net.pool("maxpool", net.conv("conv1", "input", 64, 7, 2), 3, 2, 1)


def _residual(net: Net, at: str, depths: tuple[int, ...], block: Callable[..., str], classes: int) -> Net:
    for stage, depth in enumerate(depths):
        for i in range(depth):
            at = block(net, f"layer{stage + 1}.{i}", at, 64 << stage, 2 if stage and i == 0 else 1)
    net.linear("fc", net.flatten("flatten", net.average("avgpool", at)), classes)
    return net


def _basic(net: Net, name: str, at: str, width: int, stride: int) -> str:
    main = net.conv(f"{name}.conv2", net.conv(f"{name}.conv1", at, width, stride=stride), width, relu=False)
    return net.add(f"{name}.add", main, _shortcut(net, name, at, main, stride))


def _bottleneck(net: Net, name: str, at: str, width: int, stride: int) -> str:
    middle = net.conv(f"{name}.conv2", net.conv(f"{name}.conv1", at, width, 1), width, stride=stride)
    main = net.conv(f"{name}.conv3", middle, 4 * width, 1, relu=False)
    return net.add(f"{name}.add", main, _shortcut(net, name, at, main, stride))


def _shortcut(net: Net, name: str, at: str, main: str, stride: int) -> str:
    """The identity, or a 1 x 1 convolution where the shape changes (option B)."""
    if net.shape(at) == net.shape(main):
        return at
    return net.conv(f"{name}.downsample", at, net.shape(main)[0], 1, stride, relu=False)


NETWORKS: dict[str, Callable[[], Net]] = {
    "lenet5": lenet5, "resnet20": lambda: cifar_resnet(3), "resnet56": lambda: cifar_resnet(9), "vgg7": vgg7,
    "resnet18": resnet18, "vgg16": vgg16, "resnet18_imagenet": resnet18_imagenet,
    "resnet50_imagenet": resnet50_imagenet,
    "vgg11_imagenet": lambda: vgg_imagenet(1, 1, 2, 2, 2), "vgg13_imagenet": lambda: vgg_imagenet(2, 2, 2, 2, 2),
    "vgg16_imagenet": lambda: vgg_imagenet(2, 2, 3, 3, 3), "vgg19_imagenet": lambda: vgg_imagenet(2, 2, 4, 4, 4),
    "vgg16c_imagenet": lambda: vgg_imagenet(2, 2, 3, 3, 3, third=1),
}


def network(name: str) -> tuple[Layer, ...]:
    """Layers of a reference network, without weights.

    Raises:
        InputError: not one of `NETWORKS`.
    """
    if name not in NETWORKS:
        raise InputError(unknown("network", name, NETWORKS), field="network")
    return tuple(NETWORKS[name]().layers)


# -- synthetic workloads --------------------------------------------------------------------------------------

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
    description: str = Field("", description="one line shown in listings")

    def build(self, name: str) -> Workload:
        """The workload, under that name."""
        layers = [self._layer(layer) for layer in network(self.network)]
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
