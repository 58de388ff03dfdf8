"""Quantizers for training: integers forward, straight-through gradients backward."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn

Scale = Literal["mean", "nonzero_mean", "sawb"]


class _Round(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.round()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient


def rounded(x: Tensor) -> Tensor:
    """Nearest integers, gradient one (straight through)."""
    return _Round.apply(x)


class _Levels(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, w: Tensor, clip: Tensor, top: int) -> Tensor:
        return (w / clip).clamp(-1, 1).mul(top).round().mul(clip / top)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return gradient, None, None


class OddSymmetric(nn.Module):
    """Weights on 2**bits - 1 levels, symmetric about zero: w = clip/top * round(top * clamp(w/clip, -1, 1)).

    clip is k * mean|w| ("mean"; Meng et al.'s published code, k = 2 on CIFAR-10), k * mean over non-zero weights
    ("nonzero_mean": this project's variant; with most groups pruned the plain mean collapses), or SAWB's
    std/0.077 - (1.013/0.077) * mean|w| ("sawb", 4 bit; Choi et al., SysML 2019, as in Meng et al.'s code).
    """

    def __init__(self, bits: int, scale: Scale, factor: float) -> None:
        super().__init__()
        self.top, self.scale, self.factor = (1 << bits - 1) - 1, scale, factor

    def clip(self, w: Tensor) -> Tensor:
        """The largest representable magnitude, without gradient; positive even for weights all zero."""
        with torch.no_grad():
            size = w.abs()
            if self.scale == "sawb":
                clip = w.std() / 0.077 - 1.013 / 0.077 * size.mean()
            elif self.scale == "nonzero_mean":
                clip = self.factor * size.sum() / (size > 0).sum().clamp(min=1)
            else:
                clip = self.factor * size.mean()
            return clip.clamp(min=1e-8)

    def forward(self, w: Tensor) -> Tensor:
        return _Levels.apply(w, self.clip(w), self.top)

    def integers(self, w: Tensor) -> tuple[Tensor, float]:
        """(int16 levels, real value of one level)."""
        clip = self.clip(w)
        return (w / clip).clamp(-1, 1).mul(self.top).round().to(torch.int16), float(clip) / self.top


class Pact(nn.Module):
    """Unsigned activations on 2**bits levels over [0, alpha], alpha learned (PACT, Choi et al., 2018)."""

    def __init__(self, bits: int, alpha: float) -> None:
        super().__init__()
        self.top = (1 << bits) - 1
        self.alpha = nn.Parameter(torch.tensor(alpha))

    @property
    def step(self) -> Tensor:
        return self.alpha.abs().clamp(min=1e-4) / self.top

    def forward(self, x: Tensor) -> Tensor:
        step = self.step
        clipped = torch.minimum(x.relu(), step * self.top)
        return rounded(clipped / step) * step


class Signed(nn.Module):
    """Signed values on 2**bits - 1 levels over the running largest magnitude (a branch before its addition)."""

    most: Tensor

    def __init__(self, bits: int) -> None:
        super().__init__()
        self.top = (1 << bits - 1) - 1
        self.register_buffer("most", torch.tensor(1.0))

    @property
    def step(self) -> Tensor:
        return self.most / self.top

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            with torch.no_grad():
                self.most.lerp_(x.abs().max().clamp(min=1e-4), 0.1)
        return rounded((x / self.step).clamp(-self.top, self.top)) * self.step
