"""Discrimination-aware channel selection (Zhuang et al., NeurIPS 2018): the channels are kept that a layer needs to
tell classes apart and to rebuild its sums."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from xbarch.compress.methods.looking import read
from xbarch.compress.quantizers.network import Network, Node
from xbarch.datapaths.records import Bools

_STEPS, _RATE = 50, 0.05  # of the layer's own classifier


def discriminating(network: Network, uncut: Network, node: Node, images: Sequence[tuple[Tensor, Tensor]],
                   keep: int) -> Bools:
    """Add, one after another, the channel whose weights have the largest gradient of

        mean squared error of the layer's sums + cross entropy of a classifier of its own,

    taken with the channels added so far (algorithm 2 there, with its weight λ = 1; the error is divided by the mean
    square of the sums). Readings: the classifier is linear, on the means of the layer's positive outputs, and trained
    on the uncut layer alone; a channel comes in with its trained weights, which are not trained between choices.

    Returns:
        Whether an input channel is kept [channels].
    """
    reference = uncut.node(node.layer.name)
    own = torch.cat([read(network, node, x) for x, _ in images])
    labels = torch.cat([y for _, y in images])
    with torch.no_grad():
        sums = torch.cat([reference.sums(read(uncut, reference, x)) for x, _ in images])
        scale = sums.square().mean().clamp(min=1e-12)
        pooled = _pooled(reference, sums)
    classify = _classifier(pooled, labels)
    weight = node.quantized().detach()
    kept = torch.zeros(weight.shape[1], dtype=torch.bool, device=weight.device)
    for _ in range(keep):
        tried = (weight * kept.view(1, -1, *(1,) * (weight.dim() - 2))).requires_grad_()
        with torch.enable_grad():
            made = node.products(own, tried)
            loss = F.mse_loss(made, sums) / scale + F.cross_entropy(classify(_pooled(reference, made)), labels)
        (slope,) = torch.autograd.grad(loss, tried)
        size = slope.transpose(0, 1).flatten(1).norm(dim=1).masked_fill(kept, -1)
        kept[int(size.argmax())] = True
    return np.asarray(kept.cpu().numpy())


def _pooled(node: Node, sums: Tensor) -> Tensor:
    """Means over the positions of positive outputs [n, filters]."""
    return node.biased(sums).relu().flatten(2).mean(2) if sums.dim() > 2 else node.biased(sums).relu()


def _classifier(features: Tensor, labels: Tensor) -> nn.Linear:
    """A linear classifier of features [n, filters], trained from zero with all of them at once."""
    made = nn.Linear(features.shape[1], int(labels.max()) + 1).to(features)
    nn.init.zeros_(made.weight)
    nn.init.zeros_(made.bias)
    optimizer = torch.optim.Adam(made.parameters(), _RATE)
    with torch.enable_grad():
        for _ in range(_STEPS):
            optimizer.zero_grad()
            F.cross_entropy(made(features), labels).backward()
            optimizer.step()
    return made.requires_grad_(False)
