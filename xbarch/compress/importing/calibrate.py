"""Scales without training: steps of weights, clips of activations and batch norm statistics of least squared error."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from xbarch.compress.quantizers.levels import Pact, Signed
from xbarch.compress.quantizers.network import Network, Node
from xbarch.compress.training.data import Images
from xbarch.errors import InputError

_IMAGES, _VALUES = 512, 2**26  # calibration images; values of a feature map over all of them
_SAMPLE = 2**16  # values that a scale is fitted on


def draw_images(train: Images, network: Network, seed: int) -> Tensor:
    """Training images to calibrate on, drawn by seed; fewer where feature maps are large."""
    widest = max(la.out_shape[0] * la.out_shape[1] * la.out_shape[2] for la in network.layers)
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))
    return train[order[:max(2, min(_IMAGES, _VALUES // widest))]][0]


def fit_step(node: Node, weight: Tensor) -> None:
    """Set a learned step to the one of least squared error; steps that follow the weights need nothing.

    The largest weight on each of the levels is tried, so weights that lie on levels already stay where they are.
    """
    levels = node.levels
    if levels.scale == "lsq" and bool(weight.any()):
        on_levels = [1 / m for m in range(1, levels.top + 1)]
        _fit(levels.learned, on_levels + [s / levels.top for s in _shares()], weight[weight != 0], levels)


@torch.no_grad()
def calibrate(network: Network, images: Tensor) -> int:
    """Set batch norm statistics to plain means and the clip of each activation quantizer to the one of least squared
    error, layer by layer, each after the calibrated layers before it. Returns the number of images.

    images: [n, C, H, W] in [0, 1].

    Raises:
        InputError: values that are not finite.
    """
    network.eval()
    last = {name: la.name for la in network.layers for name in la.inputs}
    values: dict[str, Tensor] = {}
    for la in network.layers:
        node = network.node(la.name)
        inputs = network.given(la, values) or [images]
        y = _normalized(node, node.sums(inputs[0])) if la.compute else node.compute(*inputs)
        if not bool(torch.isfinite(y).all()):
            raise InputError(f"layer {la.name} computes values that are not finite: its weights are too large",
                             field="weights")
        if node.function is not None and node.inner is not None:
            _fit(node.inner.most, _shares(), y, node.inner)
            y = node.function(node.inner(y))
        if isinstance(node.out, Pact):
            _fit(node.out.alpha, _shares(), y, node.out)
        elif isinstance(node.out, Signed):
            _fit(node.out.most, _shares(), y, node.out)
        values[la.name] = (y.relu() if la.relu else y) if node.out is None else node.out(y)
        for name in la.inputs:
            if last[name] == la.name:
                values.pop(name, None)
    return len(images)


def _normalized(node: Node, sums: Tensor) -> Tensor:
    """The layer's output before quantization, its batch norm on the statistics of these very sums."""
    norm = node.norm
    if norm is not None:
        assert norm.running_mean is not None and norm.running_var is not None
        flat = sums.transpose(0, 1).flatten(1)
        norm.running_mean.copy_(flat.mean(dim=1) + (0 if node.bias is None else node.bias))
        norm.running_var.copy_(flat.var(dim=1))
    return node.biased(sums)


def _shares() -> list[float]:
    """Of the largest value, down to 1 / 128 in eighths of an octave."""
    return [2 ** (-k / 8) for k in range(57)]


@torch.no_grad()
def _fit(scale: Tensor, shares: Sequence[float], values: Tensor, quantizer: Callable[[Tensor], Tensor]) -> None:
    """Set `scale`, which `quantizer` uses, to the share of the largest value that errs least; of equals the largest."""
    flat = values.flatten()
    most = float(flat.abs().max())
    flat = torch.cat([flat[::-(-len(flat) // _SAMPLE)], flat[flat.abs().argmax()][None]])
    tries = sorted({share * most for share in shares}, reverse=True)
    errors = []
    for tried in tries:
        scale.fill_(tried)
        errors.append(float((quantizer(flat).double() - flat.double()).square().sum()))
    level = min(errors) + 1e-12 * float(flat.double().square().sum())  # what single precision leaves of no error
    scale.fill_(next(t for t, e in zip(tries, errors, strict=True) if e <= level))


@torch.no_grad()
def score(model: torch.nn.Module, images: Images) -> float:
    """Share of images that are classified correctly."""
    right = 0
    for i in range(0, len(images), 250):
        x, y = images[slice(i, i + 250)]
        right += int((model(x).flatten(1).argmax(1) == y).sum())
    return right / len(images)
