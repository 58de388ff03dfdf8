"""Zeroize and recover: pruning that can be undone while the network still learns."""

from __future__ import annotations

import torch

from xbarch.compress.methods.pruner import Pruner
from xbarch.specs.algorithms import Zeroize as Spec


class Zeroize(Pruner):
    """In every even epoch the weights are projected after each step; in odd epochs the weights that were set to zero
    get gradients again and may come back (ZeroBN's published code; Huai et al. name it zerorize-recover).

    The density falls linearly from 1 to its target over `ramp` epochs.
    """

    @torch.no_grad()
    def step(self, rate: float, progress: float, epoch: int) -> None:
        assert isinstance(self.spec.algorithm, Spec) and self.spec.density is not None
        if epoch % 2:
            return
        ramp = min(1.0, epoch / self.spec.algorithm.ramp)
        density = 1 - (1 - self.spec.density) * ramp
        for node, found in zip(self.nodes, self.projected([n.weight for n in self.nodes], density), strict=True):
            node.weight.mul_(torch.from_numpy(found.mask).to(node.mask.device).reshape(node.weight.shape))
