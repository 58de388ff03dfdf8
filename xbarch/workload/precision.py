"""A network at more bits than it is stored with: `widen` keeps its levels, `refine` divides them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbarch.workload.graph import SCALED, Ints, Layer, Workload
from xbarch.workload.infer import inferred


def at_bits(network: Workload, bits: int | None, activation_bits: int | None, level_bits: int | None) -> Workload:
    """Return the network as a request's fields of these names ask for it."""
    said = [f" at {bits} bits"] if bits else []
    said += [f", activations at {activation_bits} bits"] if activation_bits and activation_bits > (bits or 0) else []
    said += [f", levels of at least {level_bits} bits"] if level_bits else []
    fine = refine(network, level_bits) if level_bits else network
    wide = widen(fine, bits or 0, max(bits or 0, activation_bits or 0)) if bits or activation_bits else fine
    return replace(wide, name=network.name + "".join(said)) if said else network


def widen(network: Workload, weights: int, activations: int) -> Workload:
    """Return the same network with at least so many bits for weights and activations, whose values and clips stay; the
    image keeps its width."""
    image = network.layers[0].name
    layers = [la if la.name == image else replace(
        la, weight_bits=max(weights, la.weight_bits), output_bits=max(activations, la.output_bits),
        level_bits=la.level_bits or (la.output_bits if activations > la.output_bits else None),
        input_bits=la.input_bits if image in la.inputs else max(activations, la.input_bits)) for la in network.layers]
    return replace(network, layers=tuple(layers))


def refine(network: Workload, bits: int) -> Workload:
    """Return the same network with activations of at least `bits` bits over the range that they have: a level of b bits
    becomes 2^(bits - b) of them, and scales follow exactly. Weights, the image and real outputs stay.

    Stored activations are computed anew from the stored images; where the network has no scales, or stores no image,
    they are the old levels in the new unit.
    """
    finer: dict[str, int] = {}  # bits that the levels of each layer's outputs have got
    layers = []
    for layer in network.layers:
        before = [finer[name] for name in layer.inputs]
        if layer.op in SCALED and layer.name not in network.real:
            added = max(0, bits - layer.output_bits)
        else:
            added = before[0] if before and layer.op not in SCALED else 0
        finer[layer.name] = added
        layers.append(_refined(layer, before, added))
    outputs = tuple(replace(each, step=each.step / 2 ** finer[each.layer]) for each in network.outputs)
    made = replace(network, layers=tuple(layers), outputs=outputs, activations={})
    return replace(made, activations=_activations(network, made, finer))


def _refined(layer: Layer, before: Sequence[int], added: int) -> Layer:
    """A layer with so many more bits in the levels of each of its inputs (before) and of its outputs (added)."""
    if not before:
        return layer
    wider = replace(layer, input_bits=layer.input_bits + before[0], output_bits=layer.output_bits + added,
                    table=None if layer.table is None else layer.table.astype(np.int64) << added)
    if layer.scale is None:
        return wider
    each = np.array(before if layer.op in ("add", "concat") else [sum(before)])
    inputs = 0 if layer.op == "norm" else each  # a normalized value has no unit
    outputs = 0 if layer.function else added  # a table reads levels of its own
    return replace(wider, scale=layer.scale * np.exp2(outputs - inputs), epsilon=layer.epsilon * 4 ** before[0],
                   bias=None if layer.bias is None else layer.bias * np.exp2(outputs))


def _activations(old: Workload, new: Workload, finer: Mapping[str, int]) -> dict[str, Ints]:
    """The stored inputs of the layers in finer levels."""
    stored = {layer: old.activations[layer.name] for layer in new.compute_layers if layer.name in old.activations}
    images = next((x for layer, x in stored.items() if layer.inputs == (old.layers[0].name,)), None)
    if images is None or any(layer.scale is None for layer in old.layers if layer.op in SCALED):
        return {layer.name: _small(x.astype(np.int64) << finer[layer.inputs[0]], layer) for layer, x in stored.items()}
    values = inferred(new, list(images.reshape(-1, *old.layers[0].out_shape)))
    return {layer.name: _small(np.stack([each[layer.inputs[0]] for each in values]).reshape(x.shape), layer)
            for layer, x in stored.items()}


def _small(x: NDArray[Any], layer: Layer) -> Ints:
    kind = np.min_scalar_type(layer.input_range[0] or layer.input_range[1])
    return np.asarray(x, kind)
