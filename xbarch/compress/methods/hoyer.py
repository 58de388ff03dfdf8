"""Even column sparsity for ADC bits (D.U.B., arXiv 2403.13082, 2024): every column of a crossbar is brought to the same
sparsity, because the fullest column decides how many bits the ADCs need."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from xbarch.compress.methods.pruner import Pruner
from xbarch.compress.quantizers.network import Node
from xbarch.specs.recipe import Hoyer as Spec


class Hoyer(Pruner):
    """strength * sum over crossbars of the variance, over their columns, of the Hoyer measure (sum |w|)² / sum w²: the
    number of weights where all are alike, one where a single one is not zero. Until the cut.

    Divided by the rows' number, so that it does not depend on the crossbar (this project's reading).
    """

    def penalty(self, progress: float) -> Tensor | None:
        assert isinstance(self.spec.algorithm, Spec)
        return self.spec.algorithm.strength * torch.stack([self._uneven(n) for n in self.nodes]).sum()

    def _uneven(self, node: Node) -> Tensor:
        """Sum of the variances of a layer's crossbars."""
        tall, per = self.geometry.rows, self.geometry.columns // self.geometry.slices(node.layer.weight_bits)
        w = node.weight.flatten(1)
        rows = min(tall, w.shape[1])
        w = F.pad(w, (0, -w.shape[1] % rows)).reshape(w.shape[0], -1, rows)
        measure = w.abs().sum(dim=2).square() / (w.square().sum(dim=2) + 1e-12) / rows  # [filters, row blocks]
        return torch.stack([part.var(dim=0, unbiased=False).sum() for part in measure.split(max(per, 1))]).sum()
