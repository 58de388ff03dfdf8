"""A network in training takes the integers of a stored workload and goes on from them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from xbarch.compress.quantizers.levels import Pact
from xbarch.compress.quantizers.network import Network, Node
from xbarch.compress.training.data import Parts
from xbarch.errors import InputError
from xbarch.workload.graph import VIEWS, Layer, Workload

_IMAGES, _TOGETHER = 1024, 128  # training images on which batch norm's statistics are found
_CLIP = 1.0  # largest output of a layer with batch norm, whose size is free; about what training leaves


@torch.no_grad()
def take(network: Network, stored: Workload, parts: Parts) -> None:
    """Give the network, fresh from its model, the integers, scales and biases of a workload of the same model.

    A workload stores products of steps. Where batch norm follows, the steps of weights and outputs are free, because
    its gain makes up for them; elsewhere the weights' step follows from the scale. The network then computes what the
    workload does, to within rounding.

    Raises:
        InputError: its layers are not the model's; layers that join several others; a chain of powers of two.
    """
    def refuse(why: str) -> InputError:
        return InputError(f"must be a workload of this model and quantization: {why}", field="start")

    if network.spec.chain != "real" or network.spec.weight_scale != "lsq" or network.spec.weight_step != "layer":
        raise InputError("must go with quantization.chain real, weight_scale lsq and one weight_step for a layer",
                         field="start")
    names = {layer.name for layer in stored.layers}
    for layer in (la for la in network.layers if la.op not in VIEWS):
        if layer.name not in names:
            raise refuse(f"{stored.name} has no layer {layer.name}")
        found, node = stored[layer.name], network.node(layer.name)
        if (found.op, found.out_shape, found.output_bits) != (layer.op, layer.out_shape, layer.output_bits):
            raise refuse(f"layer {layer.name} differs from that of {stored.name}")
        if layer.compute:
            _weights(network, node, found)
        elif layer.op == "avgpool" and isinstance(node.out, Pact) and found.scale is not None:
            node.out.alpha.fill_(float(node.source()) / node.divisor / float(found.scale[0]) * node.out.top)
        elif layer.op not in ("input", "maxpool"):
            raise InputError(f"must be a workload without layers that join others or have no weights, such as "
                             f"{layer.name}", field="start")
    _statistics(network, parts)


def _weights(network: Network, node: Node, found: Layer) -> None:
    assert found.weights is not None
    if found.scale is None or found.bias is None:
        raise InputError(f"must be a trained workload; layer {found.name} stores no scale", field="start")
    if isinstance(node.out, Pact):
        node.out.alpha.fill_(_CLIP)
    integers = torch.from_numpy(np.array(found.weights(), np.float32)).reshape(node.weight.shape)
    ratio = found.scale * float(network.step(found.name)) / float(node.source())  # weight step times gain
    shift = torch.from_numpy(found.bias * float(network.step(found.name)))
    if node.norm is not None:
        step = found.rows ** -0.5 / max(float(integers.std()), 1e-6)  # the size that training leaves, nearly
        assert node.norm.running_mean is not None and node.norm.running_var is not None
        node.norm.running_mean.zero_()
        node.norm.running_var.fill_(1 - node.norm.eps)
        node.norm.weight.copy_(torch.from_numpy(ratio / step))
        node.norm.bias.copy_(shift)
    elif node.bias is not None and np.allclose(ratio, ratio[0]):
        step = float(ratio[0])
        node.bias.copy_(shift)
    else:
        raise InputError(f"must be a workload of this model: the scales of layer {found.name} need a batch norm",
                         field="start")
    node.levels.learned.fill_(step)
    node.weight.copy_(integers * step)
    if found.mask is not None:
        node.remove(torch.from_numpy(np.array(found.mask())).reshape(node.weight.shape))


def _statistics(network: Network, parts: Parts) -> None:
    """Batch norm gets the statistics of training images, and gains and shifts with which it computes what it did."""
    seen: dict[str, list[Tensor]] = {}
    nodes = [node for node in network.compute_nodes() if node.norm is not None]
    hooks = [node.norm.register_forward_hook(_watch(seen.setdefault(node.layer.name, []))) for node in nodes
             if node.norm is not None]
    network.eval()
    for index in torch.arange(min(_IMAGES, len(parts.train))).split(_TOGETHER):
        network(parts.train[index][0])
    for hook in hooks:
        hook.remove()
    for node in nodes:
        norm, (mean, square) = node.norm, torch.stack(seen[node.layer.name]).mean(dim=0)
        assert norm is not None and norm.running_mean is not None and norm.running_var is not None
        norm.running_mean.copy_(mean)
        norm.running_var.copy_((square - mean**2).clamp(min=0))
        norm.bias.add_(norm.weight * mean)
        norm.weight.mul_((norm.running_var + norm.eps).sqrt())


def _watch(seen: list[Tensor]) -> object:
    def hook(module: object, given: tuple[Tensor, ...], out: Tensor) -> None:
        x = given[0].transpose(0, 1).flatten(1)
        seen.append(torch.stack([x.mean(dim=1), x.square().mean(dim=1)]))

    return hook
