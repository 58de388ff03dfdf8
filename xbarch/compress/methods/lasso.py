"""Group lasso on a method's groups (Meng et al., TCAS-II 2021; penalties as in the authors' public code)."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from xbarch.compress.methods.pruner import Pruner
from xbarch.compress.quantizers.network import Network, Node
from xbarch.datapaths.base import DataPath
from xbarch.errors import InputError
from xbarch.plugins.guard import asking
from xbarch.specs.algorithms import Lasso as Spec
from xbarch.specs.recipe import Pruning

Size = tuple[int, int]  # of a group: filters, and rows of the unrolled matrix


def grouped(weight: Tensor, size: Size, convolutions: int = 1) -> Tensor:
    """[F, C, kh, kw] (or [F, C]) as groups [convolutions * ceil(F / convolutions / f), ceil(C kh kw / r), f * r];
    smaller groups at the borders are filled with zeros.

    convolutions: groups of the convolution; no group of weights crosses their borders.
    """
    f, r = size
    w = weight.reshape(convolutions, weight.shape[0] // convolutions, -1)
    w = F.pad(w, (0, -w.shape[2] % r, 0, -w.shape[1] % f))
    q, p = w.shape[1] // f, w.shape[2] // r
    return w.reshape(convolutions * q, f, p, r).transpose(1, 2).reshape(convolutions * q, p, f * r)


def spread(groups: Tensor, weight: Tensor, size: Size, convolutions: int = 1) -> Tensor:
    """Values per group, [Q, P], spread over the weights in the shape of `weight`."""
    per, rows = weight.shape[0] // convolutions, weight[0].numel()
    wide = groups.reshape(convolutions, -1, groups.shape[1]).repeat_interleave(size[0], 1)[:, :per]
    return wide.repeat_interleave(size[1], 2)[:, :, :rows].reshape(weight.shape)


class Lasso(Pruner):
    """The penalty, or the proximal step, until the cut.

    Reweighted (BLK-REW, Ma et al., 2020; recalled): lambda * sum of a_g |w_g|², with a_g = 1 / (|w_g|² + e) updated
    after every epoch; e is a thousandth of the layer's mean |w_g|² (this project's reading). Its step is implicit,
    because a_g of a vanishing group is so large that a step along the gradient would overshoot.
    """

    def __init__(self, network: Network, spec: Pruning, path: DataPath) -> None:
        super().__init__(network, spec, path)
        assert isinstance(spec.algorithm, Spec)
        self.lasso = spec.algorithm
        self.ratio: float = self.lasso.ratio or (0.7 if spec.density is None else max(1 - spec.density, 1e-6))
        with asking(self.path, "group"):
            sizes = [self.path.group(n.layer, self.geometry) for n in self.nodes]
        self.whole = [size for size in sizes if size is not None]
        self.inverse: list[Tensor] = []
        if len(self.whole) < len(sizes):
            raise InputError(f"must be another algorithm than lasso: {path.name} removes no groups",
                             field="pruning.algorithm.name")
        if self.lasso.form == "reweighted":
            self.close(0)

    def groups(self, node: Node, size: Size) -> Tensor:
        """The node's weights as `grouped`."""
        return grouped(node.weight, size, node.layer.groups)

    def sizes(self, progress: float) -> list[Size]:
        """Size of every layer's groups when the share `progress` (0 to 1) of the epochs before the cut is over."""
        if self.lasso.reading == "sub_groups":
            return self.whole
        found = []
        for node, (f, rows) in zip(self.nodes, self.whole, strict=True):
            area = node.layer.kernel[0] * node.layer.kernel[1]
            steps = [s * area for s in (4, 8) if s * area < rows] + [rows]
            found.append((f, steps[min(int(progress * len(steps)), len(steps) - 1)]))
        return found

    def thresholds(self, sizes: list[Size]) -> list[Tensor]:
        """tau of every layer, without gradient."""
        with torch.no_grad():
            norms = [self.groups(n, s).norm(dim=2) for n, s in zip(self.nodes, sizes, strict=True)]
            if self.lasso.threshold == "none":
                return [norm.new_tensor(torch.inf) for norm in norms]
            if self.lasso.threshold == "layer":
                return [self.ratio * norm.mean() for norm in norms]
            share = min(self.ratio, 1.0)
            if self.lasso.threshold == "layer_quantile":
                return [_quantile(norm, share) for norm in norms]
            means, level = self.means(sizes)
            # Both readings compare norms: a mean|w| below the level is a norm below the layer's own bound.
            return [torch.where(m < level, norm, torch.zeros_like(norm)).max() * (1 + 1e-6)
                    for m, norm in zip(means, norms, strict=True)]

    def means(self, sizes: list[Size]) -> tuple[list[Tensor], Tensor]:
        """mean|w| of every layer's groups, and the `ratio`-quantile of all of them."""
        with torch.no_grad():
            means = [self.groups(n, s).abs().mean(dim=2) for n, s in zip(self.nodes, sizes, strict=True)]
            return means, _quantile(torch.cat([m.flatten() for m in means]), min(self.ratio, 1.0))

    def penalty(self, progress: float) -> Tensor | None:
        """lambda * sum of min(norm, tau) over groups ("layer...", "none"), or of the norms of the groups whose mean|w|
        is below the global quantile ("global"); none where `step` shrinks the groups instead."""
        if self.lasso.form != "gradient":
            return None
        sizes = self.sizes(progress)
        norms = [_norms(self.groups(n, s)) for n, s in zip(self.nodes, sizes, strict=True)]
        if self.lasso.threshold == "global":
            means, level = self.means(sizes)
            terms = [norm[mean < level].sum() for norm, mean in zip(norms, means, strict=True)]
        else:
            terms = [torch.minimum(norm, tau).sum() for norm, tau in zip(norms, self.thresholds(sizes), strict=True)]
        return self.lasso.strength * torch.stack(terms).sum()

    @torch.no_grad()
    def step(self, rate: float, progress: float, epoch: int) -> None:
        """Proximal step after an update: w_g *= max(0, 1 - rate * lambda / (1 - momentum) / |w_g|) where |w_g| < tau;
        reweighted, w_g /= 1 + 2 * rate * lambda / (1 - momentum) * a_g.

        1 / (1 - momentum) is the factor by which the momentum optimizer's steps are longer than `rate`; Adam's are not.
        """
        if self.lasso.form == "gradient":
            return
        momentum = self.spec.training.momentum if self.spec.training.optimizer == "sgd" else 0.0
        size = rate * self.lasso.strength / (1 - momentum)
        if self.lasso.form == "reweighted":
            for node, s, a in zip(self.nodes, self.whole, self.inverse, strict=True):
                node.weight.div_(spread(1 + 2 * size * a, node.weight, s, node.layer.groups))
            return
        sizes = self.sizes(progress)
        for node, s, tau in zip(self.nodes, sizes, self.thresholds(sizes), strict=True):
            norm = self.groups(node, s).norm(dim=2)
            keep = (1 - size / norm.clamp(min=1e-12)).clamp(min=0)
            keep = torch.where(norm < tau, keep, torch.ones_like(keep))
            node.weight.mul_(spread(keep, node.weight, s, node.layer.groups))

    @torch.no_grad()
    def close(self, epoch: int) -> None:
        """Updates the weights of the reweighted penalty."""
        if self.lasso.form == "reweighted":
            squares = [self.groups(n, s).square().sum(dim=2) for n, s in zip(self.nodes, self.whole, strict=True)]
            self.inverse = [1 / (found + 1e-3 * found.mean()) for found in squares]

    def own_state(self) -> dict[str, Any]:
        return {"inverse": self.inverse}

    def own_restore(self, state: dict[str, Any]) -> None:
        self.inverse = state["inverse"]

    @torch.no_grad()
    def settle(self) -> None:
        """Groups whose quantized weights are all zero count as removed."""
        for node, size in zip(self.nodes, self.whole, strict=True):
            node.mask.logical_and_(spread(_alive(node, size), node.weight, size, node.layer.groups))

    @torch.no_grad()
    def figures(self) -> dict[str, float]:
        found = [1 - float(_alive(n, s).float().mean()) for n, s in zip(self.nodes, self.whole, strict=True)]
        return {"group_sparsity": sum(found) / max(len(found), 1)}


def _alive(node: Node, size: Size) -> Tensor:
    return grouped(node.quantized(), size, node.layer.groups).abs().amax(dim=2) > 0


def _norms(groups: Tensor) -> Tensor:
    """Norms of groups, with a gradient that stays finite at zero."""
    return (groups.square().sum(dim=2) + 1e-12).sqrt()


def _quantile(values: Tensor, share: float) -> Tensor:
    """`torch.quantile` refuses more than 16 million values; a sort does not."""
    ordered = values.flatten().sort().values
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]
