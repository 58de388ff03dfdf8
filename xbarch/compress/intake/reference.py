"""Reference networks in PyTorch, in floating point; quantizers come in after intake. Images are (3 or 1, 32, 32), or
smaller."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import zip_longest

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from xbarch.errors import InputError

Size = tuple[int, int]  # height and width of images

class Basic(nn.Module):
    """Residual block of two convolutions, 3 x 3 in He et al., CVPR 2016. `projected`: a 1 x 1 convolution where the
    shape changes (option B); otherwise subsampling and zero channels (option A)."""

    def __init__(self, channels: int, filters: int, stride: int, projected: bool, kernel: int = 3) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, filters, kernel, stride, kernel // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(filters)
        self.conv2 = nn.Conv2d(filters, filters, kernel, 1, kernel // 2, bias=False)
        self.bn2 = nn.BatchNorm2d(filters)
        self.extra = filters - channels
        self.stride = stride
        self.downsample: nn.Module | None = None
        if projected and (stride > 1 or self.extra):
            self.downsample = nn.Sequential(nn.Conv2d(channels, filters, 1, stride, bias=False),
                                            nn.BatchNorm2d(filters))

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        if self.downsample is not None:
            x = self.downsample(x)
        elif self.stride > 1 or self.extra:
            x = F.pad(F.max_pool2d(x, 1, self.stride), (0, 0, 0, 0, 0, self.extra))
        return torch.relu(out + x)


class ResNet(nn.Module):
    """CIFAR form: a 3 x 3 first layer, no first pooling, global average, one linear layer."""

    def __init__(self, filters: tuple[int, ...], depth: int, projected: bool, classes: int,
                 kernels: tuple[int, ...] = ()) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, filters[0], 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(filters[0])
        channels, self.stages = filters[0], len(filters)
        for stage, (width, kernel) in enumerate(zip_longest(filters, kernels, fillvalue=3), 1):
            blocks = []
            for i in range(depth):
                blocks.append(Basic(channels, width, 2 if stage > 1 and i == 0 else 1, projected, kernel))
                channels = width
            self.add_module(f"layer{stage}", nn.Sequential(*blocks))
        self.fc = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.bn1(self.conv1(x)))
        for stage in range(1, self.stages + 1):
            x = self.get_submodule(f"layer{stage}")(x)
        out: Tensor = self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))
        return out


class VGG(nn.Module):
    """Stages of 3 x 3 convolutions, each closed by max pooling; then linear layers. Batch norm throughout."""

    def __init__(self, plan: tuple[tuple[int, int], ...], hidden: tuple[int, ...], classes: int, size: Size,
                 channels: int = 3) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for filters, count in plan:
            for _ in range(count):
                layers += [nn.Conv2d(channels, filters, 3, 1, 1, bias=False), nn.BatchNorm2d(filters), nn.ReLU()]
                channels = filters
            layers.append(nn.MaxPool2d(2))
            size = size[0] // 2, size[1] // 2
        self.features = nn.Sequential(*layers)
        features, head = channels * size[0] * size[1], list[nn.Module]()
        for width in hidden:
            head += [nn.Linear(features, width, bias=False), nn.BatchNorm1d(width), nn.ReLU()]
            features = width
        self.classifier = nn.Sequential(*head, nn.Linear(features, classes))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.classifier(self.features(x).flatten(1))
        return out


class LeNet5(nn.Module):
    """20 and 50 filters of 5 x 5, 500 hidden units (Caffe's enlarged form of LeCun et al., Proc. IEEE 1998), with
    ReLU after every layer so that crossbars see unsigned inputs."""

    def __init__(self, classes: int = 10, channels: int = 1) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(channels, 20, 5), nn.Conv2d(20, 50, 5)
        self.fc1, self.fc2 = nn.LazyLinear(500), nn.Linear(500, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(torch.relu(self.conv1(x)), 2)
        x = F.max_pool2d(torch.relu(self.conv2(x)), 2)
        out: Tensor = self.fc2(torch.relu(self.fc1(x.flatten(1))))
        return out


class KeywordDNN(nn.Module):
    """Three hidden layers on log-mel energies (Chen et al., ICASSP 2014)."""

    def __init__(self, classes: int, width: int, size: Size) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(size[0] * size[1], width), nn.Linear(width, width)
        self.fc3, self.fc4 = nn.Linear(width, width), nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        for layer in (self.fc1, self.fc2, self.fc3):
            x = torch.relu(layer(x.flatten(1)))
        out: Tensor = self.fc4(x)
        return out


class KeywordCNN(nn.Module):
    """cnn-trad-fpool3: two convolutions over time and frequency, the first pooled by 3 along the frequency, and three
    linear layers (Sainath and Parada, Interspeech 2015, table 1)."""

    def __init__(self, classes: int, width: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, width, (20, 8)), nn.Conv2d(width, width, (10, 4))
        self.linear, self.fc1, self.fc2 = nn.LazyLinear(32), nn.Linear(32, 128), nn.Linear(128, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(torch.relu(self.conv1(x)), (1, 3))
        x = self.linear(torch.relu(self.conv2(x)).flatten(1))
        out: Tensor = self.fc2(torch.relu(self.fc1(x)))
        return out


def resnet18(classes: int, width: int = 64) -> nn.Module:
    """ResNet-18, CIFAR form; 11.2 million weights at width 64."""
    return ResNet((width, 2 * width, 4 * width, 8 * width), 2, True, classes)


def resnet20(classes: int, width: int = 16, filters: Mapping[str, int] = {},
             kernels: Mapping[str, int] = {}) -> nn.Module:
    """ResNet-20 for CIFAR-10 with shortcuts of option A (He et al., CVPR 2016, section 4.2). filters, kernels: of
    stages by name, where they are others."""
    wide = {"layer1": width, "layer2": 2 * width, "layer3": 4 * width, **filters}
    return ResNet(tuple(wide.values()), 3, False, classes, tuple(kernels.get(stage, 3) for stage in wide))


def vgg7(classes: int, width: int = 128, size: Size = (32, 32)) -> nn.Module:
    """VGG-7 as NeuroSim and Meng et al. use it: 2 x w, 2 x 2w, 2 x 4w filters, 8w hidden units."""
    return VGG(((width, 2), (2 * width, 2), (4 * width, 2)), (8 * width,), classes, size)


def vgg16(classes: int, width: int = 64, size: Size = (32, 32)) -> nn.Module:
    """VGG-16's thirteen convolutions with one linear layer (Simonyan and Zisserman, ICLR 2015)."""
    return VGG(((width, 2), (2 * width, 2), (4 * width, 3), (8 * width, 3), (8 * width, 3)), (), classes, size)


def lenet5(classes: int, width: int = 1) -> nn.Module:
    """LeNet-5, which has one width only."""
    if width != 1:
        raise InputError(f"must be 1 for lenet5, not {width}", field="width")
    return LeNet5(classes)


def keyword_dnn(classes: int, width: int = 128, size: Size = (41, 40)) -> nn.Module:
    """Keyword spotting on 41 frames of 40 energies: three layers of 128 units (Chen et al., ICASSP 2014)."""
    return KeywordDNN(classes, width, size)


def keyword_cnn(classes: int, width: int = 64) -> nn.Module:
    """cnn-trad-fpool3 (Sainath and Parada, Interspeech 2015); width: filters of both convolutions."""
    return KeywordCNN(classes, width)


SIZED = frozenset({"vgg7", "vgg16", "keyword_dnn"})  # whose linear layers depend on the images' size
MODELS: dict[str, Callable[..., nn.Module]] = {
    "resnet18": resnet18, "resnet20": resnet20, "vgg7": vgg7, "vgg16": vgg16, "lenet5": lenet5,
    "keyword_dnn": keyword_dnn, "keyword_cnn": keyword_cnn,
}
