"""Filters that have little in common (Zhu et al., "Improving deep neural network sparsity through decorrelation
regularization", IJCAI 2018): before filters are removed, their correlations are made small."""

from __future__ import annotations

import torch
from torch import Tensor

from xbarch.compress.methods.pruner import Pruner
from xbarch.specs.algorithms import Decorrelate as Spec


class Decorrelate(Pruner):
    """Penalty until the cut: strength * sum over layers of the mean, over pairs of different filters, of the square of
    their correlation (the cosine of the angle between their weights; mean instead of sum, and the cosine without means,
    are this project's reading)."""

    def penalty(self, progress: float) -> Tensor | None:
        assert isinstance(self.spec.algorithm, Spec)
        return self.spec.algorithm.strength * torch.stack([correlated(n.weight) for n in self.nodes]).sum()


def correlated(weight: Tensor) -> Tensor:
    """Mean squared cosine of the angles between different filters of [filters, ...]; zero for a single one."""
    flat = weight.flatten(1)
    unit = flat / (flat.norm(dim=1, keepdim=True) + 1e-12)
    cosines = unit @ unit.T
    pairs = len(flat) * (len(flat) - 1)
    return (cosines.square().sum() - cosines.diagonal().square().sum()) / max(pairs, 1)
