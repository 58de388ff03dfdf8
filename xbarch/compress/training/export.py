"""A trained network becomes a workload: integers, scales, masks, activations."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from xbarch.compress.quantizers.levels import Fixed
from xbarch.compress.quantizers.network import Network, Node
from xbarch.errors import InputError
from xbarch.workload import resize
from xbarch.workload.graph import SCALED, Ints, Layer, Workload

Reals = NDArray[np.float64]


def layers(network: Network) -> tuple[Layer, ...]:
    """Layers with integer weights, masks, and batch norm folded into scale and bias."""
    steps: dict[str, float] = {}
    made: list[Layer] = []
    for la in network.layers:
        node = network.node(la.name)
        before = [steps[i] for i in la.inputs]
        here = inner = float(network.step(la.name).detach())
        if node.inner is not None:  # the table rounds to the output's levels
            inner = float(node.inner.step)
        steps[la.name], layer = here, la
        if la.compute:
            layer = _compute(layer, node, before[0], inner)
        elif la.op in SCALED:
            layer = replace(layer, **_digital(node, before, inner))
        if node.function is not None:
            layer = replace(layer, table=_table(node))
        made.append(replace(layer, to_even=isinstance(node.inner or node.out, Fixed)))
    return _shared(network, made)


def _shared(network: Network, made: list[Layer]) -> tuple[Layer, ...]:
    """Calls of one module whose integers and masks are equal share them."""
    first: dict[str, Layer] = {}
    found = []
    for la in made:
        other = first.setdefault(network.node(la.name).weight_source.name or la.name, la) if la.compute else la
        alike = other is not la and all(_equal(getattr(la, part), getattr(other, part)) for part in ("weights", "mask"))
        found.append(replace(la, weights=other.weights, mask=other.mask, shares=other.name) if alike else la)
    return tuple(found)


def _equal(one: Any, two: Any) -> bool:
    if one is None or two is None:
        return one is two
    return np.array_equal(one(), two())


def _digital(node: Node, before: list[float], here: float) -> dict[str, Any]:
    """Scale, bias and epsilon of a layer without weights, in levels of `here`."""
    op, gains = node.layer.op, node.gains
    if op == "avgpool":
        mean = before[0] / here / node.divisor
        return {"scale": np.array([mean]) if gains is None else mean * _array(gains.gain)}
    if op == "resize":
        return {"scale": np.array([before[0] / here / resize.whole(node.layer)])}
    if op == "mul":
        return {"scale": np.array([before[0] * before[1] / here])}
    if op in ("add", "concat"):
        signs = [1.0] * len(before) if gains is None else _array(gains.gain)
        return {"scale": np.array([sign * step / here for sign, step in zip(signs, before, strict=True)])}
    assert gains is not None
    gain, shift = _array(gains.gain) / here, _array(gains.shift) / here
    if op == "norm":
        return {"scale": gain, "bias": shift, "epsilon": node.layer.epsilon / before[0] ** 2}
    return {"scale": gain * before[0], "bias": shift}


def _table(node: Node) -> Ints:
    """Output levels of a function for every level before it."""
    assert node.function is not None and node.inner is not None
    inner = torch.arange(-node.inner.top, node.inner.top + 1, dtype=torch.float64) * float(node.inner.step)
    with torch.no_grad():
        found = node.function(inner)
        if not bool(found.isfinite().all()):
            raise InputError(f"the function {node.layer.function} of layer {node.layer.name} is not finite for every "
                             f"value from {float(inner[0]):.3g} to {float(inner[-1]):.3g}", field="model")
        step = 1.0 if node.out is None else float(node.out.step)
        own = isinstance(node.out, Fixed)
        levels = ((found / step).round() if own else (found / step + 0.5).floor()).numpy()
    low, high = node.layer.levels
    limits = (node.out.low, node.out.top) if isinstance(node.out, Fixed) else (max(low, -high), high)
    return np.clip(levels, *limits).astype(np.int32)


def _compute(layer: Layer, node: Node, step_in: float, step_out: float) -> Layer:
    """Real output of filter f: step_w * step_in * sum, through batch norm; in levels of step_out."""
    with torch.no_grad():
        weights, step = node.levels.integers(node.weight * node.mask)
        if not bool(torch.isfinite(node.weight).all()):
            raise InputError(f"layer {layer.name} has weights that are not finite numbers", field="model")
        gain, shift = (_array(t) for t in node.folded())
    shape = weights.shape if weights.dim() == 4 else (*weights.shape, 1, 1)
    ints = weights.reshape(shape).numpy().astype(np.int8 if layer.weight_bits <= 8 else np.int16)
    if node.chain:  # a negative gain becomes the weights' sign, so that what is left is a shift
        ints, gain = ints * np.sign(gain).astype(ints.dtype)[:, None, None, None], abs(gain)
    mask = node.mask.reshape(shape).numpy()
    return replace(layer, weights=partial(_same, ints), mask=None if mask.all() else partial(_same, mask),
                   scale=gain * (_array(step) * step_in / step_out), bias=shift / step_out,
                   full_scales=() if node.scales is None else node.scales.whole)


def _same(value: Any) -> Any:
    return value


def _array(tensor: torch.Tensor) -> Reals:
    return tensor.detach().double().numpy()


def activations(network: Network, made: tuple[Layer, ...], images: torch.Tensor) -> dict[str, Ints]:
    """Integer inputs of every compute layer for `images` [n, C, H, W] in [0, 1]."""
    kept: dict[str, torch.Tensor] = {}
    network.eval()
    with torch.no_grad():
        network(images, keep=kept)
    found: dict[str, Ints] = {}
    for la in made:
        if la.compute:
            source = la.inputs[0]
            levels = (kept[source].double() / float(network.step(source).detach())).round()
            kind = np.dtype(f"{'i' if la.signed_in else 'u'}{1 if la.input_bits <= 8 else 2}")
            found[la.name] = levels.numpy().astype(kind).reshape(len(images), *la.in_shape)
    return found


def pixels(network: Network, images: torch.Tensor) -> Ints:
    """Images [n, C, H, W] in [0, 1] as the whole numbers that the network takes."""
    first = network.layers[0].name
    with torch.no_grad():
        levels = network.node(first)(images).double() / float(network.step(first).detach())
    return levels.round().to(torch.int64).numpy()


def statistics(network: Network, made: tuple[Layer, ...], images: torch.Tensor) -> dict[str, dict[str, float]]:
    """What zero skipping meets at every compute layer's inputs on `images`: share of zeros, mean number of significant
    bits, share of ones among the bits."""
    found = {}
    bits = {la.name: la.input_bits for la in made}
    for name, levels in activations(network, made, images).items():
        patterns = levels.ravel().astype(np.int64) & (1 << bits[name]) - 1  # of signed ones: two's complement
        counts = np.bincount(patterns, minlength=1 << bits[name])
        shares, values = counts / counts.sum(), np.arange(len(counts))
        length = np.ceil(np.log2(values + 1))
        found[name] = {"zeros": float(shares[0]), "significant_bits": float(shares @ length),
                       "ones": float(shares @ np.bitwise_count(values)) / bits[name]}
    return found


def workload(name: str, network: Network, images: torch.Tensor, **about: Any) -> Workload:
    """The network as a workload. about: fields of `Workload` such as datapath, trained_on, accuracy."""
    made = layers(network)
    outputs = tuple(replace(output, step=float(network.step(output.layer).detach())) for output in network.outputs)
    return Workload(name=name, layers=made, outputs=outputs, activations=activations(network, made, images), **about)
