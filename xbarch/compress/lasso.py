"""Multi-group lasso on a network's weights (Meng et al., TCAS-II 2021; penalties as in the authors' public code)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from xbarch.compress.network import Network, Node
from xbarch.spec.recipe import Pruning


def grouped(weight: Tensor, channels: int) -> Tensor:
    """View of [F, C, kh, kw] as groups [F, ceil(C / channels), channels * kh * kw]; a last, smaller group is
    filled with zeros."""
    filters, depth = weight.shape[:2]
    padded = F.pad(weight, (0, 0, 0, 0, 0, -depth % channels))
    return padded.reshape(filters, -1, channels * weight.shape[2] * weight.shape[3])


def spread(groups: Tensor, weight: Tensor, channels: int) -> Tensor:
    """One value a group [F, G] as one a weight, the shape of `weight`."""
    return groups.repeat_interleave(channels, 1)[:, :weight.shape[1], None, None].expand(weight.shape)


@dataclass
class Lasso:
    """The penalty, the proximal step and the cut of a recipe on the prunable layers of `network`."""

    network: Network
    spec: Pruning

    def __post_init__(self) -> None:
        convolutions = [n for n in self.network.compute_nodes() if n.layer.op == "conv"]
        first = self.network.compute_nodes()[0]
        self.nodes: list[Node] = [n for n in convolutions if n is not first and n.layer.kernel != (1, 1)]

    def channels(self, progress: float) -> int:
        """Group size when `progress` (0 to 1) of the epochs before the cut is over."""
        top = self.spec.group_ch
        if self.spec.reading == "sub_groups":
            return top
        sizes = [c for c in (4, 8, 16) if c <= top]
        return sizes[min(int(progress * len(sizes)), len(sizes) - 1)]

    def thresholds(self, channels: int) -> list[Tensor]:
        """tau of every layer, without gradient."""
        with torch.no_grad():
            norms = [grouped(n.weight, channels).norm(dim=2) for n in self.nodes]
            if self.spec.threshold == "layer":
                return [self.spec.ratio * norm.mean() for norm in norms]
            share = min(self.spec.ratio, 1.0)
            if self.spec.threshold == "layer_quantile":
                return [_quantile(norm, share) for norm in norms]
            means = [grouped(n.weight.abs(), channels).mean(dim=2) for n in self.nodes]
            level = _quantile(torch.cat([m.flatten() for m in means]), share)
            # Both readings compare norms; a layer's mean|w| below the level is a norm below its own bound.
            return [torch.where(m < level, norm, torch.zeros_like(norm)).max() * (1 + 1e-6)
                    for m, norm in zip(means, norms, strict=True)]

    def penalty(self, channels: int) -> Tensor:
        """lambda * sum of min(norm, tau) over groups ("layer..."), or of the norms of the groups whose mean|w| is
        below the global quantile ("global")."""
        terms = []
        if self.spec.threshold == "global":
            means = [grouped(n.weight.detach().abs(), channels).mean(dim=2) for n in self.nodes]
            level = _quantile(torch.cat([m.flatten() for m in means]), min(self.spec.ratio, 1.0))
            for node, mean in zip(self.nodes, means, strict=True):
                terms.append(_norms(node.weight, channels)[mean < level].sum())
        else:
            for node, tau in zip(self.nodes, self.thresholds(channels), strict=True):
                terms.append(torch.minimum(_norms(node.weight, channels), tau).sum())
        return self.spec.strength * torch.stack(terms).sum()

    @torch.no_grad()
    def shrink(self, rate: float, channels: int) -> None:
        """Proximal step after an update: w_g *= max(0, 1 - rate * lambda / (1 - momentum) / |w_g|) where |w_g| < tau.

        1 / (1 - momentum) is how much longer the momentum optimizer's steps are than `rate`.
        """
        step = rate * self.spec.strength / (1 - self.spec.training.momentum)
        for node, tau in zip(self.nodes, self.thresholds(channels), strict=True):
            norm = grouped(node.weight, channels).norm(dim=2)
            keep = (1 - step / norm.clamp(min=1e-12)).clamp(min=0)
            node.weight.mul_(spread(torch.where(norm < tau, keep, torch.ones_like(keep)), node.weight, channels))

    @torch.no_grad()
    def cut(self) -> None:
        """Remove the lowest `sparsity` of each layer's groups for good."""
        assert self.spec.sparsity is not None
        for node in self.nodes:
            norm = grouped(node.weight, self.spec.group_ch).norm(dim=2)
            lowest = norm.flatten().argsort(stable=True)[:round(self.spec.sparsity * norm.numel())]
            kept = torch.ones(norm.numel(), dtype=torch.bool)
            kept[lowest] = False
            node.mask.copy_(spread(kept.reshape(norm.shape), node.weight, self.spec.group_ch))

    @torch.no_grad()
    def settle(self) -> None:
        """Groups whose quantized weights are all zero count as removed."""
        for node in self.nodes:
            alive = grouped(node.quantized(), self.spec.group_ch).abs().amax(dim=2) > 0
            node.mask.logical_and_(spread(alive, node.weight, self.spec.group_ch))

    @torch.no_grad()
    def sparsity(self) -> dict[str, float]:
        """Share of removed groups of every layer."""
        return {n.layer.name: float((grouped(n.quantized(), self.spec.group_ch).abs().amax(dim=2) == 0).float().mean())
                for n in self.nodes}


def _norms(weight: Tensor, channels: int) -> Tensor:
    """Group norms with a gradient that stays finite at zero."""
    return (grouped(weight, channels).square().sum(dim=2) + 1e-12).sqrt()


def _quantile(values: Tensor, share: float) -> Tensor:
    """`torch.quantile` refuses more than 16 million values; a sort does not."""
    ordered = values.flatten().sort().values
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]
