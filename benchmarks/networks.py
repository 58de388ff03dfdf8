"""Public networks through import: equal to the user's model, exact on crossbars, simulated. Needs torchvision and timm.

    python -m benchmarks.networks                     # all
    python -m benchmarks.networks mobilenet_v2 unet   # some

Weights and batch norm statistics are random. Each row: largest difference of the graph's scores over their spread,
multiply-accumulates and weights counted by forward hooks and by the graph, layers exact on packed crossbars of the
first architecture, images per second on each architecture, CPU time and largest memory of the process so far.
"""

from __future__ import annotations

import itertools
import re
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

import xbarch
from xbarch.compress.importing.calibrate import Rule, calibrate
from xbarch.compress.importing.weights import round_weights
from xbarch.compress.intake.equal import answers
from xbarch.compress.intake.evaluate import returned
from xbarch.compress.intake.trace import trace_model
from xbarch.compress.quantizers.network import Network
from xbarch.compress.training import export
from xbarch.errors import CapacityError, XbarchError
from xbarch.specs.recipe import Quantization
from xbarch.workload.store import save

ARCHITECTURES = ("isaac_like", "puma_like")
_TORCHVISION = ("alexnet", "vgg16_bn", "squeezenet1_1", "mobilenet_v2", "mobilenet_v3_small", "efficientnet_b0",
                "densenet121", "googlenet", "inception_v3", "shufflenet_v2_x1_0", "mnasnet1_0", "regnet_y_400mf",
                "regnet_x_400mf", "resnet18", "resnet50", "resnext50_32x4d", "convnext_tiny")
_MAPS = ("fcn_resnet50", "deeplabv3_mobilenet_v3_large", "lraspp_mobilenet_v3_large")  # torchvision's for segmentation
_TIMM = ("resnet10t", "repvgg_a0", "tf_efficientnet_lite0")


class UNet(nn.Module):
    """Three levels; transposed convolutions on the way up, or bilinear upsampling and a 1 x 1 convolution."""

    def __init__(self, bilinear: bool = False) -> None:
        super().__init__()
        self.d1, self.d2, self.d3 = (_double(a, b) for a, b in ((3, 16), (16, 32), (32, 64)))
        self.u2, self.u1 = (nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True),
                                          nn.Conv2d(n, n // 2, 1)) if bilinear else nn.ConvTranspose2d(n, n // 2, 2, 2)
                            for n in (64, 32))
        self.c2, self.c1, self.out = _double(64, 32), _double(32, 16), nn.Conv2d(16, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a = self.d1(x)
        b = self.d2(F.max_pool2d(a, 2))
        c = self.d3(F.max_pool2d(b, 2))
        b = self.c2(torch.cat([self.u2(c), b], 1))
        found: torch.Tensor = self.out(self.c1(torch.cat([self.u1(b), a], 1)))
        return found


def _double(channels: int, filters: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(channels, filters, 3, padding=1), nn.BatchNorm2d(filters), nn.ReLU(),
                         nn.Conv2d(filters, filters, 3, padding=1), nn.BatchNorm2d(filters), nn.ReLU())


def ds_cnn() -> nn.Module:
    """MLPerf Tiny, keyword spotting: 49 x 10 features."""
    layers: list[nn.Module] = [nn.Conv2d(1, 64, (10, 4), 2, (5, 1)), nn.BatchNorm2d(64), nn.ReLU()]
    for _ in range(4):
        layers += [nn.Conv2d(64, 64, 3, 1, 1, groups=64), nn.BatchNorm2d(64), nn.ReLU(), nn.Conv2d(64, 64, 1),
                   nn.BatchNorm2d(64), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 12))


def autoencoder() -> nn.Module:
    """MLPerf Tiny, anomaly detection: 640 inputs, ten linear layers."""
    sizes = (640, 128, 128, 128, 128, 8, 128, 128, 128, 128)
    layers: list[nn.Module] = [nn.Flatten()]
    for a, b in itertools.pairwise(sizes):
        layers += [nn.Linear(a, b), nn.BatchNorm1d(b), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(128, 640))


class Residual(nn.Module):
    """Two 3 x 3 convolutions and a shortcut (He et al., CVPR 2016): where the shape changes, option A subsamples and
    adds zero channels, option B convolves."""

    def __init__(self, below: int, filters: int, stride: int, option: str) -> None:
        super().__init__()
        first = nn.Conv2d(below, filters, 3, stride, 1, bias=False)
        self.body = nn.Sequential(first, nn.BatchNorm2d(filters), nn.ReLU(),
                                  nn.Conv2d(filters, filters, 3, 1, 1, bias=False), nn.BatchNorm2d(filters))
        self.more, self.stride, self.short = filters - below, stride, nn.Sequential()
        if option == "B" and (self.more or stride > 1):
            self.short = nn.Sequential(nn.Conv2d(below, filters, 1, stride, bias=False), nn.BatchNorm2d(filters))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        short = self.short(x)
        if self.more and not len(self.short):
            short = F.pad(x[:, :, ::self.stride, ::self.stride], (0, 0, 0, 0, self.more // 2, self.more // 2))
        return F.relu(self.body(x) + short)


def resnet(blocks: int, option: str) -> nn.Module:
    """For CIFAR-10: three stages of 16, 32 and 64 filters. Of one block each with option B, that of MLPerf Tiny."""
    layers: list[nn.Module] = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    for below, filters in ((16, 16), (16, 32), (32, 64)):
        layers += [Residual(below if not n else filters, filters, 1 + (not n and filters > below), option)
                   for n in range(blocks)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def mobilenet() -> nn.Module:
    """MLPerf Tiny, visual wake words: MobileNetV1 of a quarter of the width, 96 x 96."""
    layers: list[nn.Module] = [nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU()]
    channels, same = 8, 5 * ((128, 1),)
    for filters, stride in ((16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), *same, (256, 2), (256, 1)):
        layers += [nn.Conv2d(channels, channels, 3, stride, 1, groups=channels, bias=False), nn.BatchNorm2d(channels),
                   nn.ReLU(), nn.Conv2d(channels, filters, 1, bias=False), nn.BatchNorm2d(filters), nn.ReLU()]
        channels = filters
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 2))


def lenet_tanh() -> nn.Module:
    """LeNet-5 as published: tanh."""
    return nn.Sequential(nn.Conv2d(1, 6, 5), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.Tanh(),
                         nn.AvgPool2d(2), nn.Flatten(), nn.Linear(400, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(),
                         nn.Linear(84, 10))


OWN: dict[str, tuple[Callable[[], nn.Module], tuple[int, int, int]]] = {
    "unet": (UNet, (3, 64, 64)), "unet_bilinear": (partial(UNet, True), (3, 64, 64)),
    "ds_cnn": (ds_cnn, (1, 49, 10)), "autoencoder": (autoencoder, (1, 1, 640)),
    "lenet_tanh": (lenet_tanh, (1, 32, 32)), "resnet8": (partial(resnet, 1, "B"), (3, 32, 32)),
    "resnet20_a": (partial(resnet, 3, "A"), (3, 32, 32)), "resnet20_b": (partial(resnet, 3, "B"), (3, 32, 32)),
    "mobilenet": (mobilenet, (3, 96, 96))}


def build(name: str) -> tuple[nn.Module, tuple[int, int, int]]:
    """A network with random weights and statistics, and the shape of its images."""
    torch.manual_seed(0)
    if name in OWN:
        make, shape = OWN[name]
        model = make()
    elif name in _TIMM:
        import timm

        model, shape = timm.create_model(name, pretrained=False), (3, 224, 224)
    else:
        import torchvision

        extra = {"init_weights": False} if name in ("googlenet", "inception_v3") else (
            {"weights_backbone": None} if name in _MAPS else {})
        model, shape = torchvision.models.get_model(name, weights=None, **extra), (3, 224, 224)
        shape = (3, 299, 299) if name == "inception_v3" else shape
    model = model.eval()
    settle(model, shape)
    return model, shape


@torch.no_grad()
def settle(model: nn.Module, shape: tuple[int, int, int]) -> None:
    """Batch norm with the statistics of random images, so that values neither vanish nor grow, and random factors."""
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    for m in norms:
        m.weight.uniform_(0.5, 1.5)
        m.bias.normal_(std=0.3)
        m.momentum = None
        m.reset_running_stats()
        m.train()
    model(torch.rand(2, *shape))
    model.eval()


def counted(model: nn.Module, image: torch.Tensor) -> tuple[int, int]:
    """(multiply-accumulates, weights) by forward hooks: of convolutions (transposed ones apart) and linear layers."""
    found = [0, 0]

    def hook(module: Any, given: Any, out: torch.Tensor) -> None:
        weight = module.weight
        positions = out.numel() // len(out) // weight.shape[0] if isinstance(module, nn.Linear) else out[0, 0].numel()
        found[0] += positions * weight.numel()
        found[1] += weight.numel()

    handles = [m.register_forward_hook(hook) for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    with torch.no_grad():
        model(image)
    for handle in handles:
        handle.remove()
    return found[0], found[1]


def run(name: str) -> dict[str, str]:
    """One row of the table."""
    model, shape = build(name)
    images = torch.rand(2, *shape)
    macs, weights = counted(model, images[:1])
    start = time.process_time()
    graph = trace_model(model, shape)
    with torch.no_grad():
        right, read = answers(model, images)[0], returned(graph, images)[0]
        apart = float((read - right).abs().max() / (right.max() - right.min()))
    turned = {la.name for la in graph.layers if any(n.endswith("view") for n in la.inputs)} if name == "unet" else set()
    ours = [la for la in graph.layers if la.compute and la.name not in turned]
    held = sum(graph.parameters[la.name].weight.numel() for la in ours)
    same = (sum(la.macs for la in ours), held) == (macs, weights)
    network = Network(graph, Quantization(weight_bits=8, activation_bits=8, weight_scale="lsq"))
    round_weights(network)
    calibrate(network, images, Rule())
    with tempfile.TemporaryDirectory() as folder:
        place = save(export.workload(name, network.eval(), images[:1], datapath="dense", trained_on="random images"),
                     Path(folder) / name, {})
        imported = time.process_time() - start
        row = {"network": name, "apart": f"{apart:.1e}", "MACs": f"{macs:,}", "weights": f"{weights:,}",
               "as counted": "yes" if same else "no", "import": f"{imported:.0f} s"}
        verified = list(xbarch.verify(ARCHITECTURES[0], str(place)))
        row["exact"] = f"{sum(not r['mismatches'] for r in verified)} of {len(verified)}"
        for architecture in ARCHITECTURES:
            row[architecture] = simulated(architecture, place)
    row["memory"] = f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f} GiB"
    return row


def simulated(architecture: str, place: Path) -> str:
    """Images per second on the fewest chips that hold the network, with the larger buffer that a refusal names."""
    chips, larger = 1, list[str]()
    while True:
        try:
            result = xbarch.simulate(architecture, str(place), images=2, chips=chips, overrides=larger)
        except CapacityError as error:
            remedy = re.search(r"--set (\S+)\)", str(error))
            if remedy and remedy[1] not in larger:  # with larger buffers less is spread, which may need more still
                larger = [remedy[1]]
            elif chips == 64:
                return str(error)[:100]
            else:
                chips *= 2
            continue
        return ", ".join([f"{result.throughput.images_per_second:,.0f}/s, {chips} chip{'s' * (chips > 1)}", *larger])


def main() -> None:
    torch.set_num_threads(1)
    for name in sys.argv[1:] or (*_TORCHVISION, *_MAPS, *_TIMM, *OWN):
        try:
            row = run(name)
        except XbarchError as error:
            row = {"network": name, "refused": str(error)}
        print(" | ".join(f"{key}: {value}" for key, value in row.items()), flush=True)


if __name__ == "__main__":
    main()
