"""Reference networks in PyTorch, in floating point; quantizers come in after intake. Images are (3 or 1, 32, 32)."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from xbarch.compress.recipes import python
from xbarch.errors import InputError
from xbarch.specs.text import brief

_MOST = 2**28  # weights


class Basic(nn.Module):
    """Residual block of two 3 x 3 convolutions (He et al., CVPR 2016). `projected`: a 1 x 1 convolution where the
    shape changes (option B); otherwise subsampling and zero channels (option A)."""

    def __init__(self, channels: int, filters: int, stride: int, projected: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, filters, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(filters)
        self.conv2 = nn.Conv2d(filters, filters, 3, 1, 1, bias=False)
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

    def __init__(self, filters: tuple[int, ...], depth: int, projected: bool, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, filters[0], 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(filters[0])
        channels, self.stages = filters[0], len(filters)
        for stage, width in enumerate(filters, 1):
            blocks = []
            for i in range(depth):
                blocks.append(Basic(channels, width, 2 if stage > 1 and i == 0 else 1, projected))
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

    def __init__(self, plan: tuple[tuple[int, int], ...], hidden: tuple[int, ...], classes: int, size: int = 32,
                 channels: int = 3) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for filters, count in plan:
            for _ in range(count):
                layers += [nn.Conv2d(channels, filters, 3, 1, 1, bias=False), nn.BatchNorm2d(filters), nn.ReLU()]
                channels = filters
            layers.append(nn.MaxPool2d(2))
            size //= 2
        self.features = nn.Sequential(*layers)
        features, head = channels * size * size, list[nn.Module]()
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


def resnet18(classes: int, width: int = 64) -> nn.Module:
    """ResNet-18, CIFAR form; 11.2 million weights at width 64."""
    return ResNet((width, 2 * width, 4 * width, 8 * width), 2, True, classes)


def resnet20(classes: int, width: int = 16) -> nn.Module:
    """ResNet-20 for CIFAR-10 with shortcuts of option A (He et al., CVPR 2016, section 4.2)."""
    return ResNet((width, 2 * width, 4 * width), 3, False, classes)


def vgg7(classes: int, width: int = 128) -> nn.Module:
    """VGG-7 as NeuroSim and Meng et al. use it: 2 x w, 2 x 2w, 2 x 4w filters, 8w hidden units."""
    return VGG(((width, 2), (2 * width, 2), (4 * width, 2)), (8 * width,), classes)


def vgg16(classes: int, width: int = 64) -> nn.Module:
    """VGG-16's thirteen convolutions with one linear layer (Simonyan and Zisserman, ICLR 2015)."""
    return VGG(((width, 2), (2 * width, 2), (4 * width, 3), (8 * width, 3), (8 * width, 3)), (), classes)


def lenet5(classes: int, width: int = 1) -> nn.Module:
    """LeNet-5; `width` is the number of input channels' multiple and must be 1."""
    if width != 1:
        raise InputError(f"found {width}, allowed 1 for lenet5", field="width")
    return LeNet5(classes)


MODELS: dict[str, Callable[..., nn.Module]] = {
    "resnet18": resnet18, "resnet20": resnet20, "vgg7": vgg7, "vgg16": vgg16, "lenet5": lenet5,
}


def build(name: str, classes: int, width: int | None, seed: int) -> nn.Module:
    """A reference model by name, or a user's: "path.py:factory" or "package.module:factory".

    A factory is called without arguments and returns an `nn.Module`. Weights are drawn from `seed`.

    Raises:
        InputError: no such model, file or factory; the factory fails or returns something else.
    """
    torch.manual_seed(seed)
    if name in MODELS:
        def make() -> nn.Module:
            return MODELS[name](classes) if width is None else MODELS[name](classes, width)

        with torch.device("meta"):  # shapes alone
            lazy = nn.parameter.UninitializedParameter
            count = sum(p.numel() for p in make().parameters() if not isinstance(p, lazy))
        if count > _MOST:
            raise InputError(f"found {width}, which makes {count:,} weights of {name}, allowed {_MOST:,}",
                             field="width")
        torch.manual_seed(seed)
        return make()
    place, colon, factory = name.rpartition(":")
    if not colon:
        raise InputError(f"found {name[:60]!r}, allowed {', '.join(MODELS)}, path.py:factory or module:factory",
                         field="model")
    try:
        made = getattr(_module(place), factory)()
    except (InputError, KeyboardInterrupt):
        raise
    except BaseException as error:  # the user's code may do anything, leave the interpreter too
        raise InputError(f"{brief(name, 80)} failed{_line(error, place)} with {type(error).__name__}: "
                         f"{brief(' '.join(str(error).split()), 200)}", field="model") from None
    if not isinstance(made, nn.Module):
        raise InputError(f"{name[:80]} returned {type(made).__name__}, allowed a torch.nn.Module", field="model")
    return made


def _line(error: BaseException, place: str) -> str:
    """The last line of the user's own file that was run."""
    own = Path(str(python(place))).absolute()
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).absolute() == own]
    return f" in line {lines[-1]}" if lines else ""


def _module(place: str) -> object:
    path = python(place)
    if path is None or not place.endswith(".py"):
        return importlib.import_module(place)
    own = f"xbarch_model_{path.stem}"  # hides no module of that name, whoever imports it
    spec = importlib.util.spec_from_file_location(own, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[own] = module
    spec.loader.exec_module(module)
    return module
