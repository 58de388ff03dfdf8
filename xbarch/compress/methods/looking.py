"""What a layer reads and what it makes of it, at places drawn at random."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from xbarch.compress.intake.evaluate import padded
from xbarch.compress.quantizers.network import Network, Node
from xbarch.datapaths.records import Reals
from xbarch.workload.graph import Layer


@dataclass(frozen=True)
class Seen:
    """Windows of a layer. patches: their inputs [windows, channels, kernel]; sums: what the layer of the uncut network
    makes of its own inputs there, without bias [windows, filters]."""

    patches: Reals
    sums: Reals


@torch.no_grad()
def looked(network: Network, uncut: Network, node: Node, images: Sequence[Tensor], places: int,
           seed: tuple[int, ...]) -> Seen:
    """A layer's windows at `places` outputs of every image, drawn for each; all where it has fewer."""
    rng, reference = np.random.default_rng(seed), uncut.node(node.layer.name)
    patches, sums = list[Reals](), list[Reals]()
    for x in images:
        for part in x.split(32):
            own, whole = read(network, node, part), reference.sums(read(uncut, reference, part))
            whole = whole.reshape(*whole.shape[:2], -1)
            size = whole.shape[2]
            at = torch.from_numpy(np.stack([rng.permutation(size)[:places] for _ in part])).to(part.device)
            found = windows(node.layer, own).gather(2, at[:, None].expand(-1, node.layer.rows, -1))
            patches.append(found.transpose(1, 2).reshape(-1, node.layer.rows).double().cpu().numpy())
            taken = whole.gather(2, at[:, None].expand(-1, whole.shape[1], -1))
            sums.append(taken.transpose(1, 2).reshape(-1, whole.shape[1]).double().cpu().numpy())
    kernel = node.layer.kernel[0] * node.layer.kernel[1]
    return Seen(np.concatenate(patches).reshape(-1, node.layer.rows // kernel, kernel), np.concatenate(sums))


def windows(layer: Layer, x: Tensor) -> Tensor:
    """Inputs of all windows [n, rows, windows]."""
    if layer.op == "linear":
        return x.flatten(1)[:, :, None]
    return F.unfold(padded(layer, x), layer.kernel, layer.dilation, 0, layer.stride)


def read(network: Network, node: Node, x: Tensor) -> Tensor:
    """What a layer reads when the network, in evaluation, sees images x."""
    with _caught(node) as found:
        network.eval()(x)
    return found[0]


@contextmanager
def _caught(node: nn.Module) -> Iterator[list[Tensor]]:
    found: list[Tensor] = []
    handle = node.register_forward_pre_hook(lambda _, given: found.append(given[0]))
    try:
        yield found
    finally:
        handle.remove()
