"""The cut with what is kept chosen by more than its norm: filters by L1, kernels at random, input channels by what they
do for a layer's sums or its classes."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy

import numpy as np
import torch

from xbarch.compress.methods import choosing
from xbarch.compress.methods.discrimination import discriminating
from xbarch.compress.methods.looking import Seen, looked
from xbarch.compress.methods.pruner import Pruner
from xbarch.compress.quantizers.network import Network, Node
from xbarch.datapaths.base import DataPath, Projection, Reals
from xbarch.datapaths.records import Bools
from xbarch.errors import InputError
from xbarch.specs.algorithms import Select as Spec
from xbarch.specs.recipe import Pruning

_SPREAD = 1e-6  # of a group that is not chosen, against one that is


class Select(Pruner):
    """The method's projection says how much of a layer is kept; it is then given scores in place of the weights, which
    are large for what was chosen. Layers are cut in their order: each choice sees the layers before it cut."""

    def __init__(self, network: Network, spec: Pruning, path: DataPath) -> None:
        super().__init__(network, spec, path)
        self.fresh = self._spec.by == "random"

    @property
    def _spec(self) -> Spec:
        assert isinstance(self.spec.algorithm, Spec)
        return self.spec.algorithm

    def kept(self) -> Iterator[Projection]:
        assert self.spec.density is not None
        choose = {"l1": self._filters, "random": self._kernels}.get(self._spec.by)
        if choose is None:  # the statistics are stale while weights change fast
            self.network.recalibrate(x for x, _ in self.sample(self._spec.images))
        uncut = deepcopy(self.network).eval()
        levels = [self.levels(n, n.weight) for n in self.nodes]
        shares = self.densities(self.spec.density, levels)
        for number, (node, own, share) in enumerate(zip(self.nodes, levels, shares, strict=True)):
            if choose is not None:
                yield self._taken(node, own, choose(own, number), share)
                continue
            yield self._by_channels(node, own, share, uncut, number)

    def _by_channels(self, node: Node, levels: Reals, share: float, uncut: Network, number: int) -> Projection:
        """As many input channels as the method's own projection keeps."""
        if node.layer.groups > 1:
            raise InputError(f"must leave layer {node.layer.name} dense (pruning.layers: 1): {self._spec.by} chooses "
                             "channels that all filters of a layer read", field="pruning.algorithm")
        mask = self._projection(self.path.project, levels, node, share).mask
        channels = self._channels(node, int(mask.any(axis=(0, 2, 3)).sum()), uncut, number)[None, :, None, None]
        found = self._taken(node, levels, channels.astype(float), share)
        if (found.mask != channels).any():
            raise InputError(f"must be another: {self._spec.by} chooses whole input channels, which {self.path.name} "
                             "does not remove with these options (tiny_but_accurate does, with filters 0 and shape "
                             "channels)", field="pruning.method")
        return found

    def _taken(self, node: Node, levels: Reals, scores: Reals, share: float) -> Projection:
        """The projection of scores, applied to the layer's weights as they are now."""
        spread = np.broadcast_to(scores + _SPREAD, levels.shape)
        found = self._projection(self.path.project, np.ascontiguousarray(spread), node, share)
        if found.allowed is not None or found.ties is not None:
            raise InputError(f"must be one that only removes weights: {self.path.name} changes what it keeps, which "
                             "algorithm select cannot choose", field="pruning.method")
        return Projection(self.levels(node, node.weight) * found.mask, found.mask, found.side)

    # -- scores -----------------------------------------------------------------------------------------

    def _filters(self, levels: Reals, number: int) -> Reals:
        """Sums of absolute weights of filters (Li et al., ICLR 2017, section 3.1)."""
        sums: Reals = np.abs(levels).sum(axis=(1, 2, 3), keepdims=True)
        return sums / max(float(sums.max()), 1e-30)

    def _kernels(self, levels: Reals, number: int) -> Reals:
        """A rank among its filter's kernels, drawn: the same number of every filter have the largest ranks (Changpinyo
        et al., 2017, section 3)."""
        rng = np.random.default_rng((self.seed, number))
        ranks = rng.permuted(np.tile(np.arange(1, levels.shape[1] + 1), (len(levels), 1)), axis=1)
        return np.asarray(ranks, float)[:, :, None, None]

    def _channels(self, node: Node, keep: int, uncut: Network, number: int) -> Bools:
        """Which of a layer's input channels are kept, [channels]; the weights of those are rebuilt in place."""
        spec = self._spec
        images = self.sample(spec.images)
        if spec.by == "discrimination":
            return discriminating(self.network, uncut, node, images, keep)
        seen = looked(self.network, uncut, node, [x for x, _ in images], spec.places, (self.seed, number))
        weight = node.quantized().detach().double().cpu().numpy().reshape(node.layer.filters, seen.patches.shape[1], -1)
        if spec.by == "thinet":
            rng = np.random.default_rng((self.seed, number, 1))
            one = rng.integers(len(weight), size=len(seen.patches))
            parts: Reals = np.einsum("mck,mck->mc", seen.patches, weight[one])
            kept = choosing.thinet(parts, keep)
            if spec.repair:
                self._write(node, kept, choosing.factors(parts[:, kept], parts.sum(axis=1)))
            return kept
        parts = np.einsum("mck,fck->mfc", seen.patches, weight).reshape(-1, seen.patches.shape[1])
        kept = choosing.lasso(parts.T @ parts, parts.T @ seen.sums.ravel(), len(parts), keep)
        if spec.repair:
            self._rebuild(node, kept, seen)
        return kept

    def _write(self, node: Node, kept: Bools, by: Reals) -> None:
        """Multiply the weights of the channels that are kept."""
        each = np.ones(len(kept))
        each[kept] = by
        with torch.no_grad():
            node.weight.mul_(torch.from_numpy(each).to(node.weight).view(1, -1, *(1,) * (node.weight.dim() - 2)))

    def _rebuild(self, node: Node, kept: Bools, seen: Seen) -> None:
        """Replace the weights of the channels that are kept."""
        made = choosing.rebuilt(seen.patches[:, kept].reshape(len(seen.patches), -1), seen.sums)
        shape = (node.layer.filters, int(kept.sum()), *node.weight.shape[2:])
        with torch.no_grad():
            node.weight[:, torch.from_numpy(kept)] = torch.from_numpy(made).reshape(shape).to(node.weight)

