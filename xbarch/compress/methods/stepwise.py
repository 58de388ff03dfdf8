"""Magnitude pruning step by step (Han et al., NIPS 2015): cut a little, train what is left, cut again."""

from __future__ import annotations

import torch

from xbarch.compress.methods.pruner import Pruner
from xbarch.specs.algorithms import Stepwise as Spec


class Stepwise(Pruner):
    """Cuts at densities d^(1/n), d^(2/n), ..., d after equal numbers of epochs; the last is the cut. A weight that one
    of them removes is zero from then on."""

    def close(self, epoch: int) -> None:
        density = self.at(epoch)
        if density is not None:
            for node, found in zip(self.nodes, self.projected([n.weight for n in self.nodes], density), strict=True):
                node.mask.copy_(torch.from_numpy(found.mask.copy()).reshape(node.mask.shape))
                node.weight.data.mul_(node.mask)

    def at(self, epoch: int) -> float | None:
        """Density after this epoch's cut; None: it has none."""
        assert isinstance(self.spec.algorithm, Spec) and self.spec.density is not None and self.spec.cut_after
        steps, last = self.spec.algorithm.steps, self.spec.cut_after
        for step in range(1, steps):
            if epoch == last * step // steps:
                return float(self.spec.density ** (step / steps))
        return None
