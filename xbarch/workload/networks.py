"""The reference networks as layer graphs, without weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from xbarch.errors import InputError
from xbarch.specs.explain import unknown
from xbarch.specs.stages import STAGES
from xbarch.workload.graph import Layer, Op

Shape = tuple[int, int, int]
Pair = tuple[int, int]


@dataclass
class Net:
    """A network while it is written down: every method adds a node and returns its name."""

    image: Shape
    layers: list[Layer] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.layers.append(Layer(name="input", op="input", inputs=(), in_shape=self.image, out_shape=self.image))

    def shape(self, name: str) -> Shape:
        return next(la.out_shape for la in reversed(self.layers) if la.name == name)

    def conv(self, name: str, source: str, filters: int, kernel: int = 3, stride: int = 1, relu: bool = True,
             groups: int = 1) -> str:
        """Convolution padded by half its kernel."""
        return self._window("conv", name, source, filters, (kernel, stride, kernel // 2), relu, groups)

    def unpadded(self, name: str, source: str, filters: int, kernel: int | Pair, stride: int = 1,
                 relu: bool = False) -> str:
        """Convolution without padding. kernel: (height, width), or both."""
        return self._window("conv", name, source, filters, (kernel, stride, 0), relu)

    def pool(self, name: str, source: str, kernel: int | Pair = 2, stride: int | Pair = 2, padding: int = 0,
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

    def _window(self, op: Op, name: str, source: str, filters: int, window: tuple[int | Pair, int | Pair, int],
                relu: bool, groups: int = 1) -> str:
        """window: kernel, stride, padding."""
        (channels, height, width), padding = self.shape(source), window[2]
        kernel, stride = (size if isinstance(size, tuple) else (size, size) for size in window[:2])
        out = (filters, (height + 2 * padding - kernel[0]) // stride[0] + 1,
               (width + 2 * padding - kernel[1]) // stride[1] + 1)
        return self._node(Layer(name=name, op=op, inputs=(source,), in_shape=(channels, height, width), out_shape=out,
                                kernel=kernel, stride=stride, padding=(padding, padding), groups=groups, relu=relu))

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


def alexnet() -> Net:
    """AlexNet with the groups of its two GPUs, whose 61 million weights and biases are the paper's; for images of 227 x
    227, from which its 55 x 55 outputs follow (Krizhevsky et al., NIPS 2012). Its response normalization is left
    out."""
    net = Net((3, 227, 227))
    at = net.pool("pool1", net.unpadded("conv1", "input", 96, 11, 4, relu=True), 3)
    at = net.pool("pool2", net.conv("conv2", at, 256, 5, groups=2), 3)
    at = net.conv("conv4", net.conv("conv3", at, 384), 384, groups=2)
    at = net.flatten("flatten", net.pool("pool5", net.conv("conv5", at, 256, groups=2), 3))
    at = net.linear("fc7", net.linear("fc6", at, 4096, relu=True), 4096, relu=True)
    net.linear("fc8", at, 1000)
    return net


def overfeat() -> Net:
    """OverFeat's fast model, 145 million weights (Sermanet et al., ICLR 2014, table 1)."""
    net = Net((3, 231, 231))
    at = net.pool("pool1", net.unpadded("conv1", "input", 96, 11, 4, relu=True))
    at = net.pool("pool2", net.unpadded("conv2", at, 256, 5, relu=True))
    at = net.conv("conv5", net.conv("conv4", net.conv("conv3", at, 512), 1024), 1024)
    at = net.flatten("flatten", net.pool("pool5", at))
    net.linear("fc8", net.linear("fc7", net.linear("fc6", at, 3072, relu=True), 4096, relu=True), 1000)
    return net


def keyword_dnn() -> Net:
    """Three layers of 128 units on 41 frames of 40 log-mel energies, for two words and whatever is neither (Chen et
    al., ICASSP 2014)."""
    net = Net((1, 41, 40))
    at = net.flatten("flatten", "input")
    for name in ("fc1", "fc2", "fc3"):
        at = net.linear(name, at, 128, relu=True)
    net.linear("fc4", at, 3)
    return net


def keyword_cnn() -> Net:
    """cnn-trad-fpool3: 32 frames of 40 log-mel energies, pooling by 3 along the frequency, 244 thousand weights
    (Sainath and Parada, Interspeech 2015, table 1)."""
    net = Net((1, 32, 40))
    at = net.pool("pool1", net.unpadded("conv1", "input", 64, (20, 8), relu=True), (1, 3), (1, 3))
    at = net.linear("linear", net.flatten("flatten", net.unpadded("conv2", at, 64, (10, 4), relu=True)), 32)
    net.linear("fc2", net.linear("fc1", at, 128, relu=True), 4)
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


BLOCKS = {"resnet20": 3, "resnet56": 9}  # in each of their stages


def cifar_resnet(blocks: int, filters: Mapping[str, int] = STAGES, kernels: Mapping[str, int] = {}) -> Net:
    """6 * blocks + 2 layers of 16, 32, 64 filters; shortcuts without weights, subsampled and padded with zero
    channels, option A (He et al., CVPR 2016, section 4.2). filters: of each stage, those of the first also of the first
    layer. kernels: height and width of a stage's kernels, where they are not 3."""
    net, widths = Net((3, 32, 32)), {**STAGES, **filters}
    at = net.conv("conv1", "input", widths["layer1"])
    for stage, (place, width) in enumerate(widths.items(), 1):
        size = kernels.get(place, 3)
        for i in range(blocks):
            name, stride = f"layer{stage}.{i}", 2 if stage > 1 and i == 0 else 1
            short = net.pool(f"{name}.shortcut", at, 1, 2) if stride == 2 else at
            first = net.conv(f"{name}.conv1", at, width, size, stride)
            main = net.conv(f"{name}.conv2", first, width, size, relu=False)
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
    "lenet5": lenet5, "resnet20": lambda: cifar_resnet(BLOCKS["resnet20"]),
    "resnet56": lambda: cifar_resnet(BLOCKS["resnet56"]), "vgg7": vgg7,
    "resnet18": resnet18, "vgg16": vgg16, "resnet18_imagenet": resnet18_imagenet,
    "resnet50_imagenet": resnet50_imagenet,
    "vgg11_imagenet": lambda: vgg_imagenet(1, 1, 2, 2, 2), "vgg13_imagenet": lambda: vgg_imagenet(2, 2, 2, 2, 2),
    "vgg16_imagenet": lambda: vgg_imagenet(2, 2, 3, 3, 3), "vgg19_imagenet": lambda: vgg_imagenet(2, 2, 4, 4, 4),
    "vgg16c_imagenet": lambda: vgg_imagenet(2, 2, 3, 3, 3, third=1),
    "alexnet": alexnet, "overfeat": overfeat, "keyword_dnn": keyword_dnn, "keyword_cnn": keyword_cnn,
}


def network(name: str) -> tuple[Layer, ...]:
    """Layers of a reference network, without weights.

    Raises:
        InputError: not one of `NETWORKS`.
    """
    if name not in NETWORKS:
        raise InputError(unknown("network", name, NETWORKS), field="network")
    return tuple(NETWORKS[name]().layers)
