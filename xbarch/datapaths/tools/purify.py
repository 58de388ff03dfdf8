"""What removed filters imply for the rest of a network: channels without a producer, filters that no layer reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from xbarch.datapaths.records import Bools, Reals
from xbarch.workload.graph import Layer


@dataclass(frozen=True)
class Edge:
    """A layer on crossbars reads channels that `producers` make. Channel c is filter c of every producer that has that
    many filters; the image is a producer too. span: inputs of the reader per channel, more than one (the channel's
    positions) where the input was flattened."""

    reader: Layer
    producers: frozenset[str]
    span: int


MIXING = ("concat", "mul", "norm", "view")  # ops behind which channels are not those of their inputs


def edges(layers: Sequence[Layer]) -> list[Edge]:
    """One for every layer on crossbars. Additions match the channels of their branches from the first on; pooling,
    flattening and affine layers pass channels on. Other layers mix or move them: a reader behind those has no producers
    whose filters are known."""
    producers: dict[str, frozenset[str]] = {}
    channels: dict[str, int] = {}
    found = []
    for layer in layers:
        if layer.compute:
            source = layer.inputs[0]
            found.append(Edge(layer, producers[source], layer.in_shape[0] // channels[source]))
        if layer.compute or layer.op == "input" or layer.op in MIXING:
            producers[layer.name], channels[layer.name] = frozenset({layer.name}), layer.out_shape[0]
        else:
            producers[layer.name] = frozenset().union(*(producers[name] for name in layer.inputs))
            channels[layer.name] = max(channels[name] for name in layer.inputs)
    return found


def purified(layers: Sequence[Layer], masks: Mapping[str, Bools], weights: Mapping[str, Reals], emptiness: float,
             importance: float) -> dict[str, Bools]:
    """Masks with their consequences in the graph, applied until nothing changes (Ma et al., Tiny but Accurate, ASP-DAC
    2020, network purification and unused path removal):

    - a reader's weights on a channel are removed when no producer of it keeps a weight;
    - a filter is removed when all of its readers' weights on it are removed; or when more than `emptiness` of them are,
      and the largest norm of what is left, relative to the reader's largest channel, is below `importance`.

    A channel without a producer is a constant. Removing it changes nothing where the constant is zero; otherwise later
    layers are trained again. The channels of the image and the filters of the network's output are never removed.

    Args:
        layers: the network's, in topological order. masks, weights: (F, C / groups, kh, kw) of layers on crossbars.
    """
    graph, kept = edges(layers), {name: mask.copy() for name, mask in masks.items()}
    fixed = shown(layers) | {name for layer in layers if layer.op in MIXING for name in _makers(layer, layers)}
    while True:
        before = sum(int(mask.sum()) for mask in kept.values())
        for edge in graph:
            _unfed(edge, kept)
        for layer in layers:
            if layer.compute and layer.name not in fixed:
                readers = [edge for edge in graph if layer.name in edge.producers]
                kept[layer.name][_unread(layer, readers, kept, weights, emptiness, importance)] = False
        if sum(int(mask.sum()) for mask in kept.values()) == before:
            return kept


def shown(layers: Sequence[Layer]) -> set[str]:
    """Layers on crossbars whose filters are outputs of the network."""
    read = {name for layer in layers for name in layer.inputs}
    return {name for layer in layers if layer.name not in read for name in _makers(layer, layers)}


def _makers(last: Layer, layers: Sequence[Layer]) -> set[str]:
    """Layers on crossbars whose filters the output of layer `last` passes on."""
    if last.compute:
        return {last.name}
    by_name = {layer.name: layer for layer in layers}
    return {name for source in last.inputs for name in _makers(by_name[source], layers)}


def _unfed(edge: Edge, kept: dict[str, Bools]) -> None:
    """Remove the reader's weights on channels that no producer makes."""
    if not all(name in kept for name in edge.producers):
        return  # the image, or a layer without a mask here
    channels = edge.reader.in_shape[0] // edge.span
    fed = np.zeros(channels, bool)
    for name in edge.producers:
        made: Bools = np.logical_or.reduce(kept[name], axis=(1, 2, 3))
        fed[:len(made)] |= made[:channels]
    mask = kept[edge.reader.name]
    by_group = np.repeat(fed, edge.span).reshape(edge.reader.groups, 1, mask.shape[1], 1, 1)
    kept[edge.reader.name] = (mask.reshape(edge.reader.groups, -1, *mask.shape[1:]) & by_group).reshape(mask.shape)


def _unread(layer: Layer, readers: Sequence[Edge], kept: Mapping[str, Bools], weights: Mapping[str, Reals],
            emptiness: float, importance: float) -> Bools:
    """Filters of a layer that are hardly read, [F]."""
    whole, left = np.zeros(layer.filters), np.zeros(layer.filters)
    most = np.zeros(layer.filters)
    for edge in readers:
        mask = kept[edge.reader.name]
        count, energy = (_channels(edge, values) for values in (mask, np.square(weights[edge.reader.name]) * mask))
        here = slice(0, min(layer.filters, len(count)))
        whole[here] += mask.size / len(count)
        left[here] += count[here]
        most[here] = np.maximum(most[here], np.sqrt(energy[here] / max(float(energy.max()), 1e-300)))
    empty = 1 - left / np.maximum(whole, 1)
    return np.asarray((left == 0) | (empty > emptiness) & (most < importance))


def _channels(edge: Edge, values: Reals | Bools) -> Reals:
    """Sums over the reader's weights on each channel of its producers."""
    by_group = values.reshape(edge.reader.groups, -1, *values.shape[1:]).sum(axis=(1, 3, 4))
    sums: Reals = by_group.reshape(-1, edge.span).sum(axis=1).astype(np.float64)
    return sums
