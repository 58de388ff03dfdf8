"""Scales without training: steps of weights, clips of activations and batch norm statistics of least squared error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from xbarch.compress.quantizers.levels import Fixed, Quantizer
from xbarch.compress.quantizers.network import Network, Node
from xbarch.compress.training.data import Images
from xbarch.errors import InputError
from xbarch.workload.measures import Measure

_IMAGES, _VALUES = 512, 2**26  # calibration images; values of a feature map over all of them
_TOGETHER = 250  # images that are measured at a time
_SAMPLE = {"squared_error": 2**16, "percentile": 2**20}  # values that a scale is fitted on


_WEIGHTS, _FIRST = 1024, 32  # weights of a row that a step is fitted on; that are looked at first


@dataclass(frozen=True)
class Rule:
    """How clips of activations are chosen on values drawn by `seed`: where the squared error is least, or at a
    percentile of the magnitudes. refit: batch norm statistics are measured again on the quantized network."""

    clip: Literal["squared_error", "percentile"] = "squared_error"
    percentile: float = 99.99
    refit: bool = False
    seed: int = 0


def draw_images(train: Images, network: Network, seed: int) -> Tensor:
    """Training images to calibrate on, drawn by seed; fewer where feature maps are large."""
    widest = max(la.out_shape[0] * la.out_shape[1] * la.out_shape[2] for la in network.layers)
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))
    return train[order[:max(2, min(_IMAGES, _VALUES // widest))]][0]


@torch.no_grad()
def fit_step(node: Node, weight: Tensor) -> None:
    """Set learned steps to those of least squared error; steps that follow the weights need nothing.

    Weights that lie on levels already stay where they are: on the largest step of which all are multiples.
    """
    levels = node.levels
    if levels.scale != "lsq":
        return
    rows = weight.reshape(levels.learned.numel(), -1)
    most = rows.abs().amax(dim=1)
    step = _least_error(rows, most, levels.top)
    if levels.top < 1 << 8:  # finer levels hold anything
        step = _multiples(rows, most, levels.top, step)
    levels.learned.copy_(step.clamp(min=1e-8).view_as(levels.learned))


def _least_error(rows: Tensor, most: Tensor, top: int) -> Tensor:
    """Step of every row [rows] that errs least on up to `_WEIGHTS` of its weights and on its largest, `most`."""
    count = rows.shape[1]
    wanted = max(_WEIGHTS, _SAMPLE["squared_error"] // len(rows))
    if count > wanted:
        rows = rows[:, torch.randperm(count, generator=torch.Generator().manual_seed(0))[:wanted]]
    rows = torch.cat([rows, most[:, None]], dim=1)
    best, errors = most / top, torch.full_like(most, torch.inf)
    for share in _shares():
        step = (most * (share / top)).clamp(min=1e-30)[:, None]
        error = ((rows / step).round_().clamp_(-top, top).mul_(step) - rows).square_().sum(dim=1)
        better = error < errors
        best, errors = torch.where(better, step[:, 0], best), torch.where(better, error, errors)
    return best


def _multiples(rows: Tensor, most: Tensor, top: int, step: Tensor) -> Tensor:
    """`step`, but where all weights of a row are multiples of a step the largest such step. The first weights of a row
    rule out almost all."""
    found, parts = step.clone(), torch.arange(1, top + 1)
    for some in torch.arange(len(rows)).split(256):
        first = rows[some, :_FIRST] / most[some, None].clamp(min=1e-30)
        for r, p in torch.nonzero(_whole(first[:, None] * parts[:, None]).all(dim=2)).flip(0).tolist():
            row = int(some[r])
            if most[row] > 0 and bool(_whole(rows[row] / most[row] * (p + 1)).all()):
                found[row] = most[row] / (p + 1)
    return found


def _whole(levels: Tensor) -> Tensor:
    """Which numbers are whole, but for what single precision leaves of them."""
    return (levels - levels.round()).abs() <= 1e-6 * levels.abs().clamp(min=1)


@torch.no_grad()
def calibrate(network: Network, images: Tensor, rule: Rule) -> int:
    """Set the clip of each activation quantizer by `rule`, layer by layer, each after the calibrated layers before it.
    Returns the number of images.

    images: [n, C, H, W] in [0, 1].

    Raises:
        InputError: values that are not finite.
    """
    network.eval()
    generator = torch.Generator().manual_seed(rule.seed)
    last = {name: la.name for la in network.layers for name in la.inputs}
    values: dict[str, Tensor] = {}
    for la in network.layers:
        node = network.node(la.name)
        inputs = network.given(la, values) or [images.to(network.kind)]
        y = _normalized(node, node.sums(inputs[0])) if la.compute and rule.refit else node.compute(*inputs)
        if not bool(torch.isfinite(y).all()):
            raise InputError(f"layer {la.name} computes values that are not finite: its weights are too large",
                             field="weights")
        if node.function is not None and node.inner is not None:
            _clip(node.inner, y.flatten(), rule, generator)
            y = node.function(node.inner(y))
        if isinstance(node.out, Quantizer):
            _clip(node.out, y.flatten(), rule, generator)
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


@torch.no_grad()
def _clip(quantizer: Quantizer, values: Tensor, rule: Rule, generator: torch.Generator) -> None:
    """Fit the clip on values of positions and images drawn at random: a regular stride would meet few columns of a
    feature map whose width divides it."""
    largest, most = values[values.abs().argmax()], _SAMPLE[rule.clip]
    if isinstance(quantizer, Fixed) or not bool(largest):  # or a layer that is silent on all images
        return
    if len(values) > most:
        values = values[torch.randint(len(values), (most,), generator=generator)]
    if rule.clip == "percentile":
        clip = values.abs() if quantizer.signed else values.clamp(min=0)
        rank = max(1, round(rule.percentile / 100 * len(clip)))
        quantizer.clip.fill_(float(clip.kthvalue(rank).values) or float(largest.abs()))
    else:
        _fit(quantizer.clip, _shares(), torch.cat([values, largest[None]]), quantizer)


def _shares() -> list[float]:
    """Of the largest value, down to 1 / 128 in eighths of an octave."""
    return [2 ** (-k / 8) for k in range(57)]


@torch.no_grad()
def _fit(scale: Tensor, shares: Sequence[float], values: Tensor, quantizer: Callable[[Tensor], Tensor]) -> None:
    """Set `scale`, which `quantizer` uses, to the share of the largest value that errs least; of equals the largest."""
    most = float(values.abs().max())
    tries = sorted({share * most for share in shares}, reverse=True)
    errors = []
    for tried in tries:
        scale.fill_(tried)
        errors.append(float((quantizer(values).double() - values.double()).square().sum()))
    level = min(errors) + 1e-12 * float(values.double().square().sum())  # what single precision leaves of no error
    scale.fill_(next(t for t, e in zip(tries, errors, strict=True) if e <= level))


@torch.no_grad()
def score(run: Callable[[Tensor], list[Tensor]], images: Images, measure: Measure) -> float:
    """The measure of what `run` returns for images, [n, ...] tensors."""
    total, start, together = 0.0, 0, 1
    while start < len(images):
        x, y = images[slice(start, start + together)]
        found = [t.double().numpy() for t in run(x)]
        total = total + measure.counts(found, y.numpy()).sum(axis=0)
        start += len(y)
        together = max(1, min(_TOGETHER, _VALUES // (16 * sum(t[0].size for t in found))))
    return float(measure.value(np.asarray(total)))
