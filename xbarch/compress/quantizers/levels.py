"""Quantizers for training: integers forward, straight-through gradients backward."""

from __future__ import annotations

import math
from functools import cache
from typing import Any, Literal

import torch
import torch.distributed as dist
from torch import Tensor, nn

Scale = Literal["mean", "nonzero_mean", "sawb", "lsq"]


class _Round(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return (x + 0.5).floor()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient


def rounded(x: Tensor) -> Tensor:
    """Nearest integers, halves up as an adder and a shift would round; gradient one (straight through)."""
    return _Round.apply(x)


class _RoundToEven(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.round()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient


def power(x: Tensor) -> Tensor:
    """The nearest power of two (in the logarithm) of positive values, gradient one (straight through)."""
    with torch.no_grad():
        nearest = torch.exp2(x.log2().round())
    return x + (nearest - x).detach()


class _Levels(torch.autograd.Function):
    """Levels, and errors that devices add to them, times the step. The gradient of the weights passes straight through;
    that of the step is LSQ's, with the errors, which a smaller step makes smaller beside the weights."""

    @staticmethod
    def forward(ctx: Any, w: Tensor, step: Tensor, levels: Tensor, errors: Tensor | None, top: int,
                bounded: bool) -> Tensor:
        ctx.save_for_backward(w, step, levels, errors)
        ctx.top, ctx.bounded = top, bounded
        return (levels if errors is None else levels + errors) * step

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor | None, None, None, None, None]:
        if not ctx.needs_input_grad[1]:
            return gradient, None, None, None, None, None
        w, step, levels, errors = ctx.saved_tensors
        real = w / step
        inside = real.abs() <= ctx.top
        moved = torch.where(inside, levels - real, levels)
        each = gradient * (moved if errors is None else moved + errors)
        each = each.sum(dim=tuple(range(1, w.dim())), keepdim=True) if step.dim() else each.sum()
        of_step = each / (w.numel() / step.numel() * ctx.top) ** 0.5
        return gradient * inside if ctx.bounded else gradient, of_step, None, None, None, None


class Weights(nn.Module):
    """Weights on 2**bits - 1 levels, symmetric about zero: w = step * clamp(round(w / step), -top, top).

    step, the real value of one level, is clip / top, where clip follows the weights: k * mean|w| ("mean"; Meng et al.'s
    published code, k = 2 on CIFAR-10), k * mean over non-zero weights ("nonzero_mean": this project's variant, since
    the plain mean collapses when most groups are pruned), or SAWB's std/0.077 - (1.013/0.077) * mean|w| ("sawb", 4 bit;
    Choi et al., SysML 2019, as in Meng et al.'s code). Or step is learned ("lsq": Esser et al., ICLR 2020, started at
    2 * mean|w| / sqrt(top), its gradient divided by sqrt(weights * top)). `chain`: step is rounded to a power of two.
    `each`: every filter has a step of its own, from its weights alone; else the layer has one.

    low: the lowest level, -top unless integers are given that use one more.

    allowed: None, or for every weight its sign times the bits that its magnitude may use; then a weight is the nearest
    level of that sign in those bits.
    """

    allowed: Tensor | None = None
    given: Tensor | None = None

    def __init__(self, bits: int, scale: Scale, factor: float, chain: bool = False,
                 start: Tensor | None = None, each: bool = False) -> None:
        super().__init__()
        self.top, self.scale, self.factor, self.chain, self.each = (1 << bits - 1) - 1, scale, factor, chain, each
        self.low = -self.top
        if scale == "lsq":
            assert start is not None
            self.learned = nn.Parameter(2 * self._mean(start.detach().abs()).clamp(min=1e-8) / self.top**0.5)

    def fix(self, levels: Tensor, step: Tensor) -> None:
        """Take integers as they are: their real values divide by `step`, of each filter [filters] or of all [1]."""
        self.scale, self.low = "lsq", min(-self.top, int(levels.min()))
        self.given = step.double()
        shaped = step.reshape(-1, *(1,) * (levels.dim() - 1)) if len(step) > 1 else step.reshape(())
        self.learned = nn.Parameter(shaped.float())

    def _mean(self, size: Tensor) -> Tensor:
        return size.mean(dim=tuple(range(1, size.dim())), keepdim=True) if self.each else size.mean()

    def _sum(self, size: Tensor) -> Tensor:
        return size.sum(dim=tuple(range(1, size.dim())), keepdim=True) if self.each else size.sum()

    def step(self, w: Tensor) -> Tensor:
        """Real value of one level; positive even if all weights are zero."""
        if self.scale == "lsq":
            found = self.learned.abs().clamp(min=1e-8)
        else:
            with torch.no_grad():
                found = self.clip(w).clamp(min=1e-8) / self.top
        return power(found) if self.chain else found

    @torch.no_grad()
    def widen(self, w: Tensor, deviations: float) -> None:
        """Let the largest level stand for so many standard deviations of the weights, those that are zero left out, if
        that uses more of the levels; `lsq` alone learns from there."""
        spread = (self._sum(w.square()) / self._sum((w != 0).to(w.dtype)).clamp(min=1)).sqrt()
        self.learned.copy_(torch.minimum(self.learned.abs(), deviations * spread / self.top))

    def clip(self, w: Tensor) -> Tensor:
        size = w.abs()
        if self.scale == "sawb":
            deviation = w.flatten(1).std(dim=1).view(-1, *(1,) * (w.dim() - 1)) if self.each else w.std()
            return deviation / 0.077 - 1.013 / 0.077 * self._mean(size)
        if self.scale == "nonzero_mean":
            return self.factor * self._sum(size) / self._sum(size > 0).clamp(min=1)
        return self.factor * self._mean(size)

    def forward(self, w: Tensor, held: Tensor | None = None) -> Tensor:
        """The quantized weights. held: the levels that devices hold in place of the right ones, real numbers."""
        step = self.step(w)
        levels = self.levels(w, step)
        errors = None if held is None else held - levels
        out: Tensor = _Levels.apply(w, step, levels, errors, self.top, self.scale == "lsq")
        return out

    @torch.no_grad()
    def levels(self, w: Tensor, step: Tensor) -> Tensor:
        """Levels: whole numbers, stored as reals."""
        nearest = (w / step).round().clamp(self.low, self.top)
        if self.allowed is None:
            return nearest
        sign, bits = self.allowed.sign(), self.allowed.abs().long()
        size = (nearest * sign).clamp(min=0).long()
        return _within(self.top).to(bits.device)[bits, size].to(w.dtype) * sign

    def integers(self, w: Tensor) -> tuple[Tensor, Tensor]:
        """(int16 levels, float64 real value of one level of each filter [filters] or of all [1])."""
        with torch.no_grad():
            step = self.step(w)
            return self.levels(w, step).to(torch.int16), step.double().flatten() if self.given is None else self.given


@cache
def _within(top: int) -> Tensor:
    """[bits, level]: the magnitude nearest to `level` that uses only these bits; of two, the smaller."""
    values = torch.arange(top + 1)
    fits = (values[None] & ~values[:, None]) == 0
    apart = (values[:, None] - values[None]).abs().to(torch.float64)
    return torch.where(fits[:, None], apart[None], torch.inf).argmin(dim=2)


class Quantizer(nn.Module):
    """Base of quantizers of a layer's output. `chain`: its step is a power of two. `clip`: the largest value that is
    told apart, from which the step follows. `signed`: whether values below zero are."""

    signed = False

    def __init__(self, chain: bool = False) -> None:
        super().__init__()
        self.chain = chain

    @property
    def clip(self) -> Tensor:
        raise NotImplementedError

    def chained(self, step: Tensor) -> Tensor:
        return power(step) if self.chain else step


class Fixed(Quantizer):
    """Levels of low to high with a step of the user's own; nothing is learned or calibrated. Halves go to the even
    level, as in the user's graph: QuantizeLinear of ONNX, torch.round."""

    own: Tensor

    def __init__(self, step: float, low: int, high: int) -> None:
        super().__init__()
        self.low, self.top, self.signed = low, high, low < 0
        self.register_buffer("own", torch.tensor(step, dtype=torch.float64))

    @property
    def step(self) -> Tensor:
        return self.own

    def forward(self, x: Tensor) -> Tensor:
        step = self.own.to(x.dtype)
        levels: Tensor = _RoundToEven.apply((x / step).clamp(self.low, self.top))
        return levels * step


class Pact(Quantizer):
    """Unsigned activations on 2**bits levels over [0, alpha], alpha learned (PACT, Choi et al., 2018), at most `limit`,
    where the model itself clips."""

    def __init__(self, bits: int, alpha: float, chain: bool = False, limit: float = math.inf) -> None:
        super().__init__(chain)
        self.top, self.limit = (1 << bits) - 1, limit
        self.alpha = nn.Parameter(torch.tensor(alpha))

    @property
    def clip(self) -> Tensor:
        return self.alpha

    @property
    def step(self) -> Tensor:
        return self.chained(self.alpha.abs().clamp(1e-4, self.limit) / self.top)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = _Clipped.apply(x, self.step, self.top)
        return out


class _Clipped(torch.autograd.Function):
    """step * round(clamp(x, 0, top * step) / step) in few passes over memory. Values pass their gradient where they are
    not clipped; the gradient of the step is LSQ's (Esser et al., ICLR 2020), without its scaling."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, step: Tensor, top: int) -> Tensor:
        real = (x / step).clamp_(0, top)
        levels = (real + 0.5).floor_()
        ctx.save_for_backward(real, levels)
        ctx.top = top
        return levels * step

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        real, levels = ctx.saved_tensors
        of_step = torch.dot(gradient.flatten(), (levels - real).add_(real >= ctx.top, alpha=ctx.top).flatten())
        return gradient * ((real > 0) & (real < ctx.top)), of_step, None


def _largest(x: Tensor) -> Tensor:
    """The largest magnitude, of all processes that train together."""
    found = x.abs().max()
    if dist.is_available() and dist.is_initialized():
        dist.all_reduce(found, dist.ReduceOp.MAX)
    return found


class Signed(Quantizer):
    """Signed values on 2**bits - 1 levels over the running largest magnitude (a branch before its addition)."""

    most: Tensor
    signed = True

    def __init__(self, bits: int, chain: bool = False) -> None:
        super().__init__(chain)
        self.top = (1 << bits - 1) - 1
        self.register_buffer("most", torch.tensor(1.0))

    @property
    def clip(self) -> Tensor:
        return self.most

    @property
    def step(self) -> Tensor:
        return self.chained(self.most / self.top)

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            with torch.no_grad():
                self.most.lerp_(_largest(x).clamp(min=1e-4), 0.1)
        return rounded((x / self.step).clamp(-self.top, self.top)) * self.step
