"""Even column sparsity for fewer ADC bits (D.U.B., arXiv 2403.13082, 2024): all columns of a crossbar are brought to
the same sparsity, because the fullest column decides how many bits the ADCs need."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from xbarch.compress.methods.pruner import Pruner
from xbarch.compress.quantizers.network import Node
from xbarch.specs.algorithms import Hoyer as Spec


class Hoyer(Pruner):
    """Penalty until the cut: strength * sum over crossbars of the variance, over their columns, of the Hoyer measure
    (sum |w|)² / sum w². The measure is the number of weights where all are equal, and one where a single weight is not
    zero.

    It is divided by the number of rows, so that it does not depend on the crossbar (this project's reading).
    """

    def penalty(self, progress: float) -> Tensor | None:
        assert isinstance(self.spec.algorithm, Spec)
        return self.spec.algorithm.strength * torch.stack([self._uneven(n) for n in self.nodes]).sum()

    def _uneven(self, node: Node) -> Tensor:
        """Sum of the variances over a layer's crossbars."""
        tall, per = self.geometry.rows, self.geometry.columns // self.geometry.slices(node.layer.weight_bits)
        w = node.weight.flatten(1)
        rows = min(tall, w.shape[1])
        w = F.pad(w, (0, -w.shape[1] % rows)).reshape(w.shape[0], -1, rows)
        measure = w.abs().sum(dim=2).square() / (w.square().sum(dim=2) + 1e-12) / rows  # [filters, row blocks]
        return torch.stack([part.var(dim=0, unbiased=False).sum() for part in measure.split(max(per, 1))]).sum()
